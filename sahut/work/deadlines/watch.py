"""The one loop that warns of clocks and breaks them, for all kinds; what follows from it is told by handlers.

It never waits for a lock: the handler locks the subjects first, in one order, and passes over what somebody holds; then
the clocks are marked, and what follows is written, in the same transaction. What was passed over is found by the next
look. Any number of processes may look at once: a clock is marked under its lock, by one of them.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import asyncpg
import structlog

from sahut.bedrock import Clock
from sahut.db import AWAY, CONFLICT, Connection, Pool, Queries, connection, transaction
from sahut.work.deadlines.clocks import Deadline
from sahut.work.metrics import clock_marked

LOOK_EVERY_S, BATCH = 2.0, 100

_queries = Queries.load("sahut.work.deadlines")
_log = structlog.get_logger()

LockSubjects = Callable[[Connection, Sequence[int]], Awaitable[Collection[int]]]
WhatFollows = Callable[[Connection, Sequence[Deadline], datetime], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ClockHandler:
    """What belongs to the clocks of a kind. All of it runs in the transaction of the marks.

    `lock`: locks the subjects in order of their ids, passes over those that somebody holds, and tells which it has;
    None: clocks of this kind have no subject that is changed with them. `broken`, `warned`: what follows, given at most
    a hundred clocks, those due first; None: nothing but the event. A handler touches nothing outside the database.
    """

    lock: LockSubjects | None = None
    broken: WhatFollows | None = None
    warned: WhatFollows | None = None


@dataclass(slots=True)
class Marked:
    """What one look has marked. `failed`: clocks that had to be left as they were, since what follows failed."""

    broken: int = 0
    warned: int = 0
    failed: int = 0


class DeadlineWatch:
    """Looks after clocks of the kinds that it has handlers for; a kind nobody here knows is left to who knows it.

    It goes by the clock of the database, so that a machine whose clock is ahead breaks nothing early. `clock`: another
    one, for tests that move time by hand.
    """

    def __init__(
        self, pool: Pool, handlers: Mapping[str, ClockHandler], *, clock: Clock | None = None, batch: int = BATCH
    ) -> None:
        self._pool, self._handlers, self._clock, self._batch = pool, handlers, clock, batch

    async def run(self) -> None:
        """Look every two seconds, until cancelled."""
        while True:
            try:
                marked = await self.look()
                if marked.broken or marked.failed:
                    _log.warning("deadlines_broken", count=marked.broken, failed=marked.failed)
            except (*AWAY, *CONFLICT) as error:
                _log.warning("deadlines_are_looked_at_again", error=type(error).__name__)
            # Not all processes at the same moment: they would only pass over each other's clocks.
            await asyncio.sleep(LOOK_EVERY_S * random.uniform(0.75, 1.25))

    async def look(self) -> Marked:
        """Warn of and break everything whose moment has passed, once, a batch of each kind in turn, oldest first.

        Writes: `work.deadline`, events `deadline_broken` and `deadline_warned`, and what the handlers write.
        """
        now, marked = await self._now(), Marked()
        begun = {kind: (datetime.min.replace(tzinfo=UTC), 0) for kind in self._handlers}
        while begun:
            for kind, after in list(begun.items()):
                rows = await self._due(kind, now, after)
                if rows:
                    await self._mark_apart(kind, rows, now, marked)
                if len(rows) == self._batch:
                    begun[kind] = (rows[-1]["next_at"], rows[-1]["id"])
                else:
                    del begun[kind]
        return marked

    async def _now(self) -> datetime:
        if self._clock is not None:
            return self._clock.now()
        async with connection(self._pool) as held:
            now: datetime = await _queries.time_of_clocks.fetchval(held)
        return now

    async def _due(self, kind: str, now: datetime, after: tuple[datetime, int]) -> list[asyncpg.Record]:
        async with connection(self._pool) as held:
            return await _queries.due_clocks.fetch(
                held, kind=kind, now=now, after_at=after[0], after_id=after[1], at_most=self._batch
            )

    async def _mark_apart(self, kind: str, rows: list[asyncpg.Record], now: datetime, marked: Marked) -> None:
        """Mark a batch in one transaction; when what follows fails, in halves, until the one that fails is alone."""
        try:
            async with transaction(self._pool) as held:
                done = await self._mark(held, kind, rows, now)
        except CONFLICT as error:  # the next look finds them again
            _log.warning("deadlines_are_looked_at_again", kind=kind, error=type(error).__name__)
        except AWAY:
            raise
        except Exception as error:  # noqa: BLE001 (one clock, or one kind, must not hold up all others)
            if len(rows) == 1:
                marked.failed += 1
                _log.error("deadline_left_running", kind=kind, deadline=rows[0]["id"], error=type(error).__name__)
                return
            middle = len(rows) // 2
            await self._mark_apart(kind, rows[:middle], now, marked)
            await self._mark_apart(kind, rows[middle:], now, marked)
        else:
            marked.broken += done.broken
            marked.warned += done.warned
            if done.broken:
                clock_marked(kind, "broken", done.broken)
            if done.warned:
                clock_marked(kind, "warned", done.warned)

    async def _mark(self, held: Connection, kind: str, rows: list[asyncpg.Record], now: datetime) -> Marked:
        handler = self._handlers[kind]
        if handler.lock is not None:
            locked = set(await handler.lock(held, sorted({row["subject"] for row in rows})))
            rows = [row for row in rows if row["subject"] in locked]
            if not rows:
                return Marked()
        found = await _queries.mark_due.fetch(held, ids=[row["id"] for row in rows], now=now)
        broken = [replace(Deadline(*row[:7]), broken_at=now) for row in found if row["times"] == 0]
        warned = [Deadline(*row[:7]) for row in found if row["times"]]
        if broken and handler.broken is not None:
            await handler.broken(held, broken, now)
        if warned and handler.warned is not None:
            await handler.warned(held, warned, now)
        return Marked(len(broken), sum(row["times"] for row in found))

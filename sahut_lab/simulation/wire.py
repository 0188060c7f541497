"""The wire between simulated processes and the real server: every statement takes its turn here, and may be hurt.

One statement is in the server at a time. One that waits there for a lock is set aside until whoever holds the lock has
gone on; PostgreSQL says who waits, so this does not depend on how fast the machine is.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

import asyncpg

from sahut_lab.simulation.chance import Chance
from sahut_lab.simulation.loop import VirtualLoop

_GONE_WITHIN = 1000


class Cut(asyncpg.ConnectionDoesNotExistError):
    """The connection was cut by the simulation."""


@dataclass(eq=False)
class _Parked:
    """A statement that waits in the server for somebody's lock."""

    server_pid: int
    work: "asyncio.Task[Any]"
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Wire:
    """All connections of one run. `control`: the owner's own connection, which is never hurt."""

    def __init__(
        self, dsn: str, control: "asyncpg.Connection[asyncpg.Record]", chance: Chance, epoch: datetime
    ) -> None:
        self.dsn, self._control, self.chance, self._epoch = dsn, control, chance, epoch
        self.database_ahead_s = 0.0
        self._set_to: datetime | None = None
        self._turn = asyncio.Lock()
        self._parked: list[_Parked] = []

    @property
    def loop(self) -> VirtualLoop:
        return cast("VirtualLoop", asyncio.get_running_loop())

    def now(self) -> datetime:
        """The time of the world, in which nobody's clock is wrong."""
        return self._epoch + timedelta(seconds=self.loop.time())

    def tell(self, what: str) -> None:
        self.chance.tell(self.loop.time(), what)

    async def ask(self, query: str, *arguments: Any) -> Any:
        """Ask outside of the simulation; time stands still."""
        async with self._turn:
            with self.loop.really():
                return await self._control.fetch(query, *arguments)

    async def carry(self, server_pid: int, send: Callable[[], Awaitable[Any]]) -> Any:
        """Have the server do one statement, alone, at this moment of the simulation."""
        async with self._turn:
            await self._set_the_clock()
            work = asyncio.ensure_future(send())
            if await self._done_or_waiting(server_pid, work):
                await self._unpark()
                return work.result()
            parked = _Parked(server_pid, work)
            self._parked.append(parked)
        try:
            await parked.done.wait()
        finally:
            if parked in self._parked:  # whoever waited here was cancelled
                self._parked.remove(parked)
                await self.hang_up(server_pid)
                with suppress(Exception):
                    await work
        return work.result()

    async def hang_up(self, server_pid: int) -> None:
        """End a session in the server, and wait until it has gone with its locks."""
        async with self._turn:
            with self.loop.really():
                await self._control.fetchval("select pg_terminate_backend($1)", server_pid)
                for _ in range(_GONE_WITHIN):
                    if not await self._control.fetchval("select true from pg_stat_activity where pid = $1", server_pid):
                        break
                    await self.loop.real_pause()
            await self._unpark()

    async def _done_or_waiting(self, server_pid: int, work: "asyncio.Future[Any]") -> bool:
        """Wait until the statement is done (True) or waits for a lock (False)."""
        with self.loop.really():
            while True:
                pause = asyncio.create_task(self.loop.real_pause())
                await asyncio.wait({work, pause}, return_when=asyncio.FIRST_COMPLETED)
                pause.cancel()
                if work.done():
                    return True
                if await self._waits(server_pid):
                    return False

    async def _waits(self, server_pid: int) -> bool:
        return bool(await self._control.fetchval("select cardinality(pg_blocking_pids($1)) > 0", server_pid))

    async def _unpark(self) -> None:
        """Those whose lock has come go on, in the order in which they came."""
        for parked in list(self._parked):
            with self.loop.really():
                waits = not parked.work.done() and await self._waits(parked.server_pid)
            if not waits and await self._done_or_waiting(parked.server_pid, parked.work):
                self._parked.remove(parked)
                parked.done.set()

    async def _set_the_clock(self) -> None:
        now = self.now() + timedelta(seconds=self.database_ahead_s)
        if now != self._set_to:
            with self.loop.really():
                await self._control.execute(
                    "select setval('simulation.clock', (extract(epoch from $1::timestamptz) * 1000000)::bigint)", now
                )
            self._set_to = now

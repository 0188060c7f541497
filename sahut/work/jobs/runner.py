"""Durable jobs: rows that are done exactly once in effect, by any process, also across kills.

A job is claimed for the length of a lease. Its handler runs in one transaction, which also removes the row if this
claim is still the newest; otherwise everything is rolled back. So a process that was thought dead and comes back
changes nothing, and a commit of which nobody heard is not done again.

Each kind has lanes of its own. One loop claims for all kinds that have room, one task renews leases, and a lane runs
one transaction after the other; so a kind with a million jobs, or one whose handlers hang, keeps no other waiting.
"""

import asyncio
import random
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import cast

import asyncpg
import structlog

from sahut.db import AWAY, CONFLICT, DATABASE_LOST, Connection, DatabaseAway, Pool, connection, transaction
from sahut.work.jobs.claims import ClaimLost, claim, finish, give_back, lengthen, next_due_in, put_back
from sahut.work.jobs.kinds import Job, JobKind, ProcessLost, RetryAfter, by_name, judge
from sahut.work.jobs.line import Held, Line
from sahut.work.metrics import job_ended, job_span, job_tried, jobs_committed

IDLE_S = 1.0
CLAIM_AT_MOST = 50  # of each kind, in a round by hand
DRAIN_S = 4.0
_LET_GO_S = 1.0
_PASSES = (*AWAY, *CONFLICT)  # what the next round does not meet any more

_log = structlog.get_logger()


def connections_for(kinds: Iterable[JobKind]) -> int:
    """How many connections a runner of these kinds can use: one for each lane, and two for claims and leases."""
    return sum(kind.at_once for kind in kinds) + 2


class JobRunner:
    """Claims jobs of its kinds and runs them. Jobs of other kinds are not looked at: a newer release does them.

    `name`: of this process, as `sahut jobs show` tells it. `chance`: draws from 0 to 1 for the waits.
    **Refuses**: `KindTwice`.
    """

    def __init__(
        self,
        pool: Pool,
        kinds: Iterable[JobKind],
        *,
        name: str = "work",
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._pool, self._name, self._chance = pool, name[:64], chance
        self._lines = {name: Line(kind) for name, kind in by_name(kinds).items()}
        self._awake = asyncio.Event()
        self._stopping = False
        self._returning: list[Job] = []
        self._failed: BaseException | None = None

    def wake(self) -> None:
        """There may be something to do now; the ring calls this."""
        for line in self._lines.values():
            line.may_have_more = True
        self._awake.set()

    def stop(self) -> None:
        """Claim nothing new; `run` returns when it has drained."""
        self._stopping = True
        self._awake.set()

    async def run(self, *, drain_s: float = DRAIN_S) -> None:
        """Work until `stop`, or until cancelled. A database that is away is asked again within a second or two.

        At the end what runs may finish for `drain_s` seconds; the rest is given back, so that others take it at once.
        """
        keeping = asyncio.create_task(self._keep_leases())
        try:
            while not self._stopping:
                self._awake.clear()
                try:
                    wait_s = 0.0 if await self._claim_for_all() else await self._idle_s()
                except _PASSES as error:
                    _log.warning("jobs_wait_for_the_database", error=type(error).__name__)
                    wait_s = 0.2 + 0.8 * self._chance()
                if self._failed is not None:
                    raise self._failed
                if not self._stopping:
                    await self._wait(wait_s)
        except asyncio.CancelledError:
            drain_s = 0.0
            raise
        finally:
            try:
                await self._drain(drain_s)
            finally:
                keeping.cancel()

    async def run_due(self) -> int:
        """One round by hand: claim what is due, at most 50 of each kind, and run it; how many were claimed."""
        keeping = asyncio.create_task(self._keep_leases())
        try:
            count = await self._claim([(line, CLAIM_AT_MOST) for line in self._lines.values()])
            while lanes := self._lanes():
                await asyncio.wait(lanes)
        finally:
            keeping.cancel()
        if self._failed is not None:
            raise self._failed
        return count

    async def _claim_for_all(self) -> bool:
        """Claim for each kind that has room and may have more; whether it is worth while to do so again at once."""
        wanted = [(line, line.room) for line in self._lines.values() if line.may_have_more and line.room]
        if wanted:
            await self._claim(wanted)
        return any(line.may_have_more and line.room for line in self._lines.values())

    async def _claim(self, wanted: list[tuple[Line, int]]) -> int:
        since = asyncio.get_running_loop().time()
        async with connection(self._pool) as open_one:
            jobs = await claim(open_one, [(line.kind, at_most) for line, at_most in wanted], self._name)
        for line, asked in wanted:
            line.claimed((job for job in jobs if job.kind == line.kind.name), asked=asked, since=since)
            self._open_lanes(line)
        return len(jobs)

    def _open_lanes(self, line: Line) -> None:
        for _ in range(min(line.kind.at_once - len(line.lanes), len(line.waiting))):
            line.lanes.add(asyncio.create_task(self._lane(line)))

    async def _lane(self, line: Line) -> None:
        try:
            while line.waiting and not self._stopping:
                group = line.take()
                await self._run_group(line, group)
                line.done(group)
                if line.may_have_more and line.room:
                    self._awake.set()
        except Exception as error:  # noqa: BLE001 (no job failed but the runner itself: `run` ends with it)
            self._failed = error
            self._awake.set()
        finally:
            # In the same breath in which it found nobody waiting: who comes next opens another.
            line.lanes.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _run_group(self, line: Line, group: list[Held]) -> None:
        """Run jobs in one transaction, and see to it that those which did not end well come again."""
        kind, jobs, now = line.kind, [held.job for held in group], asyncio.get_running_loop().time
        if now() - min(held.since for held in group) >= kind.lease_s:
            self._returning += jobs  # the loop was blocked so long that others may have them by now
            return
        try:
            with job_span(kind.name, [job.traceparent for job in jobs]), job_tried(kind.name, len(jobs)):
                async with asyncio.timeout(kind.within_s):
                    await self._do(kind, jobs)
        except DATABASE_LOST as error:
            # Not given back at once: a step that breaks its connection each time must come to its last try, not spin.
            _log.warning("jobs_left_to_their_lease", kind=kind.name, count=len(jobs), error=type(error).__name__)
            job_ended(kind.name, "lost", len(jobs))
        except Exception as error:  # noqa: BLE001 (whatever it is, it is kept with the job as its story)
            if len(jobs) > 1:
                _log.warning("jobs_run_alone_instead", kind=kind.name, count=len(jobs), error=type(error).__name__)
                line.again_alone(group, now())
            elif isinstance(error, ClaimLost):
                _log.warning("job_claim_lost", kind=kind.name, job=jobs[0].id)
                job_ended(kind.name, "lost")
            else:
                await self._put_back(kind, jobs[0], error)

    async def _do(self, kind: JobKind, jobs: list[Job]) -> None:
        first = jobs[0]
        if first.tries > kind.retry.most_attempts:  # a job that ends its process never comes back to tell
            raise ProcessLost
        handle = kind.handle if kind.outside is None else await kind.outside(first)
        async with jobs_committed(), transaction(self._pool) as open_one:
            try:
                if kind.handle_many is not None:
                    await kind.handle_many(open_one, jobs)
                else:
                    assert handle is not None
                    for job in jobs:
                        await handle(open_one, job)
                await finish(open_one, jobs)
            except Exception as error:
                if _is_gone(open_one):
                    raise DatabaseAway from error
                raise

    async def _put_back(self, kind: JobKind, job: Job, error: Exception) -> None:
        """Try again later, or bury the job with its story when it has failed too often."""
        verdict = judge(kind.retry, job, error, self._chance())
        waits = verdict.forgive and not verdict.bury
        job_ended(kind.name, "buried" if verdict.bury else "waiting" if waits else "failed")
        if not isinstance(error, RetryAfter):
            event = "job_buried" if verdict.bury else "job_failed"
            _log.error(event, kind=kind.name, job=job.id, tries=job.tries, told=verdict.told)
        try:
            async with connection(self._pool) as open_one:
                await put_back(open_one, job, verdict)
        except _PASSES as away:  # the lease brings the job back
            _log.warning("job_left_to_its_lease", kind=kind.name, job=job.id, error=type(away).__name__)
        self._awake.set()

    async def _keep_leases(self) -> None:
        every_s = min((line.kind.lease_s for line in self._lines.values()), default=IDLE_S) / 3
        while True:
            await asyncio.sleep(every_s)
            try:
                with suppress(*_PASSES):
                    await self._keep_leases_once()
            except Exception as error:  # noqa: BLE001 (nobody waits for this task: `run` ends with it)
                self._failed = error
                self._awake.set()
                return

    async def _keep_leases_once(self) -> None:
        """Renew what runs, and give back what did not begin in time."""
        now = asyncio.get_running_loop().time()
        for line in self._lines.values():
            self._returning += line.waited_too_long(now)
        running = [(held.job, line.kind.lease_s) for line in self._lines.values() for held in line.running.values()]
        if not running and not self._returning:
            return
        async with connection(self._pool) as open_one:
            if running:
                await lengthen(open_one, running)
            await self._give_back(open_one)

    async def _give_back(self, open_one: Connection) -> None:
        returning, self._returning = self._returning, []
        if not returning:
            return
        try:
            await give_back(open_one, returning)
        except BaseException:
            self._returning += returning
            raise
        for job in returning:
            job_ended(job.kind, "given_back")

    async def _drain(self, within_s: float) -> None:
        """Let what runs end within `within_s`, cancel the rest, and give back what was not done."""
        self._stopping = True
        for line in self._lines.values():
            self._returning += [held.job for held in line.waiting]
            line.waiting.clear()
        await self._let_go()
        if lanes := self._lanes():
            _done, late = await asyncio.wait(lanes, timeout=within_s)
            for lane in late:
                lane.cancel()
            if late:
                await asyncio.wait(late, timeout=_LET_GO_S)
        for line in self._lines.values():
            self._returning += line.leave()
        await self._let_go()

    async def _let_go(self) -> None:
        """Give back at once; where the database is away, the leases do it later."""
        with suppress(*_PASSES):
            async with asyncio.timeout(_LET_GO_S), connection(self._pool) as open_one:
                await self._give_back(open_one)

    def _lanes(self) -> "set[asyncio.Task[None]]":
        return {lane for line in self._lines.values() for lane in line.lanes}

    async def _wait(self, wait_s: float) -> None:
        if not wait_s:
            return
        try:
            async with asyncio.timeout(wait_s):
                await self._awake.wait()
        except TimeoutError:
            self.wake()

    async def _idle_s(self) -> float:
        """How long nothing can be due in a line that was emptied."""
        empty = [line.kind for line in self._lines.values() if not line.may_have_more]
        if not empty:
            return IDLE_S
        async with connection(self._pool) as open_one:
            due_in = await next_due_in(open_one, empty)
        return IDLE_S if due_in is None else min(IDLE_S, max(0.01, due_in))


def _is_gone(open_one: Connection) -> bool:
    """Whether the connection broke; the pool takes a broken one away, and then it cannot even be asked."""
    try:
        return open_one.is_closed()
    except asyncpg.InterfaceError:
        return True

"""Durable jobs: rows that are done exactly once in effect, by any process, also across kills.

A job is claimed for the length of a lease. Its handler runs in one transaction, which also removes the row if this
claim is still the newest; otherwise everything is rolled back. So a process that was thought dead and comes back
changes nothing.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import asyncpg
import msgspec
import structlog

from sahut.db import AWAY, DATABASE_LOST, Connection, Pool, Queries, transaction

# The lease is what a killed process costs the jobs that it had claimed; it is renewed three times in its length.
LEASE_S, CLAIM_AT_MOST, IDLE_S = 5.0, 50, 1.0
MOST_ATTEMPTS = 12
_RETRY_FIRST_S, _RETRY_MOST_S = 0.5, 600.0

_queries = Queries.load("sahut.work.jobs")
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A claimed job. `attempts`: 1 at the first try, and the fence of this claim."""

    id: int
    key: str
    kind: str
    attempts: int
    body: dict[str, Any]


JobHandler = Callable[[Connection, Job], Awaitable[None]]


class ClaimLost(Exception):
    """The lease ran out and somebody else holds the job now; what was done here is rolled back."""


class ProcessLost(Exception):
    """The job was claimed again and again and nobody came back from it."""


class JobRunner:
    """Claims jobs of the kinds it has handlers for, and runs them, at most `at_once` at a time.

    Jobs of the kinds in `together` that were claimed together share one transaction, in the order of their keys, so
    that two processes take their locks in the same order; when one of them fails, each is run alone.
    """

    def __init__(
        self,
        pool: Pool,
        handlers: Mapping[str, JobHandler],
        *,
        at_once: int = 4,
        together: Collection[str] = (),
    ) -> None:
        self._pool, self._handlers, self._at_once = pool, dict(handlers), at_once
        self._together = frozenset(together)
        self._kinds = sorted(handlers)
        self._awake = asyncio.Event()
        self._stopping = False

    def wake(self) -> None:
        """There may be something to do now; the ring calls this."""
        self._awake.set()

    def stop(self) -> None:
        """Claim nothing new; `run` returns when what is running has ended."""
        self._stopping = True
        self._awake.set()

    async def run(self) -> None:
        """Work until `stop`. A database that is away is asked again within a second or two."""
        while not self._stopping:
            self._awake.clear()
            try:
                done = await self.run_due()
                wait_s = 0.0 if done == CLAIM_AT_MOST else await self._idle_s()
            except AWAY as error:
                _log.warning("jobs_wait_for_the_database", error=type(error).__name__)
                wait_s = random.uniform(0.2, 1.0)
            if wait_s and not self._stopping:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._awake.wait(), wait_s)

    async def run_due(self) -> int:
        """Claim what is due, at most 50, oldest first, and run it; how many were claimed."""
        async with self._pool.acquire() as connection:
            rows = await _queries.claim_jobs.fetch(
                connection, kinds=self._kinds, lease_s=LEASE_S, at_most=CLAIM_AT_MOST
            )
        waiting = [Job(row["id"], row["key"], row["kind"], row["attempts"], _decode(row["body"])) for row in rows]
        waiting.sort(key=lambda job: job.id)
        claimed, held = len(waiting), {job.id: job.attempts for job in waiting}
        keeping = asyncio.create_task(self._keep_leases(held))
        try:
            if shared := await self._run_together(waiting):
                waiting = [job for job in waiting if job not in shared]
                for job in shared:
                    del held[job.id]
            lanes = [self._lane(waiting, held) for _ in range(min(self._at_once, len(waiting)))]
            await asyncio.gather(*lanes)
        finally:
            keeping.cancel()
        return claimed

    async def _run_together(self, waiting: list[Job]) -> set[Job]:
        """Run what may share a transaction; the jobs that are done, none of them when anything went wrong.

        A job that was tried before runs alone, since it may be the one that fails.
        """
        shared = sorted((job for job in waiting if job.kind in self._together and job.attempts == 1), key=_by_key)
        if len(shared) < 2:
            return set()
        try:
            async with transaction(self._pool) as connection:
                for job in shared:
                    await self._handlers[job.kind](connection, job)
                await _finish(connection, shared)
        except Exception as error:  # noqa: BLE001 (each is run alone next, and tells its own story)
            _log.warning("jobs_run_alone_instead", count=len(shared), error=type(error).__name__)
            return set()
        return set(shared)

    async def _lane(self, waiting: list[Job], held: dict[int, int]) -> None:
        while waiting:
            job = waiting.pop(0)
            try:
                if job.attempts > MOST_ATTEMPTS:  # a job that ends its process never comes back to tell
                    await self._put_back(job, ProcessLost(job.key))
                else:
                    await self._run_one(job)
            finally:
                del held[job.id]

    async def _run_one(self, job: Job) -> None:
        try:
            async with transaction(self._pool) as connection:
                await self._handlers[job.kind](connection, job)
                await _finish(connection, [job])
        except ClaimLost:
            _log.warning("job_claim_lost", kind=job.kind, job=job.id)
        except DATABASE_LOST as error:
            _log.warning("job_left_to_its_lease", kind=job.kind, job=job.id, error=type(error).__name__)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is kept with the job as its story)
            await self._put_back(job, error)

    async def _put_back(self, job: Job, error: Exception) -> None:
        """Try again later, or bury the job with its story when it has failed too often."""
        bury = job.attempts >= MOST_ATTEMPTS
        # A serialization failure or deadlock is nobody's fault and passes at once; others wait longer each time.
        again_at_once = isinstance(error, asyncpg.TransactionRollbackError)
        longest = 0.2 if again_at_once else min(_RETRY_MOST_S, _RETRY_FIRST_S * 2**job.attempts)
        said = f"{type(error).__name__}: {error}"[:500].replace("\0", "").encode(errors="replace").decode()
        _log.error("job_buried" if bury else "job_failed", kind=job.kind, job=job.id, attempts=job.attempts, error=said)
        with suppress(*AWAY):  # the database is away: the lease brings the job back
            async with self._pool.acquire() as connection:
                await _queries.retry_job.execute(
                    connection,
                    id=job.id,
                    attempts=job.attempts,
                    wait_s=random.uniform(longest / 2, longest),
                    bury=bury,
                    error=said,
                )

    async def _keep_leases(self, held: dict[int, int]) -> None:
        while True:
            await asyncio.sleep(LEASE_S / 3)
            with suppress(*AWAY):
                async with self._pool.acquire() as connection:
                    await _queries.lease_longer.execute(
                        connection, ids=list(held), attempts=list(held.values()), lease_s=LEASE_S
                    )

    async def _idle_s(self) -> float:
        async with self._pool.acquire() as connection:
            due_in = await _queries.next_job_in.fetchval(connection, kinds=self._kinds)
        return IDLE_S if due_in is None else min(IDLE_S, max(0.01, due_in))


async def _finish(connection: Connection, jobs: list[Job]) -> None:
    """Remove jobs together with their effects, or undo them when a claim is no longer ours."""
    status = await _queries.finish_jobs.execute(
        connection, ids=[job.id for job in jobs], attempts=[job.attempts for job in jobs]
    )
    if status != f"DELETE {len(jobs)}":
        raise ClaimLost(jobs[0].key)


def _by_key(job: Job) -> str:
    return job.key

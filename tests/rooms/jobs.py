"""What the tests of jobs share: jobs in line, an effect that can be counted, and what is left."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from sahut.db import Connection, Pool, transaction
from sahut.work import EventRow, Job, JobKind, JobRow, JobRunner, append_event, append_events, enqueue_all
from tests.rooms.world import SOON_S, until


async def line_up(pool: Pool, kind: str, keys: Sequence[str], *, wait_s: float = 0) -> None:
    async with transaction(pool) as connection:
        await enqueue_all(connection, [JobRow(kind, key, {}) for key in keys], wait_s=wait_s)


async def do(connection: Connection, job: Job) -> None:
    """The effect is an event, in the job's own transaction."""
    await append_event(connection, EventRow("care", 0, "done", {"key": job.key, "attempt": job.attempts}))


async def do_all(connection: Connection, jobs: Sequence[Job]) -> None:
    await append_events(
        connection, [EventRow("care", 0, "done", {"key": job.key, "attempt": job.attempts}) for job in jobs]
    )


async def effects(pool: Pool) -> list[str]:
    return [row[0] for row in await pool.fetch("select body ->> 'key' from work.event order by id")]


async def left(pool: Pool) -> dict[str, asyncpg.Record]:
    """Key → the row of each job that is there."""
    return {row["key"]: row for row in await pool.fetch("select * from work.job order by key")}


async def make_due(pool: Pool) -> None:
    await pool.execute("update work.job set run_at = clock_timestamp() - interval '1 second'")


async def due_in_s(pool: Pool, key: str) -> float:
    seconds: float = await pool.fetchval(
        "select extract(epoch from run_at - clock_timestamp())::float8 from work.job where key = $1", key
    )
    return seconds


@asynccontextmanager
async def running(runner: JobRunner, **options: Any) -> AsyncIterator["asyncio.Task[None]"]:
    """The runner works while the block does, and is told to stop at its end."""
    task = asyncio.create_task(runner.run(**options))
    try:
        yield task
    finally:
        runner.stop()
        await asyncio.wait_for(task, SOON_S)


class Gate:
    """A handler that begins and then waits until it is let go; its effect comes before the wait."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.go_on = asyncio.Event()

    async def __call__(self, connection: Connection, job: Job) -> None:
        await do(connection, job)
        self.begun.append(job.key)
        await self.go_on.wait()

    async def until_begun(self, count: int = 1) -> None:
        async def so_many() -> bool:
            return len(self.begun) >= count

        await until(so_many)


def runner_of(pool: Pool, handle: Any, **options: Any) -> JobRunner:
    """A runner that knows one kind, `greet`."""
    return JobRunner(pool, [JobKind("greet", handle, **options)])

"""Putting jobs in line, and taking them out again, in the transaction of what they follow from.

A key is there once, from when it is put in line until its effects are committed; also while it runs and when it is
buried. So a handler that wants to come again puts a job with another key in line.
"""

from collections.abc import Sequence
from datetime import datetime

from sahut.db import Connection, Queries
from sahut.work.rows import JobRow, as_json

ENQUEUED_AT_MOST = 10_000

_queries = Queries.load("sahut.work.jobs")


async def enqueue(connection: Connection, job: JobRow, *, wait_s: float = 0) -> bool:
    """Put a job in line in the caller's transaction, to run in `wait_s` seconds at the earliest.

    Returns False when a job with this key is there already; it stays as it is. Writes: `work.job`.
    """
    status = await _queries.enqueue.execute(
        connection, kind=job.kind, key=job.key, body=as_json(job.body), wait_s=wait_s
    )
    return status == "INSERT 0 1"


async def enqueue_at(connection: Connection, job: JobRow, *, run_at: datetime) -> bool:
    """Put a job in line for a moment, such as the end of five business days; releases may come and go until then.

    `run_at`: aware; a moment in the past means at once. Returns False when a job with this key is there already; it
    stays as it is. Writes: `work.job`.
    """
    assert run_at.tzinfo is not None, "a moment without a time zone is none"
    status = await _queries.enqueue_at.execute(
        connection, kind=job.kind, key=job.key, body=as_json(job.body), run_at=run_at
    )
    return status == "INSERT 0 1"


async def enqueue_all(connection: Connection, jobs: Sequence[JobRow], *, wait_s: float = 0) -> int:
    """Put many jobs, at most 10,000, in line by one statement, to run in `wait_s` seconds at the earliest.

    Returns how many are new; those whose key is there already stay as they are. Writes: `work.job`.
    """
    assert len(jobs) <= ENQUEUED_AT_MOST, "at most 10,000 jobs in one statement"
    if not jobs:
        return 0
    status = await _queries.enqueue_all.execute(
        connection,
        kinds=[job.kind for job in jobs],
        keys=[job.key for job in jobs],
        bodies=[as_json(job.body) for job in jobs],
        wait_s=wait_s,
    )
    return int(status.rpartition(" ")[2])


async def withdraw(connection: Connection, key: str) -> bool:
    """Take a job out of line; once the caller has committed it never has an effect, also if it runs just now.

    Waits for a run that is just committing. Returns False when there is no such job: it is done, or never was. A buried
    one is withdrawn too. Writes: `work.job`.
    """
    return await _queries.withdraw.execute(connection, key=key) == "DELETE 1"


async def reschedule(connection: Connection, key: str, *, run_at: datetime) -> bool:
    """Let a job run at another moment; if it runs just now, that run is rolled back and it runs again then.

    Returns False when there is no such job, or it is buried. Writes: `work.job`.
    """
    assert run_at.tzinfo is not None, "a moment without a time zone is none"
    return await _queries.reschedule.execute(connection, key=key, run_at=run_at) == "UPDATE 1"

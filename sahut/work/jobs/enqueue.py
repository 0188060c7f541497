"""Putting jobs in line, in the transaction of what they follow from."""

from sahut.db import Connection, Queries
from sahut.work.rows import JobRow, as_json

_queries = Queries.load("sahut.work.jobs")


async def enqueue(connection: Connection, job: JobRow, *, wait_s: float = 0) -> bool:
    """Put a job in line in the caller's transaction, to run in `wait_s` seconds at the earliest.

    Returns False when a job with this key is waiting already. Writes: `work.job`.
    """
    status = await _queries.enqueue.execute(
        connection, kind=job.kind, key=job.key, body=as_json(job.body), wait_s=wait_s
    )
    return status == "INSERT 0 1"

"""The auditor of this room: the sealed log, the jobs, the clocks."""

from sahut.db import Connection
from sahut.work.deadlines.audit import audit_deadlines
from sahut.work.jobs.audit import audit_jobs
from sahut.work.log.audit import audit_log


async def audit_work(connection: Connection, public_key: bytes | None) -> list[str]:
    """What does not agree in the log, the jobs and the clocks, a sentence each; empty when all does.

    `public_key`: checks the signatures of heads made with this key; None leaves signatures out. Reads only, in the
    caller's transaction (one snapshot).
    """
    return [
        *await audit_log(connection, public_key),
        *await audit_jobs(connection),
        *await audit_deadlines(connection),
    ]

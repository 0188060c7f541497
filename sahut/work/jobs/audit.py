"""The auditor of the jobs: what was buried waits for a person."""

from sahut.db import Connection, Queries

_queries = Queries.load("sahut.work.jobs")


async def audit_jobs(connection: Connection) -> list[str]:
    """A sentence for each kind of which jobs are buried; empty when none are. Reads only."""
    return [
        f"{row['buried']} jobs of the kind {row['kind']} are buried, such as {row['example']}."
        for row in await _queries.audit_jobs.fetch(connection)
    ]

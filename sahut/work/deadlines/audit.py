"""The auditor of the clocks: each is running, kept or broken, and none ran out unmarked."""

from sahut.db import Connection, Queries

_queries = Queries.load("sahut.work.deadlines")


async def audit_deadlines(connection: Connection) -> list[str]:
    """A sentence for each kind of which clocks ran out a minute ago and nobody marked them. Reads only."""
    return [
        f"{row['overdue']} promises of the kind {row['kind']} ran out unmarked, the first at {row['since']}."
        for row in await _queries.audit_overdue.fetch(connection)
    ]

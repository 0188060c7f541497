"""The auditor of the clocks: running, kept or broken, by a policy that was written, and none ran out unmarked."""

from sahut.db import Connection, Queries

_queries = Queries.load("sahut.work.deadlines")


async def audit_deadlines(connection: Connection) -> list[str]:
    """What does not agree with the clocks, a sentence each; empty when all does. Reads only."""
    found = [
        f"{row['overdue']} promises of the kind {row['kind']} ran out unmarked, the first at {row['since']}."
        for row in await _queries.audit_overdue.fetch(connection)
    ]
    for row in await _queries.audit_policies.fetch(connection):
        found.append(f"{row['clocks']} clocks run by version {row['version']} of {row['policy']}, which nobody wrote.")
    for row in await _queries.audit_marks.fetch(connection):
        found.append(f"Clock {row['id']} of the kind {row['kind']} is marked, and no event of the log says so.")
    return found

"""The auditor of care: each contact in one case, each open case with a promise, each conversation without a hole."""

from sahut.care.rules import as_number
from sahut.db import Connection, Queries

_queries = Queries.load("sahut.care")


async def audit_care(connection: Connection) -> list[str]:
    """What does not agree in the books of care, a sentence each; empty when all does.

    Reads only, in the caller's transaction (one snapshot).
    """
    found: list[str] = []
    for row in await _queries.audit_contacts.fetch(connection):
        found.append(f"Contact {as_number(row['number'])} is in no case, and no job will bring it there.")
    for row in await _queries.audit_contact_events.fetch(connection):
        found.append(f"Contact {as_number(row['number'])} does not say what its event in the log commits to.")
    for row in await _queries.audit_events_without_contact.fetch(connection):
        found.append(f"Event {row['id']} tells of a contact that does not exist.")
    for row in await _queries.audit_promises.fetch(connection):
        found.append(f"Case {as_number(row['number'])} is open and no promise runs for it.")
    for row in await _queries.audit_conversations.fetch(connection):
        found.append(
            f"Case {as_number(row['number'])} should have messages 1 to {row['last_seq']};"
            f" it has {row['counted']}, the highest {row['highest']}."
        )
    return found

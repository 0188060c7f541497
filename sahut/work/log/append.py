"""Writing the log: events are recorded in the transaction of what they tell."""

from sahut.db import Connection, Queries
from sahut.work.rows import EventRow, as_json

_queries = Queries.load("sahut.work.log")


async def append_event(connection: Connection, event: EventRow) -> None:
    """Record an event in the caller's transaction. Writes: `work.event`."""
    await _queries.append_event.execute(
        connection, topic=event.topic, subject=event.subject, kind=event.kind, body=as_json(event.body)
    )


async def append_events(connection: Connection, events: list[EventRow]) -> None:
    """Record events in their order, in the caller's transaction, by one statement. Writes: `work.event`."""
    await _queries.append_events.execute(
        connection,
        topics=[event.topic for event in events],
        subjects=[event.subject for event in events],
        kinds=[event.kind for event in events],
        bodies=[as_json(event.body) for event in events],
    )

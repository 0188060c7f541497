"""Rows that other rooms write in their own commit: what happened, and what is to be done next."""

from typing import Any

import msgspec

from sahut.db import Connection, Queries

_queries = Queries.load("sahut.work")
_encode = msgspec.json.Encoder().encode


class EventRow(msgspec.Struct, frozen=True, gc=False):
    """What happened, past tense. Ids, amounts and salted commitments only, never personal data.

    `topic`: whose books (wallet, care, ledger, staff, alarm). `subject`: the person's id, or 0; for ledger the batch.
    """

    topic: str
    subject: int
    kind: str
    body: dict[str, Any]


class JobRow(msgspec.Struct, frozen=True, gc=False):
    """What is to be done, an imperative. `key`: under which doing it twice is doing it once, at most 200 characters."""

    kind: str
    key: str
    body: dict[str, Any]


def as_json(body: dict[str, Any]) -> str:
    """The body as PostgreSQL takes it."""
    return _encode(body).decode()


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


async def enqueue(connection: Connection, job: JobRow, *, wait_s: float = 0) -> bool:
    """Put a job in line in the caller's transaction, to run in `wait_s` seconds at the earliest.

    Returns False when a job with this key is waiting already. Writes: `work.job`.
    """
    status = await _queries.enqueue.execute(
        connection, kind=job.kind, key=job.key, body=as_json(job.body), wait_s=wait_s
    )
    return status == "INSERT 0 1"

"""Clocks: one table for every promise, service level and due date. A clock is running, kept or broken."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sahut.db import Connection, Queries

_queries = Queries.load("sahut.work.deadlines")


@dataclass(frozen=True, slots=True)
class Deadline:
    """One clock. `subject`: the id of what it is about, by its kind. Running while it is neither kept nor broken."""

    id: int
    kind: str
    subject: int
    due_at: datetime
    kept_at: datetime | None
    broken_at: datetime | None


async def open_deadline(
    connection: Connection,
    *,
    kind: str,
    subject: int,
    audience: Literal["customer", "staff", "house"],
    policy: str,
    opened_at: datetime,
    due_at: datetime,
) -> bool:
    """Start a clock. False when one of this kind runs for the subject already; that one stays as it is.

    Writes: `work.deadline`.
    """
    made = await _queries.open_deadline.fetchval(
        connection, kind=kind, subject=subject, audience=audience, policy=policy, opened_at=opened_at, due_at=due_at
    )
    return made is not None


async def keep_deadline(connection: Connection, *, kind: str, subject: int, now: datetime) -> bool:
    """Mark the running clock as kept; False when none runs. Writes: `work.deadline`."""
    return await _queries.keep_deadline.fetchval(connection, kind=kind, subject=subject, now=now) is not None


async def overdue_subjects(
    connection: Connection, *, kinds: Sequence[str], now: datetime, at_most: int = 100
) -> list[int]:
    """Subjects of the clocks of these kinds whose time has passed, of the longest overdue so many. Reads only."""
    rows = await _queries.overdue_subjects.fetch(connection, kinds=kinds, now=now, at_most=at_most)
    return [row["subject"] for row in rows]


async def break_overdue(
    connection: Connection, *, kinds: Sequence[str], subjects: Sequence[int], now: datetime
) -> list[Deadline]:
    """Mark running clocks of these kinds and subjects whose time has passed as broken, and return them.

    The caller has locked the subjects, and decides in the same transaction what follows. Writes: `work.deadline`.
    """
    rows = await _queries.break_overdue_deadlines.fetch(connection, kinds=kinds, subjects=subjects, now=now)
    return [Deadline(row["id"], row["kind"], row["subject"], row["due_at"], None, now) for row in rows]


async def deadlines_of(connection: Connection, subject: int, *, kinds: Sequence[str]) -> list[Deadline]:
    """The clocks of these kinds of a subject, newest first, at most 50. Reads only."""
    rows = await _queries.deadlines_of.fetch(connection, subject=subject, kinds=kinds)
    return [Deadline(*row) for row in rows]


async def running_deadlines(
    connection: Connection, subjects: Sequence[int], *, kinds: Sequence[str]
) -> dict[int, list[tuple[str, datetime]]]:
    """Subject → (kind, due_at) of its running clocks of these kinds, soonest first; without one it is missing.

    Reads only.
    """
    found: dict[int, list[tuple[str, datetime]]] = {}
    for row in await _queries.running_deadlines.fetch(connection, subjects=subjects, kinds=kinds):
        found.setdefault(row["subject"], []).append((row["kind"], row["due_at"]))
    return found

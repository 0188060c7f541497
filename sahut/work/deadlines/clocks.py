"""Clocks: one table for every promise, service level and due date. A clock is running, kept or broken."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sahut.db import Connection, Queries
from sahut.work.deadlines.rules import Policy
from sahut.work.metrics import clock_marked

_queries = Queries.load("sahut.work.deadlines")


@dataclass(frozen=True, slots=True)
class Deadline:
    """One clock. `subject`: the id of what it is about, by its kind. Running while it is neither kept nor broken.

    `paused_at`: it runs, but stands still since then. `policy_version`: 0 when it was opened before policies were data.
    """

    id: int
    kind: str
    subject: int
    policy: str
    policy_version: int
    opened_at: datetime
    due_at: datetime
    kept_at: datetime | None = None
    broken_at: datetime | None = None
    paused_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewClock:
    """A clock to be started. `due_at`: None when the policy says it, else what somebody was promised already."""

    policy: Policy
    subject: int
    opened_at: datetime
    due_at: datetime | None = None


async def open_deadline(
    connection: Connection, *, policy: Policy, subject: int, opened_at: datetime, due_at: datetime | None = None
) -> bool:
    """Start a clock of the policy's kind. False when one of this kind runs for the subject already; it stays as it is.

    `due_at`: None when the policy says it. One statement, no event: what opens a clock leaves its own.
    Refuses: `never_open`, `calendar_ends`. Writes: `work.deadline`.
    """
    return bool(await open_deadlines(connection, [NewClock(policy, subject, opened_at, due_at)]))


async def open_deadlines(connection: Connection, clocks: Sequence[NewClock]) -> set[tuple[str, int]]:
    """Start clocks, at most a thousand, by one statement; (kind, subject) of those that did not run already.

    Refuses: `never_open`, `calendar_ends`. Writes: `work.deadline`.
    """
    dues = [clock.due_at or clock.policy.due_at(clock.opened_at) for clock in clocks]
    rows = await _queries.open_deadlines.fetch(
        connection,
        kinds=[clock.policy.terms.kind for clock in clocks],
        subjects=[clock.subject for clock in clocks],
        audiences=[clock.policy.terms.audience for clock in clocks],
        policies=[clock.policy.terms.name for clock in clocks],
        versions=[clock.policy.version for clock in clocks],
        opened_ats=[clock.opened_at for clock in clocks],
        due_ats=dues,
        warn_ats=[
            _as_array(clock.policy.warn_at(clock.opened_at, due)) for clock, due in zip(clocks, dues, strict=True)
        ],
    )
    for row in rows:
        clock_marked(row["kind"], "opened")
    return {(row["kind"], row["subject"]) for row in rows}


async def keep_deadline(connection: Connection, *, kind: str, subject: int, now: datetime) -> bool:
    """Mark the running clock as kept; False when none runs. One statement.

    Writes: `work.deadline`, event `deadline_kept`.
    """
    if await _queries.keep_deadline.fetchval(connection, kind=kind, subject=subject, now=now) is None:
        return False
    clock_marked(kind, "kept")
    return True


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


def _as_array(moments: list[datetime]) -> str:
    """As PostgreSQL writes an array: arrays of different lengths cannot stand in one parameter."""
    return "{" + ",".join(moment.isoformat() for moment in moments) + "}"

"""The jobs as an operator sees them, and what an operator may do: revive and bury, each with a reason in the log."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from sahut.db import Connection, Queries
from sahut.work.log.append import append_event
from sahut.work.rows import EventRow

KINDS_AT_MOST, BURIED_AT_MOST, REVIVED_AT_MOST = 200, 50, 1_000
REASON_CHARACTERS = 200
FORGOTTEN_AFTER_S = 86_400.0

_queries = Queries.load("sahut.work.jobs")
_decode = msgspec.json.decode


@dataclass(frozen=True, slots=True)
class KindOfJobs:
    """How many jobs of one kind there are. `oldest_due_s`: for how long the oldest has been due; 0 when none is."""

    kind: str
    waiting: int
    due: int
    running: int
    buried: int
    oldest_due_s: float


@dataclass(frozen=True, slots=True)
class BuriedJob:
    """A job that waits for a person."""

    kind: str
    key: str
    buried_at: datetime


@dataclass(frozen=True, slots=True)
class JobTold:
    """One job with its story, newest last: [{"at", "error"}]. `state`: waiting, due, running or buried."""

    kind: str
    key: str
    state: str
    run_at: datetime
    due_in_s: float
    attempts: int
    forgiven: int
    held_by: str | None
    buried_at: datetime | None
    story: list[dict[str, str]]
    body: dict[str, Any]
    traceparent: str | None


async def jobs_by_kind(connection: Connection) -> list[KindOfJobs]:
    """All jobs by kind in the order of its name, at most 200 kinds. Reads the whole table; for a person who asks."""
    rows = await _queries.jobs_by_kind.fetch(connection, at_most=KINDS_AT_MOST)
    return [
        KindOfJobs(
            kind=row["kind"],
            waiting=row["waiting"],
            due=row["due"],
            running=row["running"],
            buried=row["buried"],
            oldest_due_s=row["oldest_due_s"],
        )
        for row in rows
    ]


async def buried_jobs(connection: Connection) -> list[BuriedJob]:
    """Those that wait for a person, by kind and key, at most 50. Reads only."""
    rows = await _queries.buried_jobs.fetch(connection, at_most=BURIED_AT_MOST)
    return [BuriedJob(row["kind"], row["key"], row["buried_at"]) for row in rows]


def forgotten_kinds(kinds: Collection[KindOfJobs], known: Collection[str]) -> list[str]:
    """A sentence for each kind that this release does not know and of which a job has been due for more than a day."""
    return [
        f"{one.due} jobs of the kind {one.kind} are due, and this release does not know it; "
        f"the oldest for {one.oldest_due_s / 86_400:.0f} days."
        for one in kinds
        if one.kind not in known and one.due and one.oldest_due_s > FORGOTTEN_AFTER_S
    ]


async def job_told(connection: Connection, key: str) -> JobTold | None:
    """One job; None when there is none with this key: it is done, or never was. Reads only."""
    row = await _queries.job_by_key.fetchrow(connection, key=key)
    if row is None:
        return None
    return JobTold(
        kind=row["kind"],
        key=row["key"],
        state=_state(row["buried_at"] is not None, row["due_in_s"], row["held_by"]),
        run_at=row["run_at"],
        due_in_s=row["due_in_s"],
        attempts=row["attempts"],
        forgiven=row["forgiven"],
        held_by=row["held_by"],
        buried_at=row["buried_at"],
        story=_decode(row["story"]),
        body=_decode(row["body"]),
        traceparent=row["traceparent"],
    )


async def revive(connection: Connection, key: str, *, by: str, reason: str) -> bool:
    """Let a buried job be tried again from now on, with all its tries; False when none is buried under this key.

    `by`: who says so. `reason`: at most 200 characters. Writes: `work.job`, the event `job_revived`.
    """
    row = await _queries.revive.fetchrow(connection, key=key)
    if row is None:
        return False
    await _note(connection, "job_revived", {"key": key, "kind": row["kind"], "by": by, "reason": reason})
    return True


async def revive_kind(connection: Connection, kind: str, *, by: str, reason: str) -> int:
    """Let the buried jobs of a kind be tried again, at most 1,000; how many. Writes: as `revive`, one event for all."""
    status = await _queries.revive_kind.execute(connection, kind=kind, at_most=REVIVED_AT_MOST)
    count = int(status.rpartition(" ")[2])
    if count:
        await _note(connection, "jobs_revived", {"kind": kind, "count": count, "by": by, "reason": reason})
    return count


async def bury(connection: Connection, key: str, *, by: str, reason: str) -> bool:
    """Keep a job from being tried, until it is revived; a run that is not committed yet is rolled back.

    Returns False when there is no such job, or it is buried already. Writes: `work.job`, the event `job_buried`.
    """
    row = await _queries.bury.fetchrow(connection, key=key, told=f"buried by {by}"[:500])
    if row is None:
        return False
    await _note(connection, "job_buried", {"key": key, "kind": row["kind"], "by": by, "reason": reason})
    return True


async def _note(connection: Connection, kind: str, body: dict[str, Any]) -> None:
    assert 0 < len(body["reason"]) <= REASON_CHARACTERS, "a reason of at most 200 characters"
    await append_event(connection, EventRow("staff", 0, kind, body))


def _state(buried: bool, due_in_s: float, held_by: str | None) -> str:
    if buried:
        return "buried"
    if due_in_s <= 0:
        return "due"
    return "running" if held_by else "waiting"

"""Moving a running clock: extend, pause, resume. Nothing else can, and each leaves its event."""

from dataclasses import replace
from datetime import datetime

import asyncpg

from sahut.bedrock import Refusal
from sahut.db import Connection, Queries
from sahut.work.deadlines.clocks import Deadline
from sahut.work.deadlines.policies import policy_version
from sahut.work.deadlines.rules import LONGEST, Policy, PolicyTerms, is_name

_queries = Queries.load("sahut.work.deadlines")


class NoRunningDeadline(Refusal):
    """No clock of this kind runs for it: it was kept, was broken, or never began."""

    code = "no_running_deadline"


class DeadlineNotMoved(Refusal):
    """This clock cannot be moved like that. It runs on as before."""

    code = "deadline_not_moved"
    shown = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


async def extend_deadline(
    connection: Connection, *, kind: str, subject: int, due_at: datetime, reason: str, actor: int, now: datetime
) -> Deadline:
    """Give a running clock more time. `reason`: a word of ours, never of a person; `actor`: the person's id.

    Refuses: `no_running_deadline`; `deadline_not_moved` when it is `overdue`, `paused`, when the new end is `not_later`
    or `too_far` (400 days from now).
    Writes: `work.deadline`, event `deadline_extended`. Locks the clock; the caller has locked its subject.
    """
    row, policy = await _running(connection, kind, subject, now)
    checks = (
        ("overdue", row["paused_at"] is None and row["due_at"] < now),
        ("paused", row["paused_at"] is not None),
        ("not_later", due_at <= row["due_at"]),
        ("too_far", due_at > now + LONGEST),
    )
    _refuse_first(checks)
    # A warning that has been given is not given again, unless it is about the new end.
    warn_at = [moment for moment in policy.warn_at(row["opened_at"], due_at) if moment > now]
    return await _move(connection, row, "deadline_extended", (due_at, warn_at, None), reason, actor)


async def pause_deadline(
    connection: Connection, *, kind: str, subject: int, reason: str, actor: int, now: datetime
) -> Deadline:
    """Let a running clock stand still: it neither warns nor breaks until it is resumed; it may be kept.

    Refuses: `no_running_deadline`; `deadline_not_moved` when it is `overdue` or `paused`.
    Writes: `work.deadline`, event `deadline_paused`. Locks the clock; the caller has locked its subject.
    """
    row, _ = await _running(connection, kind, subject, now)
    _refuse_first((("overdue", row["paused_at"] is None and row["due_at"] < now), ("paused", bool(row["paused_at"]))))
    return await _move(connection, row, "deadline_paused", (row["due_at"], row["warn_at"], now), reason, actor)


async def resume_deadline(
    connection: Connection, *, kind: str, subject: int, reason: str, actor: int, now: datetime
) -> Deadline:
    """Let a paused clock run on: as much of its own time (wall, open, business days) is left as when it stopped.

    Refuses: `no_running_deadline`; `deadline_not_moved` when it is `not_paused`.
    Writes: `work.deadline`, event `deadline_resumed`. Locks the clock; the caller has locked its subject.
    """
    row, policy = await _running(connection, kind, subject, now)
    _refuse_first((("not_paused", row["paused_at"] is None),))
    due_at = policy.due_after_pause(row["due_at"], row["paused_at"], now)
    if policy.terms.measure == "business_days":  # a warning is no end of a day, so it keeps its distance
        warn_at = [due_at - (row["due_at"] - moment) for moment in row["warn_at"]]
    else:
        warn_at = [policy.due_after_pause(moment, row["paused_at"], now) for moment in row["warn_at"]]
    warn_at = [moment for moment in warn_at if moment < due_at]
    return await _move(connection, row, "deadline_resumed", (due_at, warn_at, None), reason, actor)


async def _running(connection: Connection, kind: str, subject: int, now: datetime) -> tuple[asyncpg.Record, Policy]:
    row = await _queries.lock_running.fetchrow(connection, kind=kind, subject=subject)
    if row is None:
        raise NoRunningDeadline
    if row["policy_version"] == 0:
        return row, Policy(PolicyTerms(row["policy"], kind, "house", "wall", 1), 0)
    return row, await policy_version(connection, row["policy"], row["policy_version"], now)


async def _move(
    connection: Connection,
    row: asyncpg.Record,
    action: str,
    times: tuple[datetime, list[datetime], datetime | None],
    reason: str,
    actor: int,
) -> Deadline:
    assert is_name(reason), "a reason is a word of ours"
    due_at, warn_at, paused_at = times
    moved = await _queries.reschedule_deadline.fetchval(
        connection, id=row["id"], action=action, due_at=due_at, warn_at=warn_at, paused_at=paused_at, reason=reason,
        actor=actor,
    )  # fmt: skip
    assert moved == row["id"], "a locked clock is moved"
    return replace(Deadline(*row[:7]), due_at=due_at, paused_at=paused_at)


def _refuse_first(checks: tuple[tuple[str, bool], ...]) -> None:
    for reason, bad in checks:
        if bad:
            raise DeadlineNotMoved(reason)

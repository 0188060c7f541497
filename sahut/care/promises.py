"""What follows when a promise was not kept: it is recorded, and an open case gets the next one."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import asyncpg

from sahut.care.rules import ANSWER, ANSWER_LATE, FOLLOW_UP, as_number, next_answer_due
from sahut.db import Connection, Queries
from sahut.work import (
    ClockHandler,
    Deadline,
    EventRow,
    NewClock,
    Policy,
    append_events,
    open_deadlines,
    policies_in_force,
)

_queries = Queries.load("sahut.care")


async def lock_promised(connection: Connection, case_ids: Sequence[int]) -> list[int]:
    """Lock cases in order of id; those that somebody is writing in are passed over, since that may be the answer."""
    return [row["id"] for row in await _queries.lock_cases.fetch(connection, ids=case_ids)]


async def renew_broken_promises(connection: Connection, broken: Sequence[Deadline], now: datetime) -> None:
    """Tell of broken promises, and give each open case a new promise of an answer.

    By the policy `answer_late` the first time, then twice as long each time, at most as long as `follow_up`; a
    forgotten follow-up becomes an `answer`. The cases are locked.
    Writes: clocks, `care.case` (risk), events `promise_broken`. Five statements, however many promises.
    """
    ids = [deadline.subject for deadline in broken]
    cases = {row["id"]: row for row in await _queries.lock_cases.fetch(connection, ids=ids)}
    policies = await policies_in_force(connection, [ANSWER, ANSWER_LATE, FOLLOW_UP], now)
    await append_events(connection, [_told(deadline, cases[deadline.subject]) for deadline in broken])
    clocks = [
        _next_promise(deadline, cases[deadline.subject], policies, now)
        for deadline in broken
        if cases[deadline.subject]["state"] == "open"
    ]
    if clocks:
        await open_deadlines(connection, clocks)
    await _queries.raise_risk.execute(connection, ids=ids, now=now)


def _told(deadline: Deadline, case: asyncpg.Record) -> EventRow:
    told = {"case": as_number(case["number"]), "promise": deadline.kind}
    return EventRow("care", case["person_id"], "promise_broken", told)


def _next_promise(deadline: Deadline, case: asyncpg.Record, policies: Mapping[str, Policy], now: datetime) -> NewClock:
    if deadline.kind == FOLLOW_UP:
        return NewClock(policies[ANSWER], deadline.subject, now)
    due_at = next_answer_due(policies[ANSWER_LATE], policies[FOLLOW_UP].due_at(now), case["risk"], now)
    return NewClock(policies[ANSWER_LATE], deadline.subject, now, due_at)


_PROMISE = ClockHandler(lock=lock_promised, broken=renew_broken_promises)
PROMISE_CLOCKS: Mapping[str, ClockHandler] = {ANSWER: _PROMISE, FOLLOW_UP: _PROMISE}
"""Kind of promise → what follows when it is broken."""

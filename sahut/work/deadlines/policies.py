"""The book of policies and calendars: rows that are only added. The newest version that has begun is in force."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

import asyncpg
import msgspec

from sahut.bedrock import CalendarEnds, NeverOpen
from sahut.db import Connection, Queries
from sahut.work.deadlines.rules import (
    BadPolicy,
    Calendar,
    CalendarTerms,
    NoSuchPolicy,
    Policy,
    PolicyTerms,
    check_terms,
    shown_name,
)
from sahut.work.log.append import append_event
from sahut.work.rows import EventRow, as_json

_queries = Queries.load("sahut.work.deadlines")
_hours = msgspec.json.Decoder(dict[str, list[str]]).decode


async def policy_in_force(connection: Connection, name: str, at: datetime) -> Policy:
    """The version by which a clock that opens then runs. One query, reads only. Refuses: `no_such_policy`."""
    return (await policies_in_force(connection, [name], at))[name]


async def policies_in_force(connection: Connection, names: Sequence[str], at: datetime) -> dict[str, Policy]:
    """Name → the version in force at that moment, of each. One query. Refuses: `no_such_policy`. Reads only."""
    rows = await _queries.policies_in_force.fetch(connection, names=names, at=at)
    found = {row["name"]: _policy(row) for row in rows}
    for name in names:
        if name not in found:
            raise NoSuchPolicy(shown_name(name))
    return found


async def policy_version(connection: Connection, name: str, version: int, at: datetime) -> Policy:
    """That version, with the calendar that is in force then. Refuses: `no_such_policy`. Reads only."""
    row = await _queries.policy_version.fetchrow(connection, name=name, version=version, at=at)
    if row is None:
        raise NoSuchPolicy(shown_name(name))
    return _policy(row)


async def write_policy(
    connection: Connection, terms: PolicyTerms, *, valid_from: datetime, now: datetime, actor: int
) -> int:
    """Write the next version of a policy, which opens clocks from `valid_from` on; clocks that run keep theirs.

    A version that has not begun is set aside by a newer one. `actor`: the person's id. Returns the version.
    Refuses: `bad_policy`, with what is wrong: a field, `in_the_past`, `other_kind` (a policy keeps its kind),
    `never_open`, `calendar_ends`, `written_meanwhile`.
    Writes: `work.deadline_policy`, event `policy_written`.
    """
    check_terms(terms)
    if valid_from < now:
        raise BadPolicy(terms.name, "in_the_past")
    row = await _queries.policy_to_follow.fetchrow(connection, name=terms.name, calendar=terms.calendar, at=valid_from)
    assert row is not None
    if row["kind"] not in {None, terms.kind}:
        raise BadPolicy(terms.name, "other_kind")
    if terms.calendar is not None:
        if row["zone"] is None:
            raise BadPolicy(terms.name, "calendar")
        _try_out(Policy(terms, 0, _calendar(row, terms.calendar)), valid_from)
    version: int = row["version"] + 1
    made = await _queries.add_policy.fetchval(connection, version=version, valid_from=valid_from, **asdict(terms))
    if made is None:
        raise BadPolicy(terms.name, "written_meanwhile")
    await append_event(
        connection, EventRow("staff", actor, "policy_written", {"policy": terms.name, "version": version})
    )
    return version


async def write_calendar(
    connection: Connection, terms: CalendarTerms, *, valid_from: datetime, now: datetime, actor: int
) -> int:
    """Write the next version of a calendar; clocks that run keep the time they were given. Returns the version.

    Refuses: `bad_calendar` with the field that is wrong; `bad_policy` with `in_the_past` or `written_meanwhile`, or
    with the name of a policy by which nothing could be due under this calendar.
    Writes: `work.calendar`, event `calendar_written`.
    """
    calendar = Calendar.from_terms(terms)
    if valid_from < now:
        raise BadPolicy(terms.name, "in_the_past")
    for row in await _queries.newest_policies_by_calendar.fetch(connection, calendar=terms.name):
        _try_out(Policy(_terms(row), row["version"], calendar), valid_from)
    hours = as_json({day: list(spans) for day, spans in terms.hours.items()})
    version: int | None = await _queries.add_calendar.fetchval(
        connection, name=terms.name, valid_from=valid_from, zone=terms.zone, country=terms.country, hours=hours,
        categories=terms.categories, extra_holidays=terms.extra_holidays, extra_workdays=terms.extra_workdays,
    )  # fmt: skip
    if version is None:
        raise BadPolicy(terms.name, "written_meanwhile")
    await append_event(
        connection, EventRow("staff", actor, "calendar_written", {"calendar": terms.name, "version": version})
    )
    return version


def _terms(row: asyncpg.Record) -> PolicyTerms:
    return PolicyTerms(
        row["name"], row["kind"], row["audience"], row["measure"], row["length"], row["calendar"],
        tuple(row["warn_percent"]), tuple(row["warn_before_s"]),
    )  # fmt: skip


def _policy(row: asyncpg.Record) -> Policy:
    terms = _terms(row)
    return Policy(terms, row["version"], None if terms.calendar is None else _calendar(row, terms.calendar))


def _calendar(row: asyncpg.Record, name: str) -> Calendar:
    terms = CalendarTerms(
        name, row["zone"], row["country"], _hours(row["hours"]), tuple(row["categories"]),
        tuple(row["extra_holidays"]), tuple(row["extra_workdays"]),
    )  # fmt: skip
    return Calendar.from_terms(terms)


def _try_out(policy: Policy, at: datetime) -> None:
    """A policy under which nothing could ever be due is refused now, not when somebody waits."""
    try:
        policy.due_at(at)
    except (NeverOpen, CalendarEnds) as refused:
        raise BadPolicy(policy.terms.name, refused.code) from refused

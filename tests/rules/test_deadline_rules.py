"""Policies: when something is due, when somebody is warned, and which policies cannot be."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sahut.bedrock import BadCalendar
from sahut.work import BadPolicy, CalendarTerms, Policy, PolicyTerms
from sahut.work.deadlines.rules import Calendar, check_terms

HOURS = dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), ("08:00-12:00", "13:00-17:00"))
JAKARTA = CalendarTerms("jakarta", "Asia/Jakarta", "ID", HOURS)
HOUR = timedelta(hours=1)


def at(text: str) -> datetime:
    """A moment in Jakarta, as UTC."""
    return (datetime.fromisoformat(text) - timedelta(hours=7)).replace(tzinfo=UTC)


def policy(measure: Any = "wall", length: int = 3600, **changed: Any) -> Policy:
    calendar = None if measure == "wall" else "jakarta"
    terms = PolicyTerms("p", "k", "customer", measure, length, calendar, **changed)
    return Policy(terms, 1, None if measure == "wall" else Calendar.from_terms(JAKARTA))


# 2026: 14 and 15 August are Friday and Saturday; Monday 17 August is Independence Day.
@pytest.mark.parametrize(
    ("measure", "length", "opened", "due"),
    [
        ("wall", 900, "2026-08-14 16:50", "2026-08-14 17:05"),
        ("open", 3600, "2026-08-14 11:30", "2026-08-14 13:30"),  # over the break
        ("open", 3600, "2026-08-14 16:30", "2026-08-18 08:30"),  # over a weekend and a holiday
        ("open", 8 * 3600, "2026-08-13 08:00", "2026-08-13 17:00"),  # a whole day ends with the day
        ("open", 60, "2026-08-16 03:00", "2026-08-18 08:01"),  # opened while closed
        ("business_days", 1, "2026-08-13 23:59", "2026-08-15 00:00"),  # the end of Friday
        ("business_days", 1, "2026-08-14 00:01", "2026-08-19 00:00"),  # Friday itself does not count
        ("business_days", 3, "2026-08-14 12:00", "2026-08-21 00:00"),
    ],
)
def test_when_something_is_due(measure: str, length: int, opened: str, due: str) -> None:
    assert policy(measure, length).due_at(at(opened)) == at(due)


def test_the_day_is_that_of_the_zone_not_of_utc() -> None:
    """23:59 on Thursday in Jakarta is still Thursday afternoon in UTC; 00:01 on Friday too."""
    assert policy("business_days", 1).due_at(at("2026-08-13 23:59")) < policy("business_days", 1).due_at(
        at("2026-08-14 00:01")
    )


def test_warnings_stand_between_opening_and_end_soonest_first_and_each_once() -> None:
    opened = at("2026-08-14 09:00")
    warned = policy(length=6000, warn_percent=(80, 5), warn_before_s=(1200, 300)).warn_at(
        opened, opened + timedelta(seconds=6000)
    )

    assert [(moment - opened).total_seconds() for moment in warned] == [300, 4800, 5700]  # 1,200 before is 80 % too


def test_a_share_of_open_time_is_open_time() -> None:
    """Half of eight open hours from Friday noon is the end of Friday, not the middle of the weekend."""
    half = policy("open", 8 * 3600, warn_percent=(50,))
    opened = at("2026-08-14 12:00")

    assert half.due_at(opened) == at("2026-08-18 12:00")
    assert half.warn_at(opened, half.due_at(opened)) == [at("2026-08-14 17:00")]


def test_a_promise_given_for_sooner_than_the_policy_says_warns_within_its_own_time() -> None:
    opened = at("2026-08-14 09:00")

    assert policy(length=3600, warn_percent=(50,), warn_before_s=(3000,)).warn_at(opened, opened + HOUR / 6) == [
        opened + HOUR / 12
    ]


@pytest.mark.parametrize(
    ("measure", "length", "opened", "paused", "resumed", "due"),
    [
        ("wall", 3600, "2026-08-14 09:00", "2026-08-14 09:15", "2026-08-14 11:15", "2026-08-14 12:00"),
        # Two open hours are left on Friday; on Tuesday morning still two.
        ("open", 7200, "2026-08-14 15:00", "2026-08-14 15:00", "2026-08-18 08:30", "2026-08-18 10:30"),
        ("open", 7200, "2026-08-14 15:00", "2026-08-14 16:00", "2026-08-14 23:00", "2026-08-18 09:00"),
        # Of three business days from Wednesday on, two are left on Thursday; from Tuesday on they end on Thursday.
        ("business_days", 3, "2026-08-12 09:00", "2026-08-13 09:00", "2026-08-18 09:00", "2026-08-21 00:00"),
        # Paused and resumed on the same day: nothing was lost.
        ("business_days", 3, "2026-08-12 09:00", "2026-08-13 09:00", "2026-08-13 15:00", "2026-08-19 00:00"),
    ],
)
def test_after_a_pause_as_much_of_its_own_time_is_left(
    measure: str, length: int, opened: str, paused: str, resumed: str, due: str
) -> None:
    its = policy(measure, length)

    assert its.due_after_pause(its.due_at(at(opened)), at(paused), at(resumed)) == at(due)


def test_a_clock_of_the_machine_that_jumps_back_during_a_pause_takes_no_time_away() -> None:
    due = at("2026-08-14 10:00")

    assert policy().due_after_pause(due, at("2026-08-14 09:00"), at("2026-08-14 08:00")) == due


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"name": "Answer"}, "name"),
        ({"name": "x" * 64}, "name"),
        ({"kind": ""}, "kind"),
        ({"audience": "everybody"}, "audience"),
        ({"measure": "moons"}, "measure"),
        ({"measure": "open"}, "calendar"),
        ({"calendar": "jakarta"}, "calendar"),
        ({"length": 0}, "length"),
        ({"length": 401 * 86_400}, "length"),
        ({"measure": "business_days", "calendar": "jakarta", "length": 367}, "length"),
        ({"warn_percent": (10, 20, 30), "warn_before_s": (1, 2)}, "too_many_warnings"),
        ({"warn_percent": (100,)}, "warn_percent"),
        ({"warn_before_s": (0,)}, "warn_before_s"),
        ({"warn_before_s": (3600,)}, "warned_before_it_begins"),
        ({"warn_percent": (80, 80)}, "same_warning_twice"),
    ],
)
def test_a_policy_that_cannot_be_is_refused_by_name(changed: dict[str, Any], reason: str) -> None:
    good: dict[str, Any] = {"name": "p", "kind": "k", "audience": "customer", "measure": "wall", "length": 3600}
    check_terms(PolicyTerms(**good))

    with pytest.raises(BadPolicy) as refused:
        check_terms(PolicyTerms(**good | changed))

    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": "Jakarta"}, "name"),
        ({"zone": "Asia/Atlantis"}, "zone"),
        ({"country": "XX"}, "country"),
        ({"country": "DE-XX"}, "subdivision"),
        ({"hours": {"monday": ("08:00-12:00",)}}, "hours"),
        ({"hours": {"mon": ("08:00-12:00", "11:00-13:00")}}, "hours"),
        ({"hours": {"mon": ("8 to 12",)}}, "hours"),
        ({"hours": {"mon": ("08:00-08:01",) * 9}}, "hours"),
    ],
)
def test_a_calendar_that_cannot_be_is_refused_by_name(changed: dict[str, Any], field: str) -> None:
    good: dict[str, Any] = {"name": "c", "zone": "Asia/Jakarta", "country": "ID", "hours": HOURS}
    Calendar.from_terms(CalendarTerms(**good))

    with pytest.raises(BadCalendar) as refused:
        Calendar.from_terms(CalendarTerms(**good | changed))

    assert refused.value.field == field


@given(
    minutes=st.integers(0, 1_500_000),
    measure=st.sampled_from(["wall", "open", "business_days"]),
    length=st.integers(1, 40),
    pause_after=st.floats(0, 1),
    pause_s=st.integers(0, 900_000),
)
def test_time_goes_forward_and_a_pause_never_takes_any_away(
    minutes: int, measure: Any, length: int, pause_after: float, pause_s: int
) -> None:
    its = policy(measure, length if measure == "business_days" else length * 1800, warn_percent=(80,))
    opened = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    due = its.due_at(opened)
    paused = opened + (due - opened) * pause_after
    resumed = paused + timedelta(seconds=pause_s)

    assert due > opened
    assert all(opened < moment < due for moment in its.warn_at(opened, due))
    assert its.due_after_pause(due, paused, resumed) >= max(due, resumed)
    if measure == "wall" or (measure == "open" and pause_s == 0):
        assert its.due_after_pause(due, paused, resumed) == due + timedelta(seconds=pause_s)

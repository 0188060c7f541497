"""How long a clock runs and when it warns: policies, and the times that follow from them. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from sahut.bedrock import BadCalendar, BusinessCalendar, OfficeHours, Refusal, openings

Measure = Literal["wall", "open", "business_days"]
Audience = Literal["customer", "staff", "house"]

WARNINGS_AT_MOST: Final = 4
LONGEST: Final = timedelta(days=400)
BUSINESS_DAYS_AT_MOST: Final = 366
OPENINGS_AT_MOST: Final = 8
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True)
class CalendarTerms:
    """What somebody writes down of a calendar.

    `country`: ISO 3166 letters, with a subdivision after a hyphen where it matters (ID, DE-BY). `hours`: weekday (mon …
    sun) → openings such as "08:00-12:00", in order, at most eight a day; without any only days are counted.
    `categories`, `extra_holidays`, `extra_workdays`: as `BusinessCalendar` has them.
    """

    name: str
    zone: str
    country: str
    hours: Mapping[str, Sequence[str]] = field(default_factory=dict)
    categories: tuple[str, ...] = ("public",)
    extra_holidays: tuple[date, ...] = ()
    extra_workdays: tuple[date, ...] = ()


@dataclass(frozen=True, slots=True)
class Calendar:
    """When a house is open and which days count. All moments aware; all answers in UTC."""

    office: OfficeHours
    days: BusinessCalendar

    @classmethod
    def from_terms(cls, terms: CalendarTerms) -> "Calendar":
        """Refuses: `bad_calendar` with the field that is wrong."""
        if not is_name(terms.name):
            raise BadCalendar("name", "unknown")
        if not {*terms.hours} <= {*WEEKDAYS} or any(len(spans) > OPENINGS_AT_MOST for spans in terms.hours.values()):
            raise BadCalendar("hours", "not_a_week")
        country, hyphen, subdivision = terms.country.partition("-")
        days = BusinessCalendar(
            country,
            subdivision if hyphen else None,
            terms.categories,
            extra_holidays=frozenset(terms.extra_holidays),
            extra_workdays=frozenset(terms.extra_workdays),
        )
        monday, tuesday, wednesday, thursday, friday, saturday, sunday = (
            openings(*terms.hours.get(day, ())) for day in WEEKDAYS
        )
        week = (monday, tuesday, wednesday, thursday, friday, saturday, sunday)
        return cls(OfficeHours(terms.zone, week, days), days)

    def after_business_days(self, start: datetime, count: int) -> datetime:
        """The end of the `count`-th business day after the day of `start`, which does not count itself."""
        last = self.days.add_business_days(self._date(start), count)
        midnight = datetime.combine(last + timedelta(days=1), time(), ZoneInfo(self.office.zone))
        return midnight.astimezone(UTC)

    def business_days_left(self, at: datetime, due_at: datetime) -> int:
        """How many business days after the day of `at` end by `due_at`, which is the end of one."""
        return self.days.business_days_between(self._date(at), self._date(due_at - timedelta(microseconds=1)))

    def _date(self, at: datetime) -> date:
        return at.astimezone(ZoneInfo(self.office.zone)).date()


class BadPolicy(Refusal):
    """This policy, or this calendar, cannot be used as it is. Nothing was written."""

    code = "bad_policy"
    shown = ("policy", "reason")

    def __init__(self, policy: str, reason: str) -> None:
        self.policy, self.reason = policy, reason
        super().__init__(policy, reason)


class NoSuchPolicy(Refusal):
    """No policy of this name is in force."""

    code = "no_such_policy"
    shown = ("policy",)

    def __init__(self, policy: str) -> None:
        self.policy = policy
        super().__init__(policy)


@dataclass(frozen=True, slots=True)
class PolicyTerms:
    """What somebody writes down: how long, in which time, and how long before the end somebody is warned.

    `length`: seconds of wall time or open time, or business days. `calendar`: the name of one, None for wall time.
    `warn_percent`: 1 to 99 of the time that is given; `warn_before_s`: seconds of wall time before the end; at most
    four together.
    """

    name: str
    kind: str
    audience: Audience
    measure: Measure
    length: int
    calendar: str | None = None
    warn_percent: tuple[int, ...] = ()
    warn_before_s: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """One version of a policy, with the calendar that was in force at the moment it was asked for."""

    terms: PolicyTerms
    version: int
    calendar: Calendar | None = None

    def due_at(self, opened_at: datetime, *, times: int = 1) -> datetime:
        """When a clock that is opened then is due; `times`: so many times as long as the policy says.

        Refuses: `never_open`, `calendar_ends` when the calendar does not reach so far.
        """
        length = self.terms.length * times
        if self.terms.measure == "wall":
            return opened_at + timedelta(seconds=length)
        assert self.calendar is not None, "a policy by calendar is read with its calendar"
        if self.terms.measure == "open":
            return self.calendar.office.add_open_time(opened_at, timedelta(seconds=length))
        return self.calendar.after_business_days(opened_at, length)

    def warn_at(self, opened_at: datetime, due_at: datetime) -> list[datetime]:
        """When to warn, soonest first, each once; none that would be at the opening or before, or at the end.

        Of open time so many percent are open time too; of all else they are percent of the time between both moments.
        """
        moments = {due_at - timedelta(seconds=before) for before in self.terms.warn_before_s}
        moments |= {self._share(opened_at, due_at, percent) for percent in self.terms.warn_percent}
        return sorted(moment for moment in moments if opened_at < moment < due_at)

    def due_after_pause(self, due_at: datetime, paused_at: datetime, resumed_at: datetime) -> datetime:
        """When a clock that stood still is due: as much of its own time is left as when it was paused."""
        resumed_at = max(resumed_at, paused_at)
        if self.terms.measure == "wall":
            return due_at + (resumed_at - paused_at)
        assert self.calendar is not None, "a policy by calendar is read with its calendar"
        if self.terms.measure == "open":
            left = self.calendar.office.open_time_between(paused_at, due_at)
            return self.calendar.office.add_open_time(resumed_at, left) if left else resumed_at
        days = self.calendar.business_days_left(paused_at, due_at)
        return max(due_at, self.calendar.after_business_days(resumed_at, days) if days else resumed_at)

    def _share(self, opened_at: datetime, due_at: datetime, percent: int) -> datetime:
        if self.terms.measure == "open" and self.calendar is not None:
            given = self.calendar.office.open_time_between(opened_at, due_at)
            return self.calendar.office.add_open_time(opened_at, given * percent / 100)
        return opened_at + (due_at - opened_at) * percent / 100


def check_terms(terms: PolicyTerms) -> None:
    """Refuses: `bad_policy` with the first thing that is wrong, by name; what it says of calendars is checked later."""
    checks = (
        ("name", is_name(terms.name)),
        ("kind", is_name(terms.kind)),
        ("audience", terms.audience in {"customer", "staff", "house"}),
        ("measure", terms.measure in {"wall", "open", "business_days"}),
        ("calendar", (terms.calendar is None) == (terms.measure == "wall")),
        ("length", 1 <= terms.length <= _longest(terms.measure)),
        ("too_many_warnings", len(terms.warn_percent) + len(terms.warn_before_s) <= WARNINGS_AT_MOST),
        ("warn_percent", all(1 <= percent <= 99 for percent in terms.warn_percent)),
        ("warn_before_s", all(1 <= before <= LONGEST.total_seconds() for before in terms.warn_before_s)),
        # In wall time we know now that it would come before the opening; with a calendar it would simply not come.
        ("warned_before_it_begins", terms.measure != "wall" or all(b < terms.length for b in terms.warn_before_s)),
        ("same_warning_twice", len({*terms.warn_before_s}) + len({*terms.warn_percent})
         == len(terms.warn_before_s) + len(terms.warn_percent)),
    )  # fmt: skip
    for reason, good in checks:
        if not good:
            raise BadPolicy(shown_name(terms.name), reason)


def is_name(text: str) -> bool:
    """Whether this may name a policy, a kind, a calendar or a reason."""
    return _NAME.fullmatch(text) is not None


def shown_name(text: str) -> str:
    """What may be told back of a name that somebody gave."""
    return text if is_name(text) else "?"


def _longest(measure: Measure) -> int:
    return BUSINESS_DAYS_AT_MOST if measure == "business_days" else int(LONGEST.total_seconds())

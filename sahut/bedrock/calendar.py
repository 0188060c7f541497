"""Business calendars: which dates of a country are business days.

Holidays and make-up working days come from the package `holidays`, which is loaded when the first country is named, and
asked once for each year. What it cannot know (a day that the government gives at short notice, a day of our own) stands
beside it as data, and wins. Nothing searches without an end: see `LOOK_AHEAD_DAYS`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

from sahut.bedrock.refusal import Refusal

FIRST_YEAR, LAST_YEAR = 2000, 2099  # a country may begin later or end sooner
LOOK_AHEAD_DAYS = 400  # a year, and the longest row of holidays after it
MOST_BUSINESS_DAYS = 1_000
SATURDAY_SUNDAY = frozenset({5, 6})
_DAY = timedelta(days=1)


class BadCalendar(Refusal):
    """A calendar or office hours cannot be kept like this."""

    code = "bad_calendar"
    shown = ("field", "reason")

    def __init__(self, field: str, reason: str) -> None:
        self.field, self.reason = field, reason
        super().__init__(field, reason)


class CalendarEnds(Refusal):
    """The question reaches further than calendars are known, or than we search."""

    code = "calendar_ends"
    shown = ("reason", "at_most")

    def __init__(self, reason: str, at_most: int) -> None:
        self.reason, self.at_most = reason, at_most
        super().__init__(reason, at_most)


class NeverOpen(Refusal):
    """There is no business day, or no open hour, within the days in which we search."""

    code = "never_open"
    shown = ("within_days",)

    def __init__(self, within_days: int = LOOK_AHEAD_DAYS) -> None:
        self.within_days = within_days
        super().__init__(within_days)


@dataclass(frozen=True, slots=True)
class BusinessCalendar:
    """Business days of a country (or of none: then only the weekend is free).

    `country`: ISO 3166-1 letters, such as ID, CN, SG. `subdivision`: letters of a state, where states differ.
    `categories`: kinds of holidays of the package; for ID `government` adds the joint leave (cuti bersama).
    `weekend`: days of the week, 0 is Monday; None means the country's own, Saturday and Sunday without a country.
    `extra_holidays`, `extra_workdays`: dates that we know better than the package; at most 1,000 of each.
    Refuses: `bad_calendar`, with the field, and the reason `unknown` or `not_both`, `too_many`, `not_a_day`.
    """

    country: str | None = None
    subdivision: str | None = None
    categories: tuple[str, ...] = ("public",)
    weekend: frozenset[int] | None = None
    extra_holidays: frozenset[date] = frozenset()
    extra_workdays: frozenset[date] = frozenset()

    def __post_init__(self) -> None:
        if self.weekend is not None and not all(0 <= day <= 6 for day in self.weekend):
            raise BadCalendar("weekend", "not_a_day")
        if self.extra_holidays & self.extra_workdays:
            raise BadCalendar("extra_workdays", "not_both")
        if len(self.extra_holidays) > 1_000 or len(self.extra_workdays) > 1_000:
            raise BadCalendar("extra_holidays", "too_many")
        if self.country is None:
            if self.subdivision is not None:
                raise BadCalendar("subdivision", "unknown")
            return
        country = _country(self.country)
        if self.subdivision is not None and self.subdivision not in country.subdivisions:
            raise BadCalendar("subdivision", "unknown")
        if not self.categories or not set(self.categories) <= set(country.supported_categories):
            raise BadCalendar("categories", "unknown")

    def is_business_day(self, day: date) -> bool:
        """Whether people work on the date. Refuses: `calendar_ends` before 2000 and after 2099."""
        if day in self.extra_workdays:
            return True
        if day in self.extra_holidays:
            return False
        year = self._year(day)
        if self.is_weekend(day):
            return day in year.made_up
        return day not in year.holidays

    def is_holiday(self, day: date) -> bool:
        """Whether the date is free by name, not only as a weekend. Refuses: `calendar_ends`."""
        if day in self.extra_workdays:
            return False
        return day in self.extra_holidays or day in self._year(day).holidays

    def is_weekend(self, day: date) -> bool:
        """Whether the date falls on the weekend, be it worked or not. Refuses: `calendar_ends`."""
        if self.weekend is not None:
            return day.weekday() in self.weekend
        return day in self._year(day).weekend_days if self.country else day.weekday() in SATURDAY_SUNDAY

    def add_business_days(self, day: date, count: int) -> date:
        """The `count`-th business day after the date (before it, when negative); the date itself does not count.

        With 0 it is the date itself when it is a business day, else the next one. `count`: −1,000 to 1,000.
        Refuses: `calendar_ends`, and `never_open` when 400 days in a row are free.
        """
        if abs(count) > MOST_BUSINESS_DAYS:
            raise CalendarEnds("business_days", MOST_BUSINESS_DAYS)
        step = -_DAY if count < 0 else _DAY
        left = abs(count)
        if count == 0:
            if self.is_business_day(day):
                return day
            left = 1
        free = 0
        while left:
            day += step
            if self.is_business_day(day):
                left, free = left - 1, 0
            else:
                free += 1
                if free >= LOOK_AHEAD_DAYS:
                    raise NeverOpen
        return day

    def business_days_between(self, start: date, end: date) -> int:
        """How many business days lie after `start` up to and with `end`; 0 when `end` is not later.

        So `add_business_days(start, n)` is n business days after `start`. Refuses: `calendar_ends` beyond ten years.
        """
        days = (end - start).days
        if days > 3_660:
            raise CalendarEnds("days", 3_660)
        return sum(self.is_business_day(start + _DAY * n) for n in range(1, days + 1))

    def _year(self, day: date) -> "_Year":
        if isinstance(day, datetime):  # is a date to Python, and is never found among dates
            raise TypeError("a calendar knows dates; take the date in the zone that is meant")
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            raise CalendarEnds("year", LAST_YEAR)
        return (
            _NO_COUNTRY if self.country is None else _year_of(self.country, self.subdivision, self.categories, day.year)
        )


@dataclass(frozen=True, slots=True)
class _Year:
    """What a country says of one year: dates that are free, weekend days that are worked, all days of weekends."""

    holidays: frozenset[date]
    made_up: frozenset[date]
    weekend_days: frozenset[date]


_NO_COUNTRY = _Year(frozenset(), frozenset(), frozenset())


@lru_cache(maxsize=1_024)
def _year_of(country: str, subdivision: str | None, categories: tuple[str, ...], year: int) -> _Year:
    about = _country(country)
    if not about.start_year <= year <= about.end_year:
        raise CalendarEnds("year", about.end_year)
    # One year is enough: the package puts what is observed across the end of a year into the year of the date.
    found = about(years=year, subdiv=subdivision, categories=categories, expand=False)
    days = [date(year, 1, 1) + _DAY * n for n in range(366)]
    return _Year(
        _in_year(found, year),
        _in_year(getattr(found, "weekend_workdays", ()), year),
        frozenset(day for day in days if day.year == year and found.is_weekend(day)),
    )


def _in_year(days: Iterable[date], year: int) -> frozenset[date]:
    return frozenset(day for day in days if day.year == year)


@lru_cache(maxsize=300)
def _country(code: str) -> Any:
    """The package's class for a country. Refuses: `bad_calendar`."""
    import holidays  # noqa: PLC0415 — takes a tenth of a second, and most processes never ask

    if not re.fullmatch("[A-Z]{2}", code) or not hasattr(holidays, code):
        raise BadCalendar("country", "unknown")
    return getattr(holidays, code)

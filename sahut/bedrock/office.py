"""Office hours: when somebody is there, by the clock on the wall of a place.

An opening is written as the wall shows it (22:00–06:00 goes over midnight and belongs to the day on which it begins).
At the two nights of a year on which the wall's clock jumps: a time that it shows twice means the first, a time that it
skips means the moment of the skip. So openings never overlap because of a jump, and a night shift is an hour longer or
shorter, as it is for the people in it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from sahut.bedrock.calendar import (
    FIRST_YEAR,
    LAST_YEAR,
    LOOK_AHEAD_DAYS,
    BadCalendar,
    BusinessCalendar,
    CalendarEnds,
    NeverOpen,
)

_DAY = timedelta(days=1)
_MIDNIGHT = time()
MOST_OPENINGS = 24
MOST_DAYS = 3_660  # ten years: what `open_seconds_between` measures


@dataclass(frozen=True, slots=True, order=True)
class Opening:
    """One opening of a day on the wall's clock. It ends on the next day when `closes` is not later than `opens`.

    So 00:00–00:00 is the whole day.
    """

    opens: time
    closes: time

    @property
    def over_midnight(self) -> bool:
        """Whether it reaches into the next day (ending at midnight sharp included)."""
        return self.closes <= self.opens


Openings = tuple[Opening, ...]
Week = tuple[Openings, Openings, Openings, Openings, Openings, Openings, Openings]

CLOSED: Openings = ()
ALL_DAY: Openings = (Opening(_MIDNIGHT, _MIDNIGHT),)


def openings(*written: str) -> Openings:
    """Openings from their text: `openings("09:00-12:00", "13:00-17:00")` is a day with a break; 24:00 is midnight.

    Refuses: `bad_calendar` with the field `hours`.
    """
    found = []
    for one in written:
        opens, dash, closes = one.replace(" ", "").partition("-")
        try:
            found.append(
                Opening(time.fromisoformat(opens), time.fromisoformat("00:00" if closes == "24:00" else closes))
            )
        except ValueError:
            dash = ""
        if not dash:
            raise BadCalendar("hours", "not_a_time")
    return tuple(found)


def week(weekdays: Openings, saturday: Openings = CLOSED, sunday: Openings = CLOSED) -> Week:
    """Seven days from Monday on, of which the first five are alike."""
    return (weekdays, weekdays, weekdays, weekdays, weekdays, saturday, sunday)


@dataclass(frozen=True, slots=True)
class OfficeHours:
    """When an office is open.

    `zone`: IANA name, such as Asia/Jakarta. `hours`: the week, Monday first.
    `calendar`: on its holidays the office is closed; a make-up working day without hours of its own has those of the
    first weekday that has any. None: holidays do not matter.
    `on_dates`: (date, openings) that win over everything: closed or other hours on that date, at most 1,000.
    `changes`: (first date, week) in order: from that date on, that week instead of `hours`; at most 100.
    Refuses: `bad_calendar` with the field `zone`, `hours`, `on_dates` or `changes`.
    """

    zone: str
    hours: Week
    calendar: BusinessCalendar | None = None
    on_dates: tuple[tuple[date, Openings], ...] = ()
    changes: tuple[tuple[date, Week], ...] = ()
    _exceptions: dict[date, Openings] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _zone(self.zone)
        for one in (self.hours, *(changed for _, changed in self.changes)):
            if len(one) != 7:
                raise BadCalendar("hours", "not_a_week")
            for number, day in enumerate(one):
                _check(day, one[(number + 1) % 7])
        for _, day in self.on_dates:
            _check(day, ())
        dates = [day for day, _ in self.on_dates]
        if len(dates) > 1_000 or len(set(dates)) < len(dates):
            raise BadCalendar("on_dates", "too_many" if len(dates) > 1_000 else "twice")
        object.__setattr__(self, "_exceptions", dict(self.on_dates))
        starts = [day for day, _ in self.changes]
        if len(starts) > 100 or sorted(set(starts)) != starts:
            raise BadCalendar("changes", "too_many" if len(starts) > 100 else "not_in_order")

    def openings_on(self, day: date) -> Openings:
        """What the wall's clock shows for the date: its openings, none when closed. Refuses: `calendar_ends`."""
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            raise CalendarEnds("year", LAST_YEAR)
        exception = self._exceptions.get(day)
        if exception is not None:
            return exception
        hours_of_week = self.hours
        for start, changed in self.changes:
            if start <= day:
                hours_of_week = changed
        usual = hours_of_week[day.weekday()]
        if self.calendar is None:
            return usual
        if self.calendar.is_holiday(day):
            return CLOSED
        if not usual and self.calendar.is_weekend(day) and self.calendar.is_business_day(day):
            return next((hours for hours in hours_of_week if hours), CLOSED)
        return usual

    def is_open(self, at: datetime) -> bool:
        """Whether somebody is there at the moment; an opening holds its first moment, not its last."""
        at = _utc(at)
        return any(start <= at < end for start, end in self._stretches(at, 0))

    def next_open(self, at: datetime) -> datetime:
        """The first open moment from `at` on, in UTC; `at` itself when open. Refuses: `never_open`."""
        at = _utc(at)
        for start, end in self._stretches(at, LOOK_AHEAD_DAYS):
            if end > at:
                return max(start, at)
        raise NeverOpen

    def open_until(self, at: datetime) -> datetime | None:
        """When the opening that holds at `at` ends, in UTC; None when closed, or when a week does not end it."""
        at = until = _utc(at)
        for start, end in self._stretches(at, 8):
            if start > until:
                break
            until = max(until, end)
        return until if at < until < at + _DAY * 7 else None

    def open_time_between(self, start: datetime, end: datetime) -> timedelta:
        """How much open time lies between two moments; none when `end` is not later.

        Refuses: `calendar_ends` when they lie more than ten years apart.
        """
        counted, end = _utc(start), _utc(end)
        days = (end - counted).days
        if days > MOST_DAYS:
            raise CalendarEnds("days", MOST_DAYS)
        total = timedelta()
        for opens, closes in self._stretches(counted, days + 2):
            if opens >= end:
                break
            begins, stops = max(opens, counted), min(closes, end)
            if begins < stops:
                total += stops - begins
                counted = stops
        return total

    def open_seconds_between(self, start: datetime, end: datetime) -> int:
        """`open_time_between` in whole seconds, rounded down."""
        return self.open_time_between(start, end) // timedelta(seconds=1)

    def add_open_time(self, at: datetime, duration: timedelta) -> datetime:
        """The moment at which `duration` of open time has passed since `at`, in UTC.

        It may be the last moment of an opening (eight hours from 09:00 end at 17:00, not on the next morning).
        With no duration it is `next_open`. Refuses: `never_open` when the 400 days after `at` do not hold so much.
        """
        if duration < timedelta():
            raise ValueError("open time is added, never taken away")
        if not duration:
            return self.next_open(at)
        left, counted = duration, _utc(at)
        for opens, closes in self._stretches(counted, LOOK_AHEAD_DAYS):
            begins = max(opens, counted)
            if closes - begins >= left:
                return begins + left
            if closes > begins:
                left -= closes - begins
                counted = closes
        raise NeverOpen

    def _stretches(self, at: datetime, days: int) -> Iterator[tuple[datetime, datetime]]:
        """Openings in UTC by their beginning, from the day before the local date of `at` to `days` after it.

        Each begins before it ends. Two may touch, or overlap where a date with other hours follows a night; whoever
        counts keeps what was counted.
        """
        zone = _zone(self.zone)
        first = at.astimezone(zone).date() - _DAY
        for number in range(days + 2):
            day = first + _DAY * number
            for one in self.openings_on(day):
                start = _moment(day, one.opens, zone)
                end = _moment(day + _DAY if one.over_midnight else day, one.closes, zone)
                if start < end:
                    yield start, end


def round_the_clock(zone: str) -> OfficeHours:
    """An office that never closes."""
    return OfficeHours(zone, (ALL_DAY,) * 7)


def _check(day: Openings, following: Openings) -> None:
    """The openings of a day stand in order, do not overlap, and only the last goes over midnight."""
    for earlier, later in pairwise(day):
        if earlier.over_midnight or later.opens < earlier.closes:
            raise BadCalendar("hours", "overlap")
    if len(day) > MOST_OPENINGS:
        raise BadCalendar("hours", "too_many")
    if any(one.opens.tzinfo or one.closes.tzinfo for one in day):
        raise BadCalendar("hours", "not_a_time")
    if day and following and day[-1].over_midnight and following[0].opens < day[-1].closes:
        raise BadCalendar("hours", "overlap")


def _utc(at: datetime) -> datetime:
    """The moment in UTC: elsewhere Python compares and subtracts what the walls show."""
    if at.tzinfo is None:
        raise ValueError("a moment is aware")
    return at.astimezone(UTC)


def _moment(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The moment, in UTC, at which the wall's clock shows the time; of two the first, of none the skip."""
    wall = datetime.combine(day, at.replace(fold=0), zone)
    moment = wall.astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None):
        return moment
    return _skip(moment, zone)


def _skip(after: datetime, zone: ZoneInfo) -> datetime:
    """The moment at which the zone's clock jumped ahead, at most a day before `after`."""
    before, offset = after - _DAY, after.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after.replace(microsecond=0)


@lru_cache(maxsize=600)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise BadCalendar("zone", "unknown") from None

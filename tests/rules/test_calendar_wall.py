"""Office hours held against a second reading that goes minute by minute over the wall's clock."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import assume, given
from hypothesis import strategies as st

from sahut.bedrock import BusinessCalendar, NeverOpen, OfficeHours, Opening, Openings, openings

NIGHT = openings("22:00-06:00")
MINUTE = timedelta(minutes=1)
ZONES = ("Asia/Jakarta", "Asia/Shanghai", "Europe/Berlin", "America/New_York")


@st.composite
def days(draw: st.DrawFn) -> Openings:
    """Up to three openings of a day in order, on whole quarters of an hour; the last may go up to midnight."""
    edges = sorted(draw(st.lists(st.integers(0, 96), max_size=6, unique=True)))
    pairs = zip(edges[::2], edges[1::2], strict=False)
    return tuple(Opening(quarter(a), quarter(b)) for a, b in pairs)


def quarter(number: int) -> time:
    return time(number // 4 % 24, number % 4 * 15)


@st.composite
def offices(draw: st.DrawFn) -> OfficeHours:
    zone = draw(st.sampled_from(ZONES))
    calendar = draw(st.sampled_from([None, BusinessCalendar("ID"), BusinessCalendar("CN"), BusinessCalendar("US")]))
    usual = draw(st.tuples(*(days() for _ in range(7))))
    night = draw(st.booleans())
    return OfficeHours(zone, (NIGHT,) * 7 if night else usual, calendar)


# Around the jumps of Berlin and New York, the Spring Festival, and plain days.
MOMENTS = st.sampled_from(
    ["2026-03-28", "2026-10-24", "2026-03-07", "2026-10-31", "2026-02-13", "2026-08-16", "2026-11-20"]
).flatmap(
    lambda day: st.integers(0, 2 * 24 * 60).map(
        lambda minutes: datetime.fromisoformat(f"{day}T00:00:00+00:00") + minutes * MINUTE
    )
)


def shown_at(office: OfficeHours, day: date, shown: time) -> datetime:
    """The first moment, minute by minute, at which the wall shows the time or a later one of that day or after."""
    zone, wanted = ZoneInfo(office.zone), datetime.combine(day, shown)
    moment = datetime.combine(day, time(), UTC) - timedelta(hours=15)
    while moment.astimezone(zone).replace(tzinfo=None) < wanted:
        # An hour at once while it is far, for a jump is at most an hour.
        far = wanted - moment.astimezone(zone).replace(tzinfo=None) > timedelta(hours=2)
        moment += timedelta(hours=1) if far else MINUTE
    return moment


@given(offices(), MOMENTS)
def test_open_or_not_agrees_with_a_reading_of_the_wall(office: OfficeHours, moment: datetime) -> None:
    today = moment.astimezone(ZoneInfo(office.zone)).date()
    open_by_wall = False
    for day in (today - timedelta(days=1), today):
        for one in office.openings_on(day):
            ends = day + timedelta(days=1) if one.closes <= one.opens else day
            open_by_wall |= shown_at(office, day, one.opens) <= moment < shown_at(office, ends, one.closes)

    assert office.is_open(moment) is open_by_wall


@given(offices(), MOMENTS, st.integers(0, 36 * 60))
def test_open_time_is_the_sum_of_its_open_minutes(office: OfficeHours, start: datetime, minutes: int) -> None:
    counted = sum(office.is_open(start + n * MINUTE) for n in range(minutes))

    assert office.open_seconds_between(start, start + minutes * MINUTE) == counted * 60
    assert office.open_seconds_between(start + minutes * MINUTE, start) == 0


@given(offices(), MOMENTS, st.integers(0, 5 * 24 * 60 * 60))
def test_open_time_that_is_added_is_found_again(office: OfficeHours, start: datetime, seconds: int) -> None:
    added = timedelta(seconds=seconds)
    try:
        end = office.add_open_time(start, added)
    except NeverOpen:
        assume(False)
        return

    assert end.tzinfo is UTC
    assert office.open_time_between(start, end) == added
    if added:
        assert office.open_time_between(start, end - timedelta(seconds=1)) == added - timedelta(seconds=1)
    else:
        assert office.is_open(end)


@given(offices(), MOMENTS)
def test_nothing_is_open_before_the_next_opening(office: OfficeHours, start: datetime) -> None:
    try:
        opens = office.next_open(start)
    except NeverOpen:
        assume(False)
        return

    assert opens >= start
    assert office.is_open(opens)
    assert office.open_time_between(start, opens) == timedelta()
    until = office.open_until(opens)
    if until is not None:
        assert office.open_time_between(opens, until) == until - opens
        assert not office.is_open(until)


@given(offices(), MOMENTS, st.lists(st.integers(0, 3_000), min_size=2, max_size=2))
def test_open_time_adds_up(office: OfficeHours, start: datetime, minutes: list[int]) -> None:
    middle, end = (start + n * MINUTE for n in sorted(minutes))

    assert office.open_time_between(start, end) == office.open_time_between(start, middle) + office.open_time_between(
        middle, end
    )

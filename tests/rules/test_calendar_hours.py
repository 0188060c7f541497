"""Office hours: breaks, nights, holidays, other hours on a date, and the nights on which the clock jumps."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from sahut.bedrock import (
    ALL_DAY,
    CLOSED,
    BadCalendar,
    BusinessCalendar,
    CalendarEnds,
    NeverOpen,
    OfficeHours,
    Opening,
    openings,
    round_the_clock,
    week,
)

DAY_WITH_BREAK = openings("09:00-12:00", "13:00-17:00")
NIGHT = openings("22:00-06:00")
JAKARTA = OfficeHours("Asia/Jakarta", week(DAY_WITH_BREAK, openings("09:00-13:00")), BusinessCalendar("ID"))
MINUTE = timedelta(minutes=1)


def at(zone: str, text: str, fold: int = 0) -> datetime:
    """The moment at which the wall of the zone shows the text."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


def wib(text: str) -> datetime:
    return at("Asia/Jakarta", text)


@pytest.mark.parametrize(
    ("moment", "is_open", "next_open"),
    [
        ("2026-11-20 08:59:59", False, "2026-11-20 09:00"),
        ("2026-11-20 09:00", True, "2026-11-20 09:00"),
        ("2026-11-20 11:59:59", True, "2026-11-20 11:59:59"),
        ("2026-11-20 12:00", False, "2026-11-20 13:00"),
        ("2026-11-20 17:00", False, "2026-11-21 09:00"),
        ("2026-11-21 13:00", False, "2026-11-23 09:00"),
        ("2026-08-17 10:00", False, "2026-08-18 09:00"),  # Independence Day
    ],
)
def test_an_office_with_a_break(moment: str, is_open: bool, next_open: str) -> None:
    assert JAKARTA.is_open(wib(moment)) is is_open
    assert JAKARTA.next_open(wib(moment)) == wib(next_open)


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        ("2026-11-20 09:00", 3, "2026-11-20 12:00"),  # the last moment of an opening counts
        ("2026-11-20 09:00", 7, "2026-11-20 17:00"),
        ("2026-11-20 16:00", 2, "2026-11-21 10:00"),
        ("2026-11-20 20:00", 1, "2026-11-21 10:00"),
        ("2026-11-21 12:00", 2, "2026-11-23 10:00"),
        ("2026-11-20 12:30", 0, "2026-11-20 13:00"),
    ],
)
def test_open_time_is_added(start: str, hours: int, end: str) -> None:
    assert JAKARTA.add_open_time(wib(start), timedelta(hours=hours)) == wib(end)
    assert JAKARTA.open_seconds_between(wib(start), wib(end)) == hours * 3600


def test_when_an_opening_ends() -> None:
    assert JAKARTA.open_until(wib("2026-11-20 10:00")) == wib("2026-11-20 12:00")
    assert JAKARTA.open_until(wib("2026-11-20 12:00")) is None
    assert round_the_clock("Asia/Jakarta").open_until(wib("2026-11-20 10:00")) is None
    touching = OfficeHours("Asia/Jakarta", week(openings("09:00-12:00", "12:00-15:00")))
    assert touching.open_until(wib("2026-11-20 10:00")) == wib("2026-11-20 15:00")


def test_round_the_clock_is_always_open() -> None:
    office = round_the_clock("Europe/Berlin")

    for moment in ("2026-03-29 01:59:59.999999", "2026-10-25 02:30", "2026-12-31 23:59:59", "2027-01-01 00:00"):
        assert office.is_open(at("Europe/Berlin", moment))
    assert office.open_seconds_between(
        at("Europe/Berlin", "2026-01-01 00:00"), at("Europe/Berlin", "2027-01-01 00:00")
    ) == (365 * 86_400)
    start = at("Europe/Berlin", "2026-03-28 12:00")
    assert office.add_open_time(start, timedelta(days=100)) == start + timedelta(days=100)


@pytest.mark.parametrize(
    ("zone", "evening", "hours"),
    [
        ("Europe/Berlin", "2026-03-28", 7),  # the clock goes from 02:00 to 03:00
        ("Europe/Berlin", "2026-10-24", 9),  # the clock goes from 03:00 back to 02:00
        ("America/New_York", "2026-03-07", 7),
        ("America/New_York", "2026-10-31", 9),
        ("Asia/Jakarta", "2026-03-28", 8),
        ("Asia/Shanghai", "2026-10-24", 8),
    ],
)
def test_a_night_shift_is_as_long_as_for_the_people_in_it(zone: str, evening: str, hours: int) -> None:
    office = OfficeHours(zone, (NIGHT,) * 7)
    begins, noon = at(zone, f"{evening} 22:00"), at(zone, f"{evening} 12:00")

    assert office.next_open(noon) == begins
    assert office.open_until(begins) == begins + timedelta(hours=hours)
    assert office.open_seconds_between(noon, noon + timedelta(hours=25)) >= hours * 3600
    assert office.is_open(begins + timedelta(hours=hours) - MINUTE)
    assert not office.is_open(begins + timedelta(hours=hours))


def test_a_time_that_is_skipped_means_the_skip() -> None:
    zone = "Europe/Berlin"
    skip = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    before = at(zone, "2026-03-29 00:30")

    def first(*written: str) -> tuple[datetime, datetime | None]:
        opens = OfficeHours(zone, (openings(*written),) * 7).next_open(before)
        return opens, OfficeHours(zone, (openings(*written),) * 7).open_until(opens)

    assert first("02:30-05:00") == (skip, skip + timedelta(hours=2))
    assert first("01:00-02:30") == (skip - timedelta(hours=1), skip)
    assert first("02:10-02:50")[0] == at(zone, "2026-03-30 02:10")  # it does not exist that night
    assert first("01:00-02:15", "02:45-04:00") == (skip - timedelta(hours=1), skip + timedelta(hours=1))


def test_clocks_that_jump_by_half_an_hour_or_by_a_day() -> None:
    howe = OfficeHours("Australia/Lord_Howe", (openings("02:15-04:00"),) * 7)
    apia = OfficeHours("Pacific/Apia", (openings("09:00-17:00", "22:00-02:00"),) * 7)
    thursday = at("Pacific/Apia", "2011-12-29 18:00")  # there was no Friday in Samoa

    assert howe.next_open(at("Australia/Lord_Howe", "2026-10-04 00:00")) == datetime(2026, 10, 3, 15, 30, tzinfo=UTC)
    assert (
        howe.open_seconds_between(
            at("Australia/Lord_Howe", "2026-10-04 00:00"), at("Australia/Lord_Howe", "2026-10-04 12:00")
        )
        == 90 * 60
    )
    assert apia.open_until(at("Pacific/Apia", "2011-12-29 23:00")) == at("Pacific/Apia", "2011-12-31 02:00")
    assert apia.next_open(at("Pacific/Apia", "2011-12-31 02:00")) == at("Pacific/Apia", "2011-12-31 09:00")
    assert apia.open_seconds_between(thursday, at("Pacific/Apia", "2011-12-31 18:00")) == (2 + 2 + 8) * 3600


def test_the_same_hours_are_the_same_value() -> None:
    again = OfficeHours("Asia/Jakarta", week(DAY_WITH_BREAK, openings("09:00-13:00")), BusinessCalendar("ID"))

    assert again == JAKARTA
    assert {again: 1}[JAKARTA] == 1
    assert replace(again, on_dates=((date(2026, 11, 20), CLOSED),)) != JAKARTA
    assert not replace(again, on_dates=((date(2026, 11, 20), CLOSED),)).is_open(wib("2026-11-20 10:00"))


def test_a_time_that_is_shown_twice_means_the_first() -> None:
    zone = "Europe/Berlin"
    office = OfficeHours(zone, (openings("01:00-02:30", "02:45-05:00"),) * 7)
    evening = at(zone, "2026-10-24 23:00")

    opens = office.next_open(evening)
    assert office.open_until(opens) == at(zone, "2026-10-25 02:30", fold=0)
    assert not office.is_open(at(zone, "2026-10-25 02:30", fold=0))
    assert office.next_open(at(zone, "2026-10-25 02:30", fold=0)) == at(zone, "2026-10-25 02:45", fold=0)
    assert office.is_open(at(zone, "2026-10-25 02:30", fold=1))


def test_over_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    office = OfficeHours("Asia/Jakarta", week(NIGHT), BusinessCalendar("ID"))

    assert office.is_open(wib("2026-11-21 05:59"))  # the night from Friday
    assert not office.is_open(wib("2026-11-23 05:59"))  # the night from Sunday
    assert office.is_open(wib("2026-08-15 03:00"))
    assert not office.is_open(wib("2026-08-17 22:00"))  # a holiday
    assert not office.is_open(wib("2026-08-18 05:00"))  # its night


def test_a_date_may_have_other_hours() -> None:
    office = OfficeHours(
        "Asia/Jakarta",
        week(DAY_WITH_BREAK),
        BusinessCalendar("ID"),
        on_dates=(
            (date(2026, 8, 17), openings("10:00-12:00")),
            (date(2026, 8, 18), CLOSED),
            (date(2026, 8, 22), ALL_DAY),
        ),
    )

    assert office.next_open(wib("2026-08-16 00:00")) == wib("2026-08-17 10:00")  # a Sunday, then the holiday
    assert office.next_open(wib("2026-08-17 12:00")) == wib("2026-08-19 09:00")
    assert office.open_seconds_between(wib("2026-08-22 00:00"), wib("2026-08-23 00:00")) == 86_400


def test_overlapping_hours_are_counted_once() -> None:
    office = OfficeHours("Asia/Jakarta", week(NIGHT), on_dates=((date(2026, 11, 21), openings("04:00-08:00")),))

    assert office.open_seconds_between(wib("2026-11-20 12:00"), wib("2026-11-21 12:00")) == 10 * 3600
    assert office.add_open_time(wib("2026-11-20 12:00"), timedelta(hours=9)) == wib("2026-11-21 07:00")
    assert office.open_until(wib("2026-11-20 23:00")) == wib("2026-11-21 08:00")


def test_hours_change_from_a_date_on() -> None:
    office = OfficeHours(
        "Asia/Jakarta",
        week(openings("09:00-17:00")),
        changes=((date(2026, 12, 1), week(openings("08:00-20:00"))), (date(2027, 1, 1), week(CLOSED, CLOSED, ALL_DAY))),
    )

    assert office.next_open(wib("2026-11-30 00:00")) == wib("2026-11-30 09:00")
    assert office.next_open(wib("2026-12-01 00:00")) == wib("2026-12-01 08:00")
    assert office.next_open(wib("2026-12-31 20:00")) == wib("2027-01-03 00:00")


def test_a_make_up_day_has_the_hours_of_a_weekday() -> None:
    office = OfficeHours("Asia/Shanghai", week(DAY_WITH_BREAK), BusinessCalendar("CN"))
    with_saturdays = OfficeHours("Asia/Shanghai", week(DAY_WITH_BREAK, openings("10:00-11:00")), BusinessCalendar("CN"))

    saturday = at("Asia/Shanghai", "2026-02-14 00:00")
    assert office.next_open(saturday) == at("Asia/Shanghai", "2026-02-14 09:00")
    assert with_saturdays.next_open(saturday) == at("Asia/Shanghai", "2026-02-14 10:00")
    assert not office.is_open(at("Asia/Shanghai", "2026-02-21 10:00"))


def test_an_office_that_never_opens_is_refused_not_searched_for_ever() -> None:
    never = OfficeHours("Asia/Jakarta", week(CLOSED))
    rarely = OfficeHours("Asia/Jakarta", week(CLOSED), on_dates=((date(2027, 1, 1), openings("09:00-10:00")),))
    now = wib("2026-11-20 09:00")

    assert not never.is_open(now)
    assert never.open_seconds_between(now, now + timedelta(days=30)) == 0
    for ask in (lambda: never.next_open(now), lambda: never.add_open_time(now, MINUTE)):
        with pytest.raises(NeverOpen):
            ask()
    assert rarely.add_open_time(now, timedelta(hours=1)) == wib("2027-01-01 10:00")
    with pytest.raises(NeverOpen):
        rarely.add_open_time(now, timedelta(hours=1, microseconds=1))


def test_what_is_far_away_is_refused() -> None:
    office = round_the_clock("Asia/Jakarta")
    now = wib("2026-11-20 09:00")

    with pytest.raises(CalendarEnds):
        office.open_seconds_between(now, now + timedelta(days=4_000))
    for year in (1999, 2100):
        with pytest.raises(CalendarEnds):
            office.is_open(now.replace(year=year))
    with pytest.raises(NeverOpen):
        office.add_open_time(now, timedelta(days=500))
    with pytest.raises(ValueError, match="never taken away"):
        office.add_open_time(now, -MINUTE)
    with pytest.raises(ValueError, match="aware"):
        office.is_open(datetime(2026, 1, 1))  # noqa: DTZ001 — a naive moment is what is refused


@pytest.mark.parametrize(
    ("wrong", "field", "reason"),
    [
        (lambda: OfficeHours("Asia/Atlantis", week(CLOSED)), "zone", "unknown"),
        (lambda: OfficeHours("../etc/passwd", week(CLOSED)), "zone", "unknown"),
        (lambda: OfficeHours("", week(CLOSED)), "zone", "unknown"),
        (lambda: OfficeHours("Asia/Jakarta", (CLOSED,) * 6), "hours", "not_a_week"),  # type: ignore[arg-type]
        (lambda: OfficeHours("Asia/Jakarta", week(openings("09:00-12:00", "11:00-13:00"))), "hours", "overlap"),
        (lambda: OfficeHours("Asia/Jakarta", week(openings("13:00-17:00", "09:00-12:00"))), "hours", "overlap"),
        (lambda: OfficeHours("Asia/Jakarta", week(openings("22:00-06:00", "23:00-23:30"))), "hours", "overlap"),
        (lambda: OfficeHours("Asia/Jakarta", (openings("22:00-09:30"), *(DAY_WITH_BREAK,) * 6)), "hours", "overlap"),
        (
            lambda: OfficeHours("Asia/Jakarta", week((Opening(time(9, tzinfo=UTC), time(10)),))),
            "hours",
            "not_a_time",
        ),
        (lambda: openings("09:00"), "hours", "not_a_time"),
        (lambda: openings("9-12"), "hours", "not_a_time"),
        (lambda: openings("09:00-25:00"), "hours", "not_a_time"),
        (
            lambda: OfficeHours("Asia/Jakarta", week(CLOSED), on_dates=((date(2026, 1, 1), CLOSED),) * 2),
            "on_dates",
            "twice",
        ),
        (
            lambda: OfficeHours(
                "Asia/Jakarta",
                week(CLOSED),
                changes=((date(2026, 2, 1), week(CLOSED)), (date(2026, 1, 1), week(CLOSED))),
            ),
            "changes",
            "not_in_order",
        ),
    ],
)
def test_wrong_hours_are_refused_when_they_are_made(wrong: object, field: str, reason: str) -> None:
    with pytest.raises(BadCalendar) as refused:
        wrong()  # type: ignore[operator]

    assert refused.value.fields() == {"field": field, "reason": reason}


def test_openings_are_read_as_people_write_them() -> None:
    assert openings("09:00 - 12:30", "13:00-24:00") == (
        Opening(time(9), time(12, 30)),
        Opening(time(13), time(0)),
    )
    assert openings() == CLOSED

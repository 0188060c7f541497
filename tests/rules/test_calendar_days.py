"""Business days: what countries say, what we say beside it, and where the search ends."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sahut.bedrock import BadCalendar, BusinessCalendar, CalendarEnds, NeverOpen

PLAIN = BusinessCalendar()
ID = BusinessCalendar("ID")
CN = BusinessCalendar("CN")
SG = BusinessCalendar("SG")
US = BusinessCalendar("US")
DAYS = st.dates(date(2001, 1, 1), date(2097, 12, 31))


@pytest.mark.parametrize(
    ("calendar", "day", "works", "why"),
    [
        (PLAIN, date(2026, 12, 25), True, "no country has no holidays"),
        (PLAIN, date(2026, 12, 26), False, "a Saturday"),
        (ID, date(2026, 8, 17), False, "Independence Day"),
        (ID, date(2026, 3, 20), True, "joint leave is no public holiday"),
        (BusinessCalendar("ID", categories=("public", "government")), date(2026, 3, 20), False, "joint leave"),
        (CN, date(2026, 2, 14), True, "a Saturday that is worked for the Spring Festival"),
        (CN, date(2026, 2, 20), False, "the Friday for which it is worked"),
        (CN, date(2026, 2, 21), False, "a Saturday in the Spring Festival"),
        (CN, date(2026, 10, 10), True, "a Saturday that is worked for the National Day"),
        (SG, date(2026, 11, 9), False, "Diwali on a Sunday, observed on Monday"),
        (US, date(2021, 12, 31), False, "New Year's Day of the next year, observed in this one"),
        (BusinessCalendar("DE", "BY"), date(2026, 1, 6), False, "Epiphany in Bavaria"),
        (BusinessCalendar("DE"), date(2026, 1, 6), True, "Epiphany is not free in all of Germany"),
        (BusinessCalendar("HK"), date(2026, 11, 21), True, "the weekend of Hong Kong is Sunday"),
        (BusinessCalendar("SA"), date(2026, 11, 20), False, "the weekend of Saudi Arabia begins on Friday"),
        (BusinessCalendar("SA"), date(2026, 11, 22), True, "and ends before Sunday"),
        (BusinessCalendar("ID", weekend=frozenset({6})), date(2026, 11, 21), True, "we say that Saturday is worked"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_countries_know_their_days(calendar: BusinessCalendar, day: date, works: bool, why: str) -> None:
    assert calendar.is_business_day(day) is works, why


def test_what_we_know_better_wins() -> None:
    election, made_up = date(2026, 6, 24), date(2026, 8, 17)
    calendar = BusinessCalendar("ID", extra_holidays=frozenset({election}), extra_workdays=frozenset({made_up}))

    assert ID.is_business_day(election)
    assert not calendar.is_business_day(election)
    assert calendar.is_holiday(election)
    assert not ID.is_business_day(made_up)
    assert calendar.is_business_day(made_up)
    assert not calendar.is_holiday(made_up)


@pytest.mark.parametrize(
    ("start", "count", "end"),
    [
        (date(2026, 11, 20), 1, date(2026, 11, 23)),
        (date(2026, 11, 20), 5, date(2026, 11, 27)),
        (date(2026, 11, 21), 1, date(2026, 11, 23)),
        (date(2026, 11, 21), 0, date(2026, 11, 23)),
        (date(2026, 11, 20), 0, date(2026, 11, 20)),
        (date(2026, 11, 23), -1, date(2026, 11, 20)),
        (date(2026, 11, 22), -1, date(2026, 11, 20)),
        (date(2026, 12, 23), 5, date(2026, 12, 31)),  # Christmas and a weekend lie between
        (date(2026, 12, 31), 1, date(2027, 1, 4)),
    ],
)
def test_business_days_are_counted_after_the_day(start: date, count: int, end: date) -> None:
    assert ID.add_business_days(start, count) == end


def test_a_long_count_passes_many_free_days() -> None:
    end = ID.add_business_days(date(2026, 1, 1), 1_000)

    assert (end - date(2026, 1, 1)).days - 1_000 > 400  # so many days were free, never 400 in a row
    assert ID.business_days_between(date(2026, 1, 1), end) == 1_000


@given(DAYS, st.integers(1, 60), st.sampled_from([PLAIN, ID, CN, US]))
def test_adding_and_counting_agree(start: date, count: int, calendar: BusinessCalendar) -> None:
    end = calendar.add_business_days(start, count)

    assert calendar.is_business_day(end)
    assert calendar.business_days_between(start, end) == count
    assert calendar.business_days_between(start, end - timedelta(days=1)) == count - 1
    back = calendar.add_business_days(end, -count)
    assert back <= start
    assert calendar.business_days_between(back, end) == count
    assert calendar.add_business_days(start, 0) == min(
        day for day in (start + timedelta(days=n) for n in range(30)) if calendar.is_business_day(day)
    )


@given(DAYS, st.sampled_from([ID, CN, SG, US]))
def test_a_day_is_worked_or_free_by_one_rule(day: date, calendar: BusinessCalendar) -> None:
    if calendar.is_business_day(day):
        assert not calendar.is_holiday(day) or calendar.is_weekend(day)
    else:
        assert calendar.is_weekend(day) or calendar.is_holiday(day)


def test_nothing_lies_between_a_day_and_an_earlier_one() -> None:
    assert ID.business_days_between(date(2026, 11, 20), date(2026, 11, 20)) == 0
    assert ID.business_days_between(date(2026, 11, 20), date(2020, 11, 20)) == 0


@pytest.mark.parametrize("count", [1, -1, 0])
def test_a_calendar_without_business_days_does_not_search_for_ever(count: int) -> None:
    with pytest.raises(NeverOpen) as refused:
        BusinessCalendar(weekend=frozenset(range(7))).add_business_days(date(2026, 1, 1), count)

    assert refused.value.fields() == {"within_days": 400}


def test_far_away_is_refused_by_name() -> None:
    for far in (date(1999, 12, 31), date(2100, 1, 1), date.min, date.max):
        with pytest.raises(CalendarEnds):
            ID.is_business_day(far)
    with pytest.raises(CalendarEnds):
        ID.add_business_days(date(2026, 1, 1), 1_001)
    with pytest.raises(CalendarEnds):
        ID.add_business_days(date(2099, 12, 30), 9)
    with pytest.raises(CalendarEnds):
        ID.business_days_between(date(2010, 1, 1), date(2026, 1, 1))
    with pytest.raises(CalendarEnds) as refused:
        BusinessCalendar("GW").is_business_day(date(2020, 1, 1))  # known since 2023 only
    assert refused.value.fields() == {"reason": "year", "at_most": 2100}


@pytest.mark.parametrize(
    ("wrong", "field", "reason"),
    [
        ({"country": "XX"}, "country", "unknown"),
        ({"country": "id"}, "country", "unknown"),
        ({"country": "Indonesia"}, "country", "unknown"),
        ({"country": ""}, "country", "unknown"),
        ({"country": "__"}, "country", "unknown"),
        ({"country": "DE", "subdivision": "XX"}, "subdivision", "unknown"),
        ({"subdivision": "BY"}, "subdivision", "unknown"),
        ({"country": "ID", "categories": ("school",)}, "categories", "unknown"),
        ({"country": "ID", "categories": ()}, "categories", "unknown"),
        ({"weekend": frozenset({7})}, "weekend", "not_a_day"),
        (
            {"extra_holidays": frozenset({date(2026, 1, 1)}), "extra_workdays": frozenset({date(2026, 1, 1)})},
            "extra_workdays",
            "not_both",
        ),
        (
            {"extra_holidays": frozenset(date(2026, 1, 1) + timedelta(days=n) for n in range(1_001))},
            "extra_holidays",
            "too_many",
        ),
    ],
)
def test_a_wrong_calendar_is_refused_when_it_is_made(wrong: dict[str, object], field: str, reason: str) -> None:
    with pytest.raises(BadCalendar) as refused:
        BusinessCalendar(**wrong)  # type: ignore[arg-type]

    assert refused.value.fields() == {"field": field, "reason": reason}


def test_a_moment_is_no_date() -> None:
    with pytest.raises(TypeError):
        ID.is_business_day(datetime(2026, 8, 17, tzinfo=UTC))

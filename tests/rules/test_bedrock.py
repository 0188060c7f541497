"""Bedrock: the clocks, the base of refusals, and a door that shows what is behind it."""

import inspect
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sahut.bedrock
from sahut.bedrock import Clock, FixedClock, MovableClock, Refusal, RetryLater, SystemClock

WIB = timezone(timedelta(hours=7))
MOMENT = datetime(2026, 11, 22, 17, 0, tzinfo=WIB)


def test_the_clock_of_the_machine_is_aware_and_in_utc() -> None:
    now = SystemClock().now()

    assert now.tzinfo is UTC
    assert now.utcoffset() == timedelta()


def test_a_fixed_clock_stands() -> None:
    clock: Clock = FixedClock(MOMENT)

    assert clock.now() == clock.now() == MOMENT
    assert clock.now().tzinfo is UTC


def test_a_clock_is_moved_by_hand() -> None:
    clock = MovableClock(MOMENT)

    assert clock.now() == MOMENT
    assert clock.now().tzinfo is UTC
    assert clock.advance(90.5) == clock.now() == MOMENT + timedelta(seconds=90.5)
    assert clock.advance(timedelta(minutes=1)) == MOMENT + timedelta(seconds=150.5)
    assert clock.advance(-160) == MOMENT - timedelta(seconds=9.5)
    assert clock.set(MOMENT) == clock.now() == MOMENT


@given(st.lists(st.integers(-(10**6), 10**6), max_size=20))
def test_a_moved_clock_loses_no_second(steps: list[int]) -> None:
    clock = MovableClock(MOMENT)
    for step in steps:
        clock.advance(step)

    assert clock.now() == MOMENT + timedelta(seconds=sum(steps))


def test_no_clock_shows_a_naive_moment() -> None:
    naive = MOMENT.replace(tzinfo=None)

    for make in (FixedClock, MovableClock, MovableClock(MOMENT).set):
        with pytest.raises(ValueError, match="aware"):
            make(naive)


def test_what_ends_by_itself_says_when_to_ask_again() -> None:
    class Crowded(RetryLater):
        """Too many at once."""

        code = "crowded"

    assert Crowded(7).fields() == {"retry_after_s": 7}
    assert Crowded().retry_after_s == 2
    assert str(Crowded(7)) == "crowded(retry_after_s=7)"
    assert isinstance(Crowded(), Refusal)


def test_a_refusal_may_have_a_usual_wait_of_its_own() -> None:
    class Crowded(RetryLater):
        """Too many at once."""

        code = "crowded"
        usual_s = 5

    assert [Crowded().retry_after_s, Crowded(0).retry_after_s] == [5, 0]


def test_the_door_shows_what_is_behind_it_once_and_in_order() -> None:
    names = sahut.bedrock.__all__

    assert len(names) == len(set(names))
    for name in names:
        shown = getattr(sahut.bedrock, name)
        if inspect.isclass(shown) or inspect.isfunction(shown):
            assert shown.__doc__, name

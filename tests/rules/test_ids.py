"""Ids that bear their time: 64 bits under a turn, and UUIDs of version 7; what a wrong clock does to them."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sahut.bedrock import ClockWrong, MovableClock, TimeIds, Uuid7s, millisecond_of, uuid7_millisecond
from sahut.bedrock.ids import FIRST_MS, LAST_MS
from sahut.bedrock.uuids import MOST_AHEAD_MS


def test_ids_bear_their_time_and_grow() -> None:
    ids = TimeIds(3, 0)

    drawn = [ids.next(1_700_000_000_000 + step // 3) for step in range(9)]

    assert drawn == sorted(set(drawn))
    assert [millisecond_of(one) - 1_700_000_000_000 for one in drawn] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert {one >> 14 & 63 for one in drawn} == {3}


def test_ids_grow_also_when_the_clock_goes_backwards() -> None:
    last = TimeIds(1, 0).next(1_700_000_060_000)

    after = TimeIds(1, last).next(1_700_000_000_000)

    assert after == last + 1


def test_ids_grow_also_when_a_millisecond_overflows() -> None:
    ids = TimeIds(63, 0)

    drawn = [ids.next(1_700_000_000_000) for _ in range(40_000)]

    assert all(earlier < later for earlier, later in pairwise(drawn))
    assert {one >> 14 & 63 for one in drawn} == {63}
    assert millisecond_of(drawn[-1]) == 1_700_000_000_002
    assert drawn[-1] < 2**63


@given(st.lists(st.integers(FIRST_MS, LAST_MS), min_size=1, max_size=50), st.integers(0, 63))
def test_ids_grow_whatever_the_clock_says(clock: list[int], shard: int) -> None:
    last, drawn = 0, []
    for now_ms in clock:
        last = TimeIds(shard, last).next(now_ms)  # each time as a new process that knows only the last committed id
        drawn.append(last)

    assert drawn == sorted(set(drawn))
    assert all(one >> 14 & 63 == shard for one in drawn)


@pytest.mark.parametrize("shard", [-1, 64])
def test_a_shard_has_six_bits(shard: int) -> None:
    with pytest.raises(ValueError, match="0 to 63"):
        TimeIds(shard, 0)


def test_ids_refuse_a_clock_that_is_far_ahead_and_go_on_when_it_is_right_again() -> None:
    database_ms = 1_700_000_000_000
    ids = TimeIds(1, 0, not_after_ms=database_ms + 60_000)
    first = ids.next(database_ms)

    with pytest.raises(ClockWrong):
        ids.next(database_ms + 60_001)
    assert ids.next(database_ms + 1) > first
    assert millisecond_of(ids.next(database_ms + 60_000)) == database_ms + 60_000


@pytest.mark.parametrize("now_ms", [0, FIRST_MS - 1, LAST_MS + 1, 2**62])
def test_a_new_shard_refuses_a_time_that_cannot_be(now_ms: int) -> None:
    with pytest.raises(ClockWrong):
        TimeIds(1, 0).next(now_ms)


def test_ids_tell_how_far_they_are_ahead_of_the_clock() -> None:
    ids = TimeIds(1, TimeIds(1, 0).next(1_700_000_060_000), not_after_ms=1_700_000_010_000)

    assert ids.ahead_ms(1_700_000_000_000) == 60_000
    assert ids.ahead_ms(1_700_000_070_000) == 0
    # What was committed by a clock that was ahead does not stop the shard.
    assert millisecond_of(ids.next(1_700_000_000_000)) == 1_700_000_060_000


NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOON_MS = int(NOON.timestamp() * 1000)


def test_a_uuid_has_its_version_variant_and_millisecond() -> None:
    drawn = Uuid7s(MovableClock(NOON + timedelta(microseconds=123_999))).next()

    assert drawn.version == 7
    assert drawn.variant == "specified in RFC 4122"
    assert uuid7_millisecond(drawn) == NOON_MS + 123
    assert drawn.bytes[:6] == (NOON_MS + 123).to_bytes(6, "big")


def test_the_example_of_the_rfc_is_read() -> None:
    assert uuid7_millisecond(UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")) == 0x017F22E279B0


def test_another_version_bears_no_millisecond() -> None:
    with pytest.raises(ValueError, match="version 7"):
        uuid7_millisecond(uuid4())


@given(st.lists(st.integers(-MOST_AHEAD_MS, 5_000), max_size=60))
def test_uuids_grow_while_the_clock_is_not_far_behind(steps: list[int]) -> None:
    clock = MovableClock(NOON)
    uuids, highest, drawn = Uuid7s(clock), NOON, []
    for step in steps:
        # Back by any steps, but never more than the bound below the highest time that was shown.
        clock.set(max(clock.now() + timedelta(milliseconds=step), highest - timedelta(milliseconds=MOST_AHEAD_MS)))
        highest = max(highest, clock.now())
        drawn.append(uuids.next())
        assert 0 <= uuid7_millisecond(drawn[-1]) - int(clock.now().timestamp() * 1000) <= MOST_AHEAD_MS

    assert all(earlier < later for earlier, later in pairwise(drawn))


def test_uuids_follow_a_clock_that_went_far_back() -> None:
    clock = MovableClock(NOON)
    uuids = Uuid7s(clock)
    uuids.next()
    clock.advance(-MOST_AHEAD_MS / 1000 - 1)

    assert uuid7_millisecond(uuids.next()) == NOON_MS - MOST_AHEAD_MS - 1000


def test_uuids_of_one_millisecond_grow_past_its_counter() -> None:
    uuids = Uuid7s(MovableClock(NOON))

    drawn = [uuids.next() for _ in range(10_000)]

    assert drawn == sorted(set(drawn))
    assert {uuid7_millisecond(one) - NOON_MS for one in drawn} <= set(range(6))
    assert uuid7_millisecond(drawn[2_047]) == NOON_MS


def test_two_makers_never_make_the_same() -> None:
    makers = [Uuid7s(MovableClock(NOON)) for _ in range(4)]

    assert len({maker.next() for maker in makers for _ in range(3_000)}) == 12_000

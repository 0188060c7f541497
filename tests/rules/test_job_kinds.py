"""What becomes of a job that did not end well, and how many a process holds: decisions without a database."""

from collections.abc import Sequence
from dataclasses import replace

import asyncpg
import pytest

from sahut.db import Connection
from sahut.work import Job, JobKind, KindTwice, Retry, RetryAfter
from sahut.work.jobs.kinds import LONGEST_WAIT_S, by_name, judge, told_of
from sahut.work.jobs.line import MOST_HELD, Line


async def nothing(connection: Connection, job: Job) -> None:
    """Does nothing."""


async def nothing_together(connection: Connection, jobs: Sequence[Job]) -> None:
    """Does nothing."""


def job(number: int = 1, *, attempts: int = 1, forgiven: int = 0) -> Job:
    return Job(number, f"greet {number:03}", "greet", attempts, forgiven, {}, None)


def line(**options: int) -> Line:
    return Line(JobKind("greet", nothing, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize(("tries", "longest_s"), [(1, 1), (2, 2), (5, 16), (10, 512), (11, 600), (5_000, 600)])
def test_the_wait_doubles_up_to_its_bound_and_is_drawn_from_nothing_on(tries: int, longest_s: float) -> None:
    retry = Retry(most_attempts=1_000)
    tried = job(attempts=tries)

    assert retry.longest_s(tries) == longest_s
    if tries < 1_000:
        assert [judge(retry, tried, LookupError(), chance).wait_s for chance in (0.0, 0.5, 1.0)] == [
            0,
            longest_s / 2,
            longest_s,
        ]


def test_the_last_try_buries() -> None:
    retry = Retry(most_attempts=3)

    assert [judge(retry, job(attempts=tries), LookupError(), 0.5).bury for tries in (1, 2, 3)] == [False, False, True]
    assert not judge(retry, job(attempts=9, forgiven=7), LookupError(), 0.5).bury
    assert judge(retry, job(attempts=10, forgiven=7), LookupError(), 0.5).bury


def test_not_yet_is_no_failure_until_it_was_said_too_often() -> None:
    retry = Retry(most_waits=2, most_attempts=1)

    said = [judge(retry, job(attempts=1 + waits, forgiven=waits), RetryAfter(30), 0.5) for waits in (0, 1, 2)]

    assert [(one.forgive, one.wait_s, one.bury, one.told is None) for one in said] == [
        (True, 30, False, True),
        (True, 30, False, True),
        (False, 0, True, False),
    ]


@pytest.mark.parametrize(("asked_s", "given_s"), [(-5, 0), (0, 0), (60, 60), (1e12, LONGEST_WAIT_S)])
def test_a_wait_that_a_handler_asks_for_has_bounds(asked_s: float, given_s: float) -> None:
    assert judge(Retry(), job(), RetryAfter(asked_s), 0.5).wait_s == given_s


def test_two_in_each_others_way_try_again_at_once() -> None:
    assert judge(Retry(), job(attempts=9), asyncpg.DeadlockDetectedError("…"), 1.0).wait_s == 0.2


def test_a_story_names_kinds_and_places_and_quotes_nobody() -> None:
    def look_up() -> None:
        raise LookupError("Sari's number is 0812 3456 789")

    def write() -> None:
        try:
            look_up()
        except LookupError as cause:
            raise asyncpg.UniqueViolationError("Key (phone)=(0812 3456 789) already exists") from cause

    with pytest.raises(asyncpg.UniqueViolationError) as raised:
        write()
    told = told_of(raised.value)

    assert told.startswith("UniqueViolationError [23505] at test_job_kinds.py:")
    assert "; from LookupError at test_job_kinds.py:" in told
    assert "0812" not in told
    assert "Sari" not in told


def test_a_story_is_never_longer_than_its_column() -> None:
    kind_with_a_long_name = type("Problem" * 200, (Exception,), {})

    assert len(told_of(kind_with_a_long_name())) == 500


def test_a_kind_has_one_floor_that_does_it() -> None:
    with pytest.raises(KindTwice):
        by_name([JobKind("greet", nothing), JobKind("wave", nothing), JobKind("greet", nothing)])


@pytest.mark.parametrize(
    "wrong",
    [
        {"handle": None},
        {"handle_many": nothing_together},
        {"at_once": 0},
        {"together": 1_001},
        {"within_s": 0},
        {"lease_s": 0},
    ],
)
def test_a_kind_that_makes_no_sense_stops_the_start(wrong: dict[str, object]) -> None:
    right = JobKind("greet", nothing)

    with pytest.raises(AssertionError):
        replace(right, **wrong)  # type: ignore[arg-type]


def test_a_lane_takes_in_the_order_of_keys_what_may_share_a_transaction() -> None:
    greeting = line(together=3, at_once=1)
    greeting.claimed([job(4), job(2), job(3), job(1)], asked=9, since=0)

    groups = [greeting.take(), greeting.take()]

    assert [[held.job.id for held in group] for group in groups] == [[2, 3, 4], [1]]


def test_what_was_tried_before_shares_with_nobody() -> None:
    greeting = line(together=9)
    greeting.claimed([job(1), job(2), job(3, attempts=2), job(4), job(5, attempts=3, forgiven=2)], asked=9, since=0)

    groups = []
    while greeting.waiting:
        groups.append([held.job.id for held in greeting.take()])

    assert groups == [[1, 2], [3], [4, 5]]


def test_a_group_that_failed_comes_next_one_by_one() -> None:
    greeting = line(together=2)
    greeting.claimed([job(1), job(2), job(3)], asked=9, since=0)

    greeting.again_alone(greeting.take(), now=1)

    assert [[held.job.id for held in greeting.take()] for _ in range(3)] == [[1], [2], [3]]


def fill(greeting: Line, *, since: float) -> int:
    """A claim that comes back full, and lanes that do all of it; how many it was."""
    room = greeting.room
    greeting.claimed([job(number) for number in range(room)], asked=room, since=since)
    while greeting.waiting:
        greeting.done(greeting.take())
    return room


def test_a_line_holds_more_while_full_claims_follow_each_other_quickly() -> None:
    greeting = line(at_once=4)

    assert [fill(greeting, since=round_ * 0.09) for round_ in range(8)] == [4, 4, 8, 16, 32, 64, 64, MOST_HELD]


def test_a_line_whose_lanes_are_slow_holds_what_they_can_begin() -> None:
    greeting = line(at_once=4)
    for round_ in range(8):
        fill(greeting, since=round_ * 0.09)

    assert [fill(greeting, since=since) for since in (1.0, 2.1, 3.2)] == [64, 64, 4]


def test_what_waits_longer_than_half_its_lease_leaves_the_line() -> None:
    greeting = line(at_once=4)
    for round_ in range(8):
        fill(greeting, since=round_ * 0.09)

    greeting.claimed([job(number) for number in range(10)], asked=64, since=1)

    assert [one.id for one in greeting.waited_too_long(now=3.4)] == []
    assert [one.id for one in greeting.waited_too_long(now=3.6)] == list(range(10))
    assert greeting.room == 4


def test_a_claim_that_came_back_short_says_that_there_is_no_more() -> None:
    greeting = line()

    assert greeting.claimed([job()], asked=4, since=0) == 1

    assert not greeting.may_have_more

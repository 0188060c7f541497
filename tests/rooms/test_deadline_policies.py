"""The book of policies, and clocks that are moved: always by name, always with an event."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from sahut.bedrock import BadCalendar
from sahut.db import Connection, Pool, transaction
from sahut.work import (
    BadPolicy,
    CalendarTerms,
    DeadlineNotMoved,
    NoRunningDeadline,
    NoSuchPolicy,
    PolicyTerms,
    deadlines_of,
    extend_deadline,
    keep_deadline,
    open_deadline,
    pause_deadline,
    policies_in_force,
    policy_in_force,
    resume_deadline,
    write_calendar,
    write_policy,
)
from tests.rooms.clocks import KINDS, MINUTE, NOON, start, told, watch, written
from tests.rooms.world import outcome, until_somebody_waits

DAY = timedelta(days=1)
REFUND = PolicyTerms("refund_due", "refund_due", "customer", "wall", 3600, None, (80,), (300,))
OFFICE = dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), ("08:00-17:00",))


async def test_what_stood_in_the_code_stands_in_the_book(pool: Pool) -> None:
    async with pool.acquire() as connection:
        found = await policies_in_force(connection, ["answer", "answer_late", "follow_up"], NOON)

    assert {name: (its.terms.kind, its.due_at(NOON) - NOON) for name, its in found.items()} == {
        "answer": ("answer", 15 * MINUTE),
        "answer_late": ("answer", 5 * MINUTE),
        "follow_up": ("follow_up", DAY),
    }


async def test_a_clock_keeps_the_version_under_which_it_was_opened(pool: Pool) -> None:
    await written(pool, REFUND)
    async with transaction(pool) as connection:
        longer = PolicyTerms("refund_due", "refund_due", "customer", "wall", 7200)
        assert await write_policy(connection, longer, valid_from=NOON + DAY, now=NOON, actor=7) == 2
    async with pool.acquire() as connection:
        for subject, moment in [(1, NOON), (2, NOON + DAY - MINUTE), (3, NOON + DAY)]:
            policy = await policy_in_force(connection, "refund_due", moment)
            await open_deadline(connection, policy=policy, subject=subject, opened_at=moment)
        clocks = [(await deadlines_of(connection, subject, kinds=KINDS))[0] for subject in (1, 2, 3)]

    assert [(clock.policy_version, clock.due_at - clock.opened_at) for clock in clocks] == [
        (1, 60 * MINUTE),
        (1, 60 * MINUTE),
        (2, 120 * MINUTE),
    ]


async def test_a_version_that_has_not_begun_is_set_aside_by_a_newer_one(pool: Pool) -> None:
    await written(pool, REFUND)
    async with transaction(pool) as connection:
        for hours, begins in [(9, NOON + 10 * DAY), (2, NOON + 5 * DAY)]:
            terms = PolicyTerms("refund_due", "refund_due", "customer", "wall", hours * 3600)
            await write_policy(connection, terms, valid_from=begins, now=NOON, actor=7)
        found = [(await policy_in_force(connection, "refund_due", NOON + n * DAY)).version for n in (4, 5, 11)]

    assert found == [1, 3, 3]


async def test_a_policy_that_is_wrong_is_refused_when_it_is_written_and_nothing_is_kept(pool: Pool) -> None:
    async with transaction(pool) as connection:
        await write_calendar(
            connection, CalendarTerms("days_only", "Asia/Jakarta", "ID"), valid_from=NOON, now=NOON, actor=7
        )

    async def reason(terms: PolicyTerms, ago: timedelta = timedelta()) -> str:
        async with transaction(pool) as connection:
            await write_policy(connection, terms, valid_from=NOON, now=NOON + ago, actor=7)
        raise AssertionError("it was written")

    table = [
        (PolicyTerms("p", "k", "staff", "wall", 0), timedelta(), "length"),
        (PolicyTerms("p", "k", "staff", "wall", 60), MINUTE, "in_the_past"),
        (PolicyTerms("answer", "k", "staff", "wall", 60), timedelta(), "other_kind"),
        (PolicyTerms("p", "k", "staff", "open", 60, "nowhere"), timedelta(), "calendar"),
        (PolicyTerms("p", "k", "staff", "open", 60, "days_only"), timedelta(), "never_open"),
    ]
    refused = [await outcome(reason(terms, ago)) for terms, ago, _ in table]

    assert [getattr(one, "reason", one) for one in refused] == [expected for *_, expected in table]
    assert await pool.fetchval("select count(*) from work.deadline_policy where name = 'p'") == 0
    async with pool.acquire() as connection:
        with pytest.raises(NoSuchPolicy) as missing:
            await policy_in_force(connection, "p", NOON)
    assert missing.value.policy == "p"


async def test_a_calendar_under_which_a_policy_could_never_end_is_refused(pool: Pool) -> None:
    async def write(hours: dict[str, tuple[str, ...]]) -> int:
        async with transaction(pool) as connection:
            terms = CalendarTerms("office", "Asia/Jakarta", "ID", hours)
            return await write_calendar(connection, terms, valid_from=NOON, now=NOON, actor=7)

    assert await write(OFFICE) == 1
    await written(pool, PolicyTerms("first_look", "first_look", "staff", "open", 3600, "office"))

    refused = await outcome(write({}))

    assert isinstance(refused, BadPolicy)
    assert refused.fields() == {"policy": "first_look", "reason": "never_open"}
    assert isinstance(await outcome(write({"mon": ("17:00-08:00", "09:00-10:00")})), BadCalendar)
    assert await write({"mon": ("09:00-10:00",)}) == 2


async def test_a_day_that_the_government_gave_at_short_notice_counts_from_the_version_that_says_so(pool: Pool) -> None:
    """2 January 2031 is a Thursday. The day after it is given away, and a Saturday is worked instead."""
    one_day = PolicyTerms("refund_due", "refund_due", "customer", "business_days", 1, "banks")
    usual = CalendarTerms("banks", "Asia/Jakarta", "ID")
    given = replace(usual, extra_holidays=(date(2031, 1, 3),), extra_workdays=(date(2031, 1, 4),))
    due = []
    async with transaction(pool) as connection:
        await write_calendar(connection, usual, valid_from=NOON, now=NOON, actor=7)
        await write_policy(connection, one_day, valid_from=NOON, now=NOON, actor=7)
        due.append((await policy_in_force(connection, "refund_due", NOON)).due_at(NOON + DAY))
        await write_calendar(connection, given, valid_from=NOON, now=NOON, actor=7)
        due.append((await policy_in_force(connection, "refund_due", NOON)).due_at(NOON + DAY))

    assert due == [datetime(2031, 1, 3, 17, tzinfo=UTC), datetime(2031, 1, 4, 17, tzinfo=UTC)]


async def test_of_two_that_write_the_same_version_at_once_one_is_told(pool: Pool) -> None:
    async def write(connection: Connection, hours: int) -> int:
        terms = PolicyTerms("refund_due", "refund_due", "customer", "wall", hours * 3600)
        return await write_policy(connection, terms, valid_from=NOON, now=NOON, actor=7)

    async def write_too() -> int:
        async with transaction(pool) as connection:
            return await write(connection, 2)

    async with transaction(pool) as first:
        assert await write(first, 1) == 1
        second = asyncio.create_task(write_too())
        await until_somebody_waits(pool)

    with pytest.raises(BadPolicy) as refused:
        await second
    assert refused.value.reason == "written_meanwhile"
    events = await pool.fetch("select body from work.event where kind = 'policy_written'")
    assert [msgspec.json.decode(row[0]) for row in events] == [{"policy": "refund_due", "version": 1}]


async def test_a_clock_is_extended_by_name_and_the_log_says_who_and_why(pool: Pool) -> None:
    await written(pool, REFUND)
    async with transaction(pool) as connection:
        policy = await policy_in_force(connection, "refund_due", NOON)
        await open_deadline(connection, policy=policy, subject=5, opened_at=NOON)
        moved = await extend_deadline(
            connection, kind="refund_due", subject=5, due_at=NOON + 120 * MINUTE, reason="bank_holiday_abroad",
            actor=7, now=NOON + 50 * MINUTE,
        )  # fmt: skip
    looks = {}
    for minutes in (61, 97, 116, 121):
        marked = await watch(pool, NOON + minutes * MINUTE, "refund_due").look()
        looks[minutes] = (marked.warned, marked.broken)

    assert moved.due_at == NOON + 120 * MINUTE
    assert looks == {61: (0, 0), 97: (1, 0), 116: (1, 0), 121: (0, 1)}
    ((_, clock, body),) = await told(pool, "deadline_extended")
    assert clock == moved.id
    assert (body["reason"], body["actor"], body["about"]) == ("bank_holiday_abroad", 7, 5)
    assert (body["was_due_at"], body["due_at"]) == ("2031-01-01T13:00:00+00:00", "2031-01-01T14:00:00+00:00")


async def test_a_paused_clock_stands_still_and_runs_on_with_what_was_left(pool: Pool) -> None:
    await written(pool, REFUND)
    async with transaction(pool) as connection:
        policy = await policy_in_force(connection, "refund_due", NOON)
        await open_deadline(connection, policy=policy, subject=5, opened_at=NOON)
        await pause_deadline(
            connection, kind="refund_due", subject=5, reason="waits_for_customer", actor=7, now=NOON + 40 * MINUTE
        )
    asleep = await watch(pool, NOON + DAY, "refund_due").look()
    async with transaction(pool) as connection:
        resumed = await resume_deadline(
            connection, kind="refund_due", subject=5, reason="customer_answered", actor=7, now=NOON + DAY
        )
    looks = []
    for minutes in (7, 9, 14, 16, 19, 21):
        marked = await watch(pool, NOON + DAY + minutes * MINUTE, "refund_due").look()
        looks.append((marked.warned, marked.broken))

    assert (asleep.warned, asleep.broken) == (0, 0)
    assert resumed.due_at == NOON + DAY + 20 * MINUTE
    assert looks == [(0, 0), (1, 0), (0, 0), (1, 0), (0, 0), (0, 1)]
    assert [kind for kind, *_ in await told(pool)] == [
        "deadline_paused", "deadline_resumed", "deadline_warned", "deadline_warned", "deadline_broken",
    ]  # fmt: skip


async def test_a_paused_clock_may_be_kept(pool: Pool) -> None:
    async with transaction(pool) as connection:
        await written(pool, REFUND)
        await open_deadline(
            connection, policy=await policy_in_force(connection, "refund_due", NOON), subject=5, opened_at=NOON
        )
        await pause_deadline(connection, kind="refund_due", subject=5, reason="waits", actor=7, now=NOON)

        assert await keep_deadline(connection, kind="refund_due", subject=5, now=NOON + DAY)


async def test_what_cannot_be_moved_is_refused_with_its_reason(pool: Pool) -> None:
    await written(pool, REFUND)

    async def move(verb: str, minutes: int, due: int = 120) -> str:
        given = {"kind": "refund_due", "subject": 5, "reason": "because", "actor": 7, "now": NOON + minutes * MINUTE}
        try:
            async with transaction(pool) as connection:
                if verb == "extend":
                    await extend_deadline(connection, due_at=NOON + due * MINUTE, **given)
                else:
                    await (pause_deadline if verb == "pause" else resume_deadline)(connection, **given)
        except DeadlineNotMoved as refused:
            return refused.reason
        except NoRunningDeadline:
            return "none"
        return "moved"

    found = [await move("pause", 0)]
    async with pool.acquire() as connection:
        policy = await policy_in_force(connection, "refund_due", NOON)
        await open_deadline(connection, policy=policy, subject=5, opened_at=NOON)
    for verb, minutes, due in [
        ("extend", 61, 120),  # nobody has broken it yet, and it is too late all the same
        ("pause", 61, 0),
        ("extend", 1, 60),
        ("extend", 1, 401 * 1440),
        ("resume", 1, 0),
        ("pause", 1, 0),
        ("pause", 2, 0),
        ("extend", 2, 120),
        ("resume", 3, 0),
    ]:
        found.append(await move(verb, minutes, due))

    assert found == [
        "none", "overdue", "overdue", "not_later", "too_far", "not_paused", "moved", "paused", "paused", "moved",
    ]  # fmt: skip
    assert [kind for kind, *_ in await told(pool)] == ["deadline_paused", "deadline_resumed"]


async def test_who_moves_a_clock_that_is_just_being_kept_finds_none(pool: Pool) -> None:
    async with pool.acquire() as connection:
        await start(connection)

    async def pause() -> None:
        async with transaction(pool) as connection:
            await pause_deadline(connection, kind="answer", subject=1, reason="waits", actor=7, now=NOON)

    async with transaction(pool) as keeping:
        await keep_deadline(keeping, kind="answer", subject=1, now=NOON)
        pausing = asyncio.create_task(pause())
        await until_somebody_waits(pool)

    with pytest.raises(NoRunningDeadline):
        await pausing

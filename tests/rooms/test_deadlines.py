"""Clocks: one of a kind runs for a subject; it is kept or broken, never both."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from sahut.db import Connection, Pool, transaction
from sahut.work import (
    break_overdue,
    deadlines_of,
    keep_deadline,
    open_deadline,
    overdue_subjects,
    running_deadlines,
)
from tests.rooms.conftest import Connect
from tests.rooms.world import until_somebody_waits

NOON = datetime(2031, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
KINDS = ("answer", "follow_up")


async def start(
    connection: Connection, kind: str = "answer", subject: int = 1, within: timedelta = 15 * MINUTE
) -> bool:
    return await open_deadline(
        connection, kind=kind, subject=subject, audience="customer", policy="p", opened_at=NOON, due_at=NOON + within
    )


async def test_one_clock_of_a_kind_runs_for_a_subject(pool: Pool) -> None:
    async with pool.acquire() as connection:
        made = [
            await start(connection),
            await start(connection, within=MINUTE),
            await start(connection, "follow_up", within=2 * MINUTE),
            await start(connection, subject=2),
        ]

        assert made == [True, False, True, True]
        assert await running_deadlines(connection, [1, 2, 3], kinds=KINDS) == {
            1: [("follow_up", NOON + 2 * MINUTE), ("answer", NOON + 15 * MINUTE)],
            2: [("answer", NOON + 15 * MINUTE)],
        }


async def test_of_many_that_start_a_clock_at_once_one_does(pool: Pool) -> None:
    async def start_it() -> bool:
        async with transaction(pool) as connection:
            return await start(connection)

    assert sorted(await asyncio.gather(*(start_it() for _ in range(10)))) == [False] * 9 + [True]


async def test_a_kept_clock_runs_no_more_and_the_next_may_start(pool: Pool) -> None:
    async with pool.acquire() as connection:
        await start(connection)
        kept = [await keep_deadline(connection, kind="answer", subject=1, now=NOON + MINUTE) for _ in range(2)]
        started = await start(connection, within=20 * MINUTE)
        clocks = await deadlines_of(connection, 1, kinds=KINDS)

    assert (kept, started) == ([True, False], True)
    assert [(clock.due_at, clock.kept_at, clock.broken_at) for clock in clocks] == [
        (NOON + 20 * MINUTE, None, None),
        (NOON + 15 * MINUTE, NOON + MINUTE, None),
    ]


async def test_overdue_clocks_are_found_longest_overdue_first_and_break_once(pool: Pool) -> None:
    async with pool.acquire() as connection:
        for subject, minutes in [(1, 15), (2, 5), (3, 10), (4, 30)]:
            await start(connection, subject=subject, within=minutes * MINUTE)
        late = NOON + 20 * MINUTE

        assert await overdue_subjects(connection, kinds=KINDS, now=NOON + 5 * MINUTE) == []  # due now is not overdue
        assert sorted(await overdue_subjects(connection, kinds=KINDS, now=late, at_most=2)) == [2, 3]
        first = await break_overdue(connection, kinds=KINDS, subjects=[2, 3, 4], now=late)
        again = await break_overdue(connection, kinds=KINDS, subjects=[2, 3, 4], now=late)
        kept = await keep_deadline(connection, kind="answer", subject=2, now=late)

        assert sorted(clock.subject for clock in first) == [2, 3]
        assert all((clock.kept_at, clock.broken_at) == (None, late) for clock in first)
        assert (again, kept) == ([], False)
        assert await overdue_subjects(connection, kinds=KINDS, now=late) == [1]


async def test_of_two_that_break_the_same_clock_one_does(pool: Pool) -> None:
    async with pool.acquire() as connection:
        await start(connection)

    async def break_it() -> int:
        async with transaction(pool) as connection:
            return len(await break_overdue(connection, kinds=KINDS, subjects=[1], now=NOON + 20 * MINUTE))

    assert sorted(await asyncio.gather(*(break_it() for _ in range(5)))) == [0, 0, 0, 0, 1]


async def test_who_keeps_a_clock_that_is_just_being_broken_finds_it_broken(pool: Pool) -> None:
    async with pool.acquire() as connection:
        await start(connection)

    async def keep() -> bool:
        async with transaction(pool) as connection:
            return await keep_deadline(connection, kind="answer", subject=1, now=NOON + 20 * MINUTE)

    async with transaction(pool) as breaking:
        broken = await break_overdue(breaking, kinds=KINDS, subjects=[1], now=NOON + 20 * MINUTE)
        keeping = asyncio.create_task(keep())
        await until_somebody_waits(pool)

    assert len(broken) == 1
    assert not await keeping


async def test_the_table_keeps_no_clock_that_contradicts_itself(pool: Pool, connect: Connect, owner_dsn: str) -> None:
    async with pool.acquire() as connection:
        await start(connection)
    owner = await connect(owner_dsn)

    for change in ("kept_at = now(), broken_at = now()", "due_at = opened_at - interval '1 s'"):
        with pytest.raises(asyncpg.CheckViolationError):
            await owner.execute(f"update work.deadline set {change}")


async def test_the_application_cannot_move_a_promise(pool: Pool) -> None:
    async with pool.acquire() as connection:
        await start(connection)

        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("update work.deadline set due_at = due_at + interval '1 hour'")


async def test_clocks_of_other_kinds_with_the_same_subject_are_left_alone(pool: Pool) -> None:
    async with pool.acquire() as connection:
        await start(connection, "refund_due", within=MINUTE)

        assert await overdue_subjects(connection, kinds=KINDS, now=NOON + 2 * MINUTE) == []
        assert await break_overdue(connection, kinds=KINDS, subjects=[1], now=NOON + 2 * MINUTE) == []
        assert await running_deadlines(connection, [1], kinds=KINDS) == {}

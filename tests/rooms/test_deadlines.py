"""Clocks: one of a kind runs for a subject; it is kept or broken, never both, and the log says which."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from sahut.db import Pool, open_connection, transaction
from sahut.work import NewClock, deadlines_of, keep_deadline, open_deadline, open_deadlines, running_deadlines
from tests.rooms.clocks import KINDS, MINUTE, NOON, about, start, told, wall, watch
from tests.rooms.conftest import Connect
from tests.rooms.world import until_somebody_waits


async def test_one_clock_of_a_kind_runs_for_a_subject(pool: Pool) -> None:
    async with pool.acquire() as connection:
        made = [
            await start(connection),
            await start(connection, minutes=1),
            await start(connection, kind="refund_due", minutes=2),
            await start(connection, subject=2),
        ]

        assert made == [True, False, True, True]
        assert await running_deadlines(connection, [1, 2, 3], kinds=KINDS) == {
            1: [("refund_due", NOON + 2 * MINUTE), ("answer", NOON + 15 * MINUTE)],
            2: [("answer", NOON + 15 * MINUTE)],
        }


async def test_of_many_that_start_a_clock_at_once_one_does(pool: Pool) -> None:
    async def start_it() -> bool:
        async with transaction(pool) as connection:
            return await start(connection)

    assert sorted(await asyncio.gather(*(start_it() for _ in range(10)))) == [False] * 9 + [True]


async def test_many_clocks_are_started_together_and_those_that_run_are_left_alone(pool: Pool) -> None:
    async with pool.acquire() as connection:
        await start(connection, subject=2)
        policy = wall(minutes=30, warn_before_s=(60,))
        opened = await open_deadlines(
            connection, [NewClock(policy, 3, NOON), NewClock(policy, 2, NOON), NewClock(policy, 1, NOON, NOON + MINUTE)]
        )
        warned = await connection.fetch("select subject, warn_at from work.deadline order by subject")

    assert opened == {("answer", 1), ("answer", 3)}
    assert [tuple(row) for row in warned] == [(1, []), (2, []), (3, [NOON + 29 * MINUTE])]


async def test_a_kept_clock_runs_no_more_and_the_next_may_start(pool: Pool) -> None:
    async with pool.acquire() as connection:
        await start(connection)
        kept = [await keep_deadline(connection, kind="answer", subject=1, now=NOON + MINUTE) for _ in range(2)]
        started = await start(connection, minutes=20)
        clocks = await deadlines_of(connection, 1, kinds=KINDS)

    assert (kept, started) == ([True, False], True)
    assert [(clock.due_at, clock.kept_at, clock.broken_at) for clock in clocks] == [
        (NOON + 20 * MINUTE, None, None),
        (NOON + 15 * MINUTE, NOON + MINUTE, None),
    ]
    assert await told(pool) == [
        ("deadline_kept", clocks[1].id, {"kind": "answer", "about": 1, "policy": "answer", "version": 1})
    ]


async def test_a_mark_that_is_rolled_back_leaves_no_event(pool: Pool) -> None:
    async with pool.acquire() as connection:
        await start(connection)
        undone = connection.transaction()
        await undone.start()
        await keep_deadline(connection, kind="answer", subject=1, now=NOON)
        await undone.rollback()

        assert await told(pool) == []
        assert await running_deadlines(connection, [1], kinds=KINDS) != {}


async def test_a_clock_of_the_machine_that_jumps_back_makes_no_wait_shorter_than_nothing(pool: Pool) -> None:
    async with pool.acquire() as connection:
        await start(connection)
        await keep_deadline(connection, kind="answer", subject=1, now=NOON - timedelta(days=1))
        (clock,) = await deadlines_of(connection, 1, kinds=KINDS)

    assert clock.kept_at == NOON


async def test_who_keeps_a_clock_that_is_just_being_broken_finds_it_broken(
    pool: Pool, connect: Connect, app_dsn: str
) -> None:
    """The loop has marked the clock and has not yet committed."""
    async with pool.acquire() as connection:
        await start(connection)
    breaking = await connect(app_dsn)

    async def keep() -> bool:
        async with transaction(pool) as connection:
            return await keep_deadline(connection, kind="answer", subject=1, now=NOON + 20 * MINUTE)

    async with breaking.transaction():
        await breaking.execute("update work.deadline set broken_at = $1", NOON + 20 * MINUTE)
        await breaking.execute(
            "insert into work.event (topic, subject, kind, body)"
            " select 'deadline', id, 'deadline_broken', '{}' from work.deadline"
        )
        keeping = asyncio.create_task(keep())
        await until_somebody_waits(pool)

    assert not await keeping
    assert [kind for kind, *_ in await told(pool)] == ["deadline_broken"]


async def test_a_clock_that_is_just_being_kept_is_left_for_the_next_look(
    pool: Pool, connect: Connect, app_dsn: str
) -> None:
    async with pool.acquire() as connection:
        await start(connection)
        await start(connection, subject=2)
    keeping = await connect(app_dsn)

    async with keeping.transaction():
        await keep_deadline(keeping, kind="answer", subject=1, now=NOON + 16 * MINUTE)
        marked = await asyncio.wait_for(watch(pool, NOON + 16 * MINUTE).look(), 5)

    assert (marked.broken, await about(pool, "deadline_broken")) == (1, [2])
    assert (await watch(pool, NOON + 17 * MINUTE).look()).broken == 0
    assert await about(pool, "deadline_kept") == [1]


@pytest.mark.books_may_be_wrong("the owner takes a mark back")
async def test_the_table_keeps_no_clock_that_contradicts_itself(pool: Pool, connect: Connect, owner_dsn: str) -> None:
    async with pool.acquire() as connection:
        await start(connection)
    owner = await connect(owner_dsn)

    for change in (
        "kept_at = now(), broken_at = now()",
        "due_at = opened_at - interval '1 s'",
        "warn_at = array[due_at]",
        "warn_at = array_fill(opened_at, array[5])",
    ):
        with pytest.raises(asyncpg.CheckViolationError):
            await owner.execute(f"update work.deadline set {change}")


async def test_the_application_cannot_move_a_promise_nor_take_one_back(pool: Pool) -> None:
    async with pool.acquire() as connection:
        await start(connection)

        for change in (
            "update work.deadline set due_at = due_at + interval '1 hour'",
            "update work.deadline set paused_at = now()",
            "update work.deadline set policy_version = 2",
            "delete from work.deadline",
            "update work.deadline_policy set length = 1",
            "delete from work.calendar",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(change)


async def test_a_clock_is_opened_by_one_statement_and_kept_by_one(app_dsn: str) -> None:
    """Round trips are counted: opening adds one to what its caller does, keeping one, event included."""
    connection = await open_connection(app_dsn, name="sahut-test-counting")
    sent: list[str] = []
    try:
        await start(connection, subject=9)  # a driver asks once for the types that it has not met
        await connection.execute("begin")
        connection.add_query_logger(lambda query: sent.append(query.query))
        await open_deadline(connection, policy=wall(), subject=1, opened_at=NOON)
        await keep_deadline(connection, kind="answer", subject=1, now=NOON)
        await connection.execute("commit")
    finally:
        await connection.close()

    assert [query.split("\n")[0][:6] for query in sent if query != "commit"] == ["-- One", "-- The"]

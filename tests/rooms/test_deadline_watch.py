"""The loop for all kinds: warns once, breaks once, oldest first, in bounded batches, and one kind holds up no other."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sahut.db import Connection, Pool, Queries
from sahut.work import (
    ClockHandler,
    Deadline,
    DeadlineWatch,
    EventRow,
    append_event,
    deadlines_of,
    keep_deadline,
    open_deadline,
)
from tests.conftest import Database
from tests.rooms.clocks import KINDS, MINUTE, NOON, about, shown, start, told, wall, watch
from tests.rooms.conftest import Connect
from tests.rooms.world import until


async def fails(_connection: Connection, _clocks: Sequence[Deadline], _now: datetime) -> None:
    raise ValueError("what follows cannot be done")


async def test_a_clock_warns_at_each_of_its_moments_and_breaks_at_its_end(pool: Pool) -> None:
    async with pool.acquire() as connection:
        await start(connection, minutes=100, warn_percent=(80,), warn_before_s=(300,))
    found = []
    for minutes in (80, 81, 82, 95, 96, 100, 101, 102):
        marked = await watch(pool, NOON + minutes * MINUTE).look()
        found.append((minutes, marked.warned, marked.broken))

    assert [one for one in found if one[1:] != (0, 0)] == [(81, 1, 0), (96, 1, 0), (101, 0, 1)]
    assert shown(await told(pool)) == [("deadline_warned", 1), ("deadline_warned", 2), ("deadline_broken", None)]


async def test_after_a_pause_of_the_house_what_is_overdue_breaks_and_is_not_warned_of_any_more(pool: Pool) -> None:
    async with pool.acquire() as connection:
        await start(connection, subject=1, minutes=100, warn_percent=(50, 80))
        await start(connection, subject=2, minutes=2000, warn_percent=(50, 60, 99))

    marked = await watch(pool, NOON + timedelta(days=1)).look()

    assert (marked.broken, marked.warned) == (1, 2)
    assert shown(await told(pool)) == [("deadline_broken", None), ("deadline_warned", 1), ("deadline_warned", 2)]
    assert await about(pool, "deadline_warned") == [2, 2]


async def test_a_day_of_overdue_clocks_is_broken_once_oldest_first_in_bounded_batches(pool: Pool) -> None:
    given: list[int] = []

    async def note(_connection: Connection, broken: Sequence[Deadline], _now: datetime) -> None:
        given.append(len(broken))

    async with pool.acquire() as connection:
        for subject in range(25):
            await start(connection, subject=subject, minutes=1 + (subject * 7) % 25)
    look = watch(pool, NOON + timedelta(days=1), "answer", batch=10, answer=ClockHandler(broken=note))

    assert (await look.look()).broken == 25
    assert (await look.look()).broken == 0
    assert given == [10, 10, 5]
    assert await about(pool, "deadline_broken") == sorted(range(25), key=lambda subject: (subject * 7) % 25)


async def test_due_now_is_not_overdue(pool: Pool) -> None:
    async with pool.acquire() as connection:
        await start(connection, minutes=15)

    moments = (NOON + 15 * MINUTE, NOON + 15 * MINUTE + timedelta(microseconds=1))
    looks = [(await watch(pool, moment).look()).broken for moment in moments]

    assert looks == [0, 1]


async def test_a_clock_that_jumps_back_breaks_nothing_early_or_twice(pool: Pool) -> None:
    async with pool.acquire() as connection:
        await start(connection, subject=1, minutes=10, warn_percent=(50,))
        looks = [(await watch(pool, NOON + 11 * MINUTE).look()).broken]
        await start(connection, subject=2, minutes=10, warn_percent=(50,))  # at noon again
        for minutes in (0, 5, 6, 4, 6, 10, 11, 3, 11):
            looks.append((await watch(pool, NOON + minutes * MINUTE).look()).broken)

    assert looks == [1, 0, 0, 0, 0, 0, 0, 1, 0, 0]
    assert await about(pool, "deadline_warned") == [2]
    assert await about(pool, "deadline_broken") == [1, 2]


async def test_what_follows_is_in_the_commit_of_the_break_or_there_is_no_break(pool: Pool) -> None:
    async def then(connection: Connection, broken: Sequence[Deadline], now: datetime) -> None:
        for clock in broken:
            await append_event(connection, EventRow("care", 0, "followed", {"about": clock.subject}))
            await open_deadline(connection, policy=wall(minutes=5), subject=clock.subject, opened_at=now)

    async with pool.acquire() as connection:
        await start(connection, subject=3)
        await watch(pool, NOON + 16 * MINUTE, "answer", answer=ClockHandler(broken=then)).look()
        clocks = await deadlines_of(connection, 3, kinds=KINDS)

    assert [(clock.due_at - NOON, clock.broken_at is not None) for clock in clocks] == [
        (21 * MINUTE, False),
        (15 * MINUTE, True),
    ]
    assert await pool.fetchval("select count(*) from work.event where kind = 'followed'") == 1


async def test_a_handler_is_given_what_was_warned_of(pool: Pool) -> None:
    given: list[tuple[str, int]] = []

    async def note(_connection: Connection, warned: Sequence[Deadline], _now: datetime) -> None:
        given.extend((clock.kind, clock.subject) for clock in warned)

    async with pool.acquire() as connection:
        await start(connection, subject=4, minutes=100, warn_before_s=(300,))
    await watch(pool, NOON + 96 * MINUTE, "answer", answer=ClockHandler(warned=note)).look()

    assert given == [("answer", 4)]


async def test_one_clock_whose_consequence_fails_holds_up_neither_its_kind_nor_another(pool: Pool) -> None:
    async def fails_for_13(_connection: Connection, broken: Sequence[Deadline], _now: datetime) -> None:
        if any(clock.subject == 13 for clock in broken):
            raise ValueError("not this one")

    async with pool.acquire() as connection:
        for subject in range(20):
            await start(connection, subject=subject)
        await start(connection, subject=77, kind="refund_due")
    look = watch(pool, NOON + 16 * MINUTE, answer=ClockHandler(broken=fails_for_13))

    first, again = await look.look(), await look.look()

    assert (first.broken, first.failed, again.broken, again.failed) == (20, 1, 0, 1)
    assert sorted(await about(pool, "deadline_broken")) == [n for n in range(20) if n != 13] + [77]
    assert (await watch(pool, NOON + 16 * MINUTE).look()).broken == 1  # once it is mended


async def test_a_kind_whose_handler_always_fails_holds_up_no_other(pool: Pool) -> None:
    async with pool.acquire() as connection:
        for subject in range(5):
            await start(connection, subject=subject)
            await start(connection, subject=subject, kind="refund_due")

    marked = await watch(pool, NOON + 16 * MINUTE, answer=ClockHandler(broken=fails)).look()

    assert (marked.broken, marked.failed) == (5, 5)
    assert {body["kind"] for *_, body in await told(pool)} == {"refund_due"}
    assert (await watch(pool, NOON + 16 * MINUTE).look()).broken == 5


async def test_a_kind_that_nobody_here_knows_is_left_to_who_knows_it(pool: Pool) -> None:
    async with pool.acquire() as connection:
        await start(connection)

    assert (await watch(pool, NOON + 16 * MINUTE, "refund_due").look()).broken == 0
    assert (await watch(pool, NOON + 16 * MINUTE, "answer").look()).broken == 1


async def test_many_processes_that_look_at_once_mark_each_clock_once(pool: Pool) -> None:
    async with pool.acquire() as connection:
        for subject in range(60):
            await start(connection, subject=subject, minutes=10 + subject, warn_percent=(10,))
    at = NOON + 40 * MINUTE

    looks = await asyncio.gather(*(watch(pool, at, batch=7).look() for _ in range(6)))
    last = await watch(pool, at).look()  # what one passed over because another held it, which then found it done

    assert sum(one.broken for one in looks) + last.broken == 30
    assert sorted(await about(pool, "deadline_broken")) == list(range(30))
    assert sorted(await about(pool, "deadline_warned")) == list(range(30, 60))


async def test_subjects_are_locked_before_clocks_and_those_that_somebody_holds_are_passed_over(
    pool: Pool, connect: Connect, app_dsn: str
) -> None:
    """An agent holds the subject and keeps the clock afterwards: in the other order both would wait for ever."""
    asked: list[list[int]] = []

    async def lock(connection: Connection, subjects: Sequence[int]) -> list[int]:
        asked.append(list(subjects))
        tried = [(one, await connection.fetchval("select pg_try_advisory_xact_lock(77, $1)", one)) for one in subjects]
        return [subject for subject, got in tried if got]

    async with pool.acquire() as connection:
        for subject in (3, 1, 2):
            await start(connection, subject=subject, minutes=subject)
    agent = await connect(app_dsn)
    look = watch(pool, NOON + 16 * MINUTE, "answer", answer=ClockHandler(lock=lock))

    async with agent.transaction():
        await agent.execute("select pg_advisory_xact_lock(77, 2)")
        broken = (await asyncio.wait_for(look.look(), 5)).broken
        kept = await asyncio.wait_for(keep_deadline(agent, kind="answer", subject=2, now=NOON + 16 * MINUTE), 5)

    assert (broken, kept, asked[0]) == (2, True, [1, 2, 3])
    assert (await look.look()).broken == 0
    assert sorted(await about(pool, "deadline_broken")) == [1, 3]


async def test_a_look_reads_a_range_of_the_index_and_never_sorts(pool: Pool, connect: Connect, owner_dsn: str) -> None:
    """Of 50,000 running clocks, with the settings of the application: the index alone, in its order, to the limit."""
    owner = await connect(owner_dsn)
    await owner.execute(
        "insert into work.deadline (kind, subject, audience, policy, opened_at, due_at, warn_at)"
        " select case when n % 2 = 0 then 'answer' else 'refund_due' end, n, 'customer', 'p', $1::timestamptz,"
        "        $1::timestamptz + n * interval '1 s', array[$1::timestamptz] from generate_series(1, 50000) n",
        NOON,
    )
    await owner.execute("vacuum analyze work.deadline")
    query = Queries.load("sahut.work.deadlines").due_clocks
    values = {"kind": "answer", "now": NOON + timedelta(days=9), "after_at": NOON, "after_id": 7, "at_most": 100}

    async with pool.acquire() as connection:
        await connection.execute(f"prepare look as {query.text}")
        given = ", ".join(f"'{values[name]}'" for name in query.parameters)
        rows = await connection.fetch(f"explain (analyze, costs off, timing off) execute look ({given})")
        plan = "\n".join(row[0] for row in rows)
        await connection.execute("deallocate look")

    assert "Index Only Scan using deadline_next" in plan
    assert "Sort" not in plan
    assert "Filter" not in plan, plan
    assert "Heap Fetches: 0" in plan


async def test_the_house_goes_by_the_clock_of_the_database(pool: Pool, connect: Connect, owner_dsn: str) -> None:
    """Whatever the machine shows: the database says that it is a quarter of an hour later."""
    owner, now, looks = await connect(owner_dsn), datetime.now(UTC), []
    async with pool.acquire() as connection:
        await open_deadline(connection, policy=wall(minutes=15), subject=1, opened_at=now)
    for minutes in (14, 16):
        await owner.execute(
            "create or replace function work.clock() returns timestamptz language sql volatile parallel safe"
            f" as $$select timestamptz '{(now + minutes * MINUTE).isoformat()}'$$"
        )
        looks.append((await DeadlineWatch(pool, {"answer": ClockHandler()}).look()).broken)

    assert looks == [0, 1]


async def test_a_look_that_finds_nothing_asks_once_for_each_kind(pool: Pool) -> None:
    sent: list[str] = []
    async with pool.acquire() as connection:
        await start(connection)
    for holder in pool._holders:
        if holder._con is not None:
            holder._con.add_query_logger(lambda query: sent.append(query.query))

    await watch(pool, NOON).look()

    assert len(sent) == len(KINDS)


async def test_the_watch_goes_on_when_its_sessions_were_ended(pool: Pool, connect: Connect, database: Database) -> None:
    async with pool.acquire() as connection:
        await start(connection)
    above = await connect(database.superuser_dsn)
    ended = await above.fetchval(
        "select count(*) from (select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = $1 and pid <> pg_backend_pid()) as ended",
        database.name,
    )
    watching = asyncio.create_task(watch(pool, NOON + 16 * MINUTE).run())

    async def broken() -> bool:
        return bool(await above.fetchval("select count(*) from work.event where kind = 'deadline_broken'"))

    assert ended
    assert await until(broken)
    watching.cancel()
    await asyncio.wait([watching])

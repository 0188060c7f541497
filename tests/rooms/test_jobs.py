"""Durable jobs: once in effect, whatever dies, fails or comes back too late."""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec
import pytest

from sahut.db import Connection, Pool, transaction
from sahut.work import Job, JobKind, JobRow, JobRunner, Retry, enqueue
from sahut.work.jobs.runner import CLAIM_AT_MOST
from tests.rooms.jobs import do, effects, make_due, runner_of
from tests.rooms.world import SOON_S, outcome

MOST_ATTEMPTS = Retry().most_attempts


async def line_up(pool: Pool, *jobs: JobRow, wait_s: float = 0) -> None:
    async with transaction(pool) as connection:
        for job in jobs:
            await enqueue(connection, job, wait_s=wait_s)


async def waiting(pool: Pool) -> Sequence[asyncpg.Record]:
    rows: Sequence[asyncpg.Record] = await pool.fetch(
        "select key, attempts, buried_at, story from work.job order by id"
    )
    return rows


async def test_a_job_is_done_once_and_gone(pool: Pool) -> None:
    await line_up(pool, JobRow("greet", "greet 1", {"to": "Sari"}))
    seen: list[Job] = []

    async def greet(connection: Connection, job: Job) -> None:
        seen.append(job)
        await do(connection, job)

    runner = runner_of(pool, greet)

    assert [await runner.run_due(), await runner.run_due()] == [1, 0]
    assert await effects(pool) == ["greet 1"]
    assert await waiting(pool) == []
    assert [(job.key, job.kind, job.attempts, job.body) for job in seen] == [("greet 1", "greet", 1, {"to": "Sari"})]


async def test_the_same_key_is_one_job_while_it_waits(pool: Pool) -> None:
    async with transaction(pool) as connection:
        first = await enqueue(connection, JobRow("greet", "greet 1", {"to": "Sari"}))
        second = await enqueue(connection, JobRow("greet", "greet 1", {"to": "Budi"}))

    assert (first, second) == (True, False)
    assert await pool.fetchval("select body ->> 'to' from work.job") == "Sari"


async def test_a_job_rides_with_its_transaction(pool: Pool) -> None:
    async def fail() -> None:
        async with transaction(pool) as connection:
            await enqueue(connection, JobRow("greet", "greet 1", {}))
            raise ZeroDivisionError

    assert isinstance(await outcome(fail()), ZeroDivisionError)
    assert await waiting(pool) == []


async def test_two_runners_share_the_work_and_each_job_has_one_effect(pool: Pool, other_pool: Pool) -> None:
    await pool.execute(
        "insert into work.job (kind, key, body) select 'greet', 'greet ' || i, '{}' from generate_series(1, 300) as i"
    )
    runners = [runner_of(pool, do), runner_of(other_pool, do)]

    async def work(runner: JobRunner) -> int:
        claimed = 0
        while due := await runner.run_due():
            assert due <= CLAIM_AT_MOST
            claimed += due
        return claimed

    claimed = await asyncio.gather(*(work(runner) for runner in runners))

    assert sum(claimed) == 300
    assert min(claimed) > 0
    assert sorted(await effects(pool)) == sorted(f"greet {i}" for i in range(1, 301))


@pytest.mark.parametrize("at_once", [1, 3])
async def test_jobs_are_begun_in_order_and_only_so_many_at_once(pool: Pool, at_once: int) -> None:
    await line_up(pool, *(JobRow("greet", f"greet {i}", {}) for i in range(12)))
    begun: list[str] = []
    at_work = most = 0

    async def greet(connection: Connection, job: Job) -> None:
        nonlocal at_work, most
        begun.append(job.key)
        at_work, most = at_work + 1, max(most, at_work + 1)
        await do(connection, job)
        at_work -= 1

    await JobRunner(pool, [JobKind("greet", greet, at_once=at_once)]).run_due()

    assert at_once > 1 or begun == [f"greet {i}" for i in range(12)]
    assert len(set(begun)) == 12
    assert 1 <= most <= at_once


async def test_a_job_whose_lease_was_lost_leaves_no_effect(pool: Pool, other_pool: Pool) -> None:
    """The first runner hangs in the middle of the job; the second claims it anew and finishes first."""
    await line_up(pool, JobRow("greet", "greet 1", {}))
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def hang(connection: Connection, job: Job) -> None:
        await do(connection, job)
        begun.set()
        await go_on.wait()

    hanging = asyncio.create_task(runner_of(pool, hang).run_due())
    await asyncio.wait_for(begun.wait(), SOON_S)
    await make_due(other_pool)
    await runner_of(other_pool, do).run_due()
    go_on.set()
    await asyncio.wait_for(hanging, SOON_S)

    assert [msgspec.json.decode(row[0]) for row in await pool.fetch("select body from work.event")] == [
        {"key": "greet 1", "attempt": 2}
    ]
    assert await waiting(pool) == []


async def test_who_comes_back_while_another_holds_the_newest_claim_may_not_finish(pool: Pool, other_pool: Pool) -> None:
    """Both are in the middle of the job: the row is still there, but the older claim may not take it away."""
    await line_up(pool, JobRow("greet", "greet 1", {}))
    begun = {1: asyncio.Event(), 2: asyncio.Event()}
    go_on = {1: asyncio.Event(), 2: asyncio.Event()}

    async def slow(connection: Connection, job: Job) -> None:
        await do(connection, job)
        begun[job.attempts].set()
        await go_on[job.attempts].wait()

    first = asyncio.create_task(runner_of(pool, slow).run_due())
    await asyncio.wait_for(begun[1].wait(), SOON_S)
    await make_due(other_pool)
    second = asyncio.create_task(runner_of(other_pool, slow).run_due())
    await asyncio.wait_for(begun[2].wait(), SOON_S)

    go_on[1].set()
    await asyncio.wait_for(first, SOON_S)
    assert await effects(pool) == []
    go_on[2].set()
    await asyncio.wait_for(second, SOON_S)

    assert await pool.fetchval("select body ->> 'attempt' from work.event") == "2"


async def test_a_job_that_is_just_being_claimed_is_passed_over_without_waiting(pool: Pool) -> None:
    await line_up(pool, JobRow("greet", "greet 1", {}), JobRow("greet", "greet 2", {}))

    async with transaction(pool) as claiming:
        await claiming.execute("select from work.job where key = 'greet 1' for no key update")
        assert await asyncio.wait_for(runner_of(pool, do).run_due(), 5) == 1

    assert await effects(pool) == ["greet 2"]


async def test_a_claimed_job_is_nobody_elses_until_its_lease_ends(pool: Pool, other_pool: Pool) -> None:
    await line_up(pool, JobRow("greet", "greet 1", {}))
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(connection: Connection, job: Job) -> None:
        begun.set()
        await go_on.wait()
        await do(connection, job)

    working = asyncio.create_task(runner_of(pool, slow).run_due())
    await asyncio.wait_for(begun.wait(), SOON_S)

    assert await runner_of(other_pool, do).run_due() == 0
    left_s = await pool.fetchval("select extract(epoch from run_at - clock_timestamp())::float8 from work.job")
    assert 0 < left_s <= JobKind("greet", do).lease_s
    go_on.set()
    await asyncio.wait_for(working, SOON_S)
    assert await effects(pool) == ["greet 1"]


@pytest.mark.books_may_be_wrong("a buried job waits for a person")
async def test_a_failing_job_waits_longer_each_time_and_is_buried_with_its_story(pool: Pool) -> None:
    await line_up(pool, JobRow("greet", "greet 1", {}))

    async def fail(connection: Connection, job: Job) -> None:
        await do(connection, job)
        raise LookupError(f"nobody is there, try {job.attempts}")

    runner, waits = JobRunner(pool, [JobKind("greet", fail)], chance=lambda: 0.75), []
    while await runner.run_due():
        waits.append(await pool.fetchval("select extract(epoch from run_at - clock_timestamp())::float8 from work.job"))
        await make_due(pool)

    assert len(waits) == MOST_ATTEMPTS == 12
    for attempt, wait_s in enumerate(waits[:-1], start=1):
        longest = min(600.0, 1.0 * 2 ** (attempt - 1))
        assert longest * 0.75 - 1 <= wait_s <= longest * 0.75, (attempt, wait_s)
    (job,) = await waiting(pool)
    story = msgspec.json.decode(job["story"])
    assert job["buried_at"] is not None
    assert len(story) == 10
    assert all(told["error"].startswith("LookupError at test_jobs.py:") for told in story)
    assert "nobody" not in job["story"]
    assert await effects(pool) == []


async def test_a_job_that_failed_once_is_done_the_next_time(pool: Pool) -> None:
    await line_up(pool, JobRow("greet", "greet 1", {}), JobRow("greet", "greet 2", {}))

    async def moody(connection: Connection, job: Job) -> None:
        await do(connection, job)
        if job.key == "greet 1" and job.attempts == 1:
            raise LookupError

    runner = runner_of(pool, moody)
    await runner.run_due()
    assert await effects(pool) == ["greet 2"]
    await make_due(pool)
    await runner.run_due()

    assert await effects(pool) == ["greet 2", "greet 1"]


async def test_a_deadlock_is_nobodys_fault_and_is_tried_again_at_once(pool: Pool) -> None:
    await line_up(pool, JobRow("greet", "greet 1", {}))

    async def deadlocked(connection: Connection, job: Job) -> None:
        raise asyncpg.DeadlockDetectedError("deadlock detected")

    await runner_of(pool, deadlocked).run_due()

    left_s = await pool.fetchval("select extract(epoch from run_at - clock_timestamp())::float8 from work.job")
    assert left_s <= 0.2


@pytest.mark.books_may_be_wrong("a buried job waits for a person")
async def test_jobs_of_unknown_kinds_and_buried_and_later_ones_are_left_alone(pool: Pool) -> None:
    await line_up(pool, JobRow("of_a_newer_program", "new", {}), JobRow("greet", "buried", {}))
    await pool.execute("update work.job set buried_at = clock_timestamp() where key = 'buried'")
    await line_up(pool, JobRow("greet", "later", {}), wait_s=60)

    assert await runner_of(pool, do).run_due() == 0
    assert [(row["key"], row["attempts"]) for row in await waiting(pool)] == [("new", 0), ("buried", 0), ("later", 0)]


async def test_a_job_whose_connection_is_cut_leaves_nothing_and_is_done_later(pool: Pool, database: Any) -> None:
    await line_up(pool, JobRow("greet", "greet 1", {}))

    async def cut(connection: Connection, job: Job) -> None:
        await do(connection, job)
        if job.attempts == 1:
            await connection.execute("select pg_terminate_backend(pg_backend_pid())")

    runner = runner_of(pool, cut)
    assert await runner.run_due() == 1
    assert await effects(pool) == []
    (job,) = await waiting(pool)
    assert (job["attempts"], job["buried_at"]) == (1, None)
    await make_due(pool)
    await runner.run_due()

    assert await effects(pool) == ["greet 1"]


async def test_a_runner_is_woken_and_stops_when_it_is_told_to(pool: Pool) -> None:
    done = asyncio.Event()

    async def greet(connection: Connection, job: Job) -> None:
        await do(connection, job)
        done.set()

    runner = runner_of(pool, greet)
    running = asyncio.create_task(runner.run())
    await line_up(pool, JobRow("greet", "greet 1", {}))
    runner.wake()
    await asyncio.wait_for(done.wait(), SOON_S)

    runner.stop()
    await asyncio.wait_for(running, SOON_S)

    assert await effects(pool) == ["greet 1"]
    assert await waiting(pool) == []


@pytest.mark.books_may_be_wrong("a buried job waits for a person")
async def test_a_job_that_ends_its_process_again_and_again_is_buried(pool: Pool) -> None:
    """Nobody comes back to tell; the count of its claims does."""
    await line_up(pool, JobRow("greet", "greet 1", {}))
    await pool.execute("update work.job set attempts = $1", MOST_ATTEMPTS)

    await runner_of(pool, do).run_due()

    (job,) = await waiting(pool)
    assert job["buried_at"] is not None
    assert "ProcessLost" in job["story"]
    assert await effects(pool) == []

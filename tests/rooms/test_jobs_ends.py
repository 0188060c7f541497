"""How a try ends: done, not yet, failed, too long, lost, withdrawn, given back; never twice in effect."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sahut.db import Connection, Pool, open_pool, transaction
from sahut.work import (
    Job,
    JobHandler,
    JobKind,
    JobRow,
    JobRunner,
    Retry,
    RetryAfter,
    enqueue_all,
    enqueue_at,
    reschedule,
    withdraw,
)
from tests.rooms.jobs import Gate, do, due_in_s, effects, left, line_up, make_due, runner_of, running
from tests.rooms.world import SOON_S, until, until_somebody_waits

BURIED = pytest.mark.books_may_be_wrong("a buried job waits for a person")


async def test_a_job_may_wait_for_days(pool: Pool) -> None:
    run_at = datetime.now(UTC) + timedelta(days=7)
    async with transaction(pool) as connection:
        assert await enqueue_at(connection, JobRow("greet", "greet 1", {}), run_at=run_at)
        assert not await enqueue_at(connection, JobRow("greet", "greet 1", {}), run_at=datetime.now(UTC))

    assert await runner_of(pool, do).run_due() == 0
    assert (await left(pool))["greet 1"]["run_at"] == run_at
    await pool.execute("update work.job set run_at = run_at - interval '7 days'")
    assert await runner_of(pool, do).run_due() == 1


@pytest.mark.parametrize("fails", [False, True])
async def test_a_job_that_was_lost_with_its_server_ends_no_other_that_bears_its_id(
    pool: Pool, owner: Any, fails: bool
) -> None:
    """As after a standby took over that had neither: ids go on from where the standby knew."""

    async def lose_it(connection: Connection, job: Job) -> None:
        await do(connection, job)
        await owner.execute("delete from work.job")
        await owner.execute(
            "insert into work.job (id, kind, key, body, attempts) overriding system value"
            " values ($1, 'greet', 'another', '{}', 1)",
            job.id,
        )
        if fails:
            raise ValueError

    await line_up(pool, "greet", ["greet 1"])
    await runner_of(pool, lose_it).run_due()

    rows = await left(pool)
    assert list(rows) == ["another"]
    assert rows["another"]["story"] == "[]"
    assert await effects(pool) == []
    await pool.execute("delete from work.job")


async def test_a_moment_without_a_time_zone_is_none(pool: Pool) -> None:
    async with pool.acquire() as connection:
        with pytest.raises(AssertionError):
            await enqueue_at(connection, JobRow("greet", "greet 1", {}), run_at=datetime(2030, 1, 1))  # noqa: DTZ001


async def test_many_are_put_in_line_by_one_statement_and_those_that_wait_already_stay(pool: Pool) -> None:
    async with transaction(pool) as connection:
        first = await enqueue_all(connection, [JobRow("greet", f"greet {i}", {"round": 1}) for i in range(3)])
        again = await enqueue_all(connection, [JobRow("greet", f"greet {i}", {"round": 2}) for i in range(1, 6)])
        none = await enqueue_all(connection, [])
        later = await enqueue_all(connection, [JobRow("greet", "later", {})], wait_s=60)

    assert (first, again, none, later) == (3, 3, 0, 1)
    assert [
        row[0]
        for row in await pool.fetch("select (body ->> 'round')::int from work.job where key <> 'later' order by key")
    ] == [1, 1, 1, 2, 2, 2]
    assert await runner_of(pool, do).run_due() == 6


async def test_two_that_put_the_same_jobs_in_line_the_other_way_round_do_not_block_each_other(pool: Pool) -> None:
    jobs = [JobRow("greet", f"greet {i:04}", {}) for i in range(400)]

    async def put(these: list[JobRow]) -> int:
        async with transaction(pool) as connection:
            return await enqueue_all(connection, these)

    for _ in range(5):
        new = await asyncio.gather(*(put(these) for these in (jobs, jobs[::-1], jobs, jobs[::-1])))
        assert sum(new) == 400
        await pool.execute("delete from work.job")


async def test_a_job_knows_the_trace_of_what_it_follows_from(pool: Pool) -> None:
    traces: list[str | None] = []
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    async def look(connection: Connection, job: Job) -> None:
        traces.append(job.traceparent)

    async with transaction(pool) as connection:
        await connection.execute("select set_config('sahut.traceparent', $1, true)", parent)
        await enqueue_all(connection, [JobRow("greet", "greet 1", {})])
    await line_up(pool, "greet", ["greet 2"])

    await runner_of(pool, look, at_once=1).run_due()

    assert traces == [parent, None]


async def test_not_yet_is_asked_again_later_and_is_no_failure(pool: Pool) -> None:
    async def not_yet(connection: Connection, job: Job) -> None:
        await do(connection, job)
        if job.attempts <= 20:
            raise RetryAfter(40)

    await line_up(pool, "greet", ["greet 1"])
    runner = runner_of(pool, not_yet, retry=Retry(most_attempts=1))
    for _ in range(20):
        await runner.run_due()
        assert 30 < await due_in_s(pool, "greet 1") <= 40
        await make_due(pool)
    (job,) = (await left(pool)).values()
    await runner.run_due()

    assert (job["attempts"], job["forgiven"], job["story"], job["held_by"]) == (20, 20, "[]", None)
    assert await effects(pool) == ["greet 1"]


@BURIED
async def test_not_yet_for_ever_ends(pool: Pool) -> None:
    async def never(connection: Connection, job: Job) -> None:
        raise RetryAfter(0)

    await line_up(pool, "greet", ["greet 1"])
    runner = runner_of(pool, never, retry=Retry(most_waits=3, most_attempts=2))
    rounds = 0
    while await runner.run_due():
        rounds += 1
        await make_due(pool)

    assert rounds == 5
    assert (await left(pool))["greet 1"]["buried_at"] is not None


async def test_a_try_that_takes_too_long_is_cancelled_undone_and_tried_again(pool: Pool) -> None:
    async def slow_at_first(connection: Connection, job: Job) -> None:
        await do(connection, job)
        if job.attempts == 1:
            await asyncio.Event().wait()

    await line_up(pool, "greet", ["greet 1"])
    runner = runner_of(pool, slow_at_first, within_s=0.05)

    await asyncio.wait_for(runner.run_due(), SOON_S)
    (job,) = (await left(pool)).values()
    assert await effects(pool) == []
    assert "TimeoutError" in job["story"]
    await make_due(pool)
    await runner.run_due()

    assert await effects(pool) == ["greet 1"]


async def test_a_statement_that_takes_too_long_ends_too(pool: Pool) -> None:
    async def slow_at_first(connection: Connection, job: Job) -> None:
        await do(connection, job)
        if job.attempts == 1:
            await connection.execute("select pg_sleep(60)")

    await line_up(pool, "greet", ["greet 1"])
    runner = runner_of(pool, slow_at_first, within_s=0.05)

    await asyncio.wait_for(runner.run_due(), SOON_S)
    await make_due(pool)
    await asyncio.wait_for(runner.run_due(), SOON_S)

    assert await effects(pool) == ["greet 1"]


async def test_a_lease_is_renewed_while_the_job_runs(pool: Pool) -> None:
    slow = Gate()
    await line_up(pool, "greet", ["greet 1"])
    working = asyncio.create_task(runner_of(pool, slow, lease_s=0.3).run_due())
    await slow.until_begun()
    first = (await left(pool))["greet 1"]["run_at"]

    async def renewed_often() -> bool:
        return (await left(pool))["greet 1"]["run_at"] > first + timedelta(seconds=0.6)

    await until(renewed_often)
    slow.go_on.set()
    await working

    assert await effects(pool) == ["greet 1"]


async def test_a_process_whose_loop_is_blocked_loses_its_claim_and_changes_nothing(app_dsn: str, pool: Pool) -> None:
    """No lease can be renewed and no time limit falls while a handler blocks the loop; the fence needs neither."""

    def in_another_process() -> None:
        async def work() -> None:
            other = await open_pool(app_dsn, size=4, name="sahut-other")
            await make_due(other)
            assert await runner_of(other, do).run_due() == 1
            await other.close()

        asyncio.run(work())

    async def block(connection: Connection, job: Job) -> None:
        await do(connection, job)
        beside = threading.Thread(target=in_another_process)
        beside.start()
        beside.join(SOON_S)

    await line_up(pool, "greet", ["greet 1"])

    await runner_of(pool, block).run_due()

    assert await pool.fetchval("select string_agg(body ->> 'attempt', ' ') from work.event") == "2"
    assert await left(pool) == {}


async def test_what_the_outside_answered_is_written_down_in_one_transaction_afterwards(pool: Pool) -> None:
    inside: list[bool] = []

    async def ask(job: Job) -> JobHandler:
        in_transactions = (
            "select count(*) from pg_stat_activity where datname = current_database() and state like 'idle in%'"
        )
        inside.append(bool(await pool.fetchval(in_transactions)))
        if job.attempts == 1:
            raise ConnectionResetError
        return do

    await line_up(pool, "greet", ["greet 1"])
    runner = JobRunner(pool, [JobKind("greet", outside=ask)])

    await runner.run_due()
    assert "ConnectionResetError" in (await left(pool))["greet 1"]["story"]
    await make_due(pool)
    await runner.run_due()

    assert inside == [False, False]
    assert await effects(pool) == ["greet 1"]


@pytest.mark.parametrize("change", ["withdraw", "reschedule"])
async def test_who_runs_while_the_job_is_taken_out_of_line_has_no_effect(pool: Pool, change: str) -> None:
    slow, later = Gate(), datetime.now(UTC) + timedelta(days=1)
    await line_up(pool, "greet", ["greet 1"])
    working = asyncio.create_task(runner_of(pool, slow).run_due())
    await slow.until_begun()

    async with transaction(pool) as connection:
        if change == "withdraw":
            assert await withdraw(connection, "greet 1")
        else:
            assert await reschedule(connection, "greet 1", run_at=later)
    slow.go_on.set()
    await working

    assert await effects(pool) == []
    assert [(key, row["run_at"], row["attempts"] - row["forgiven"]) for key, row in (await left(pool)).items()] == (
        [] if change == "withdraw" else [("greet 1", later, 1)]
    )


async def test_withdrawing_waits_for_a_run_that_is_just_committing(pool: Pool, other_pool: Pool) -> None:
    """It is done then, and the answer says so."""
    await line_up(pool, "greet", ["greet 1"])
    async with transaction(other_pool) as connection:
        await connection.execute("delete from work.job where key = 'greet 1'")

        async def take_out() -> bool:
            async with transaction(pool) as mine:
                return await withdraw(mine, "greet 1")

        withdrawing = asyncio.create_task(take_out())
        await until_somebody_waits(other_pool)

    assert await withdrawing is False


async def test_what_is_not_in_line_is_neither_withdrawn_nor_moved(pool: Pool) -> None:
    async with transaction(pool) as connection:
        assert not await withdraw(connection, "greet 1")
        assert not await reschedule(connection, "greet 1", run_at=datetime.now(UTC))


async def test_a_commit_of_which_nobody_heard_is_not_done_again(pool: Pool) -> None:
    """The connection breaks after the commit and before its answer."""

    class Deaf(Exception):
        """The answer to the commit did not arrive."""

    async def cut_off(connection: Connection, job: Job) -> None:
        await do(connection, job)
        await connection.execute("delete from work.job where id = $1 and attempts = $2", job.id, job.attempts)
        await connection.execute("commit")
        raise Deaf

    await line_up(pool, "greet", ["greet 1"])
    runner = runner_of(pool, cut_off)

    assert [await runner.run_due(), await runner.run_due()] == [1, 0]

    assert await effects(pool) == ["greet 1"]
    assert await left(pool) == {}


async def test_what_a_lost_connection_left_undone_comes_back_with_its_lease(pool: Pool) -> None:
    async def cut_off(connection: Connection, job: Job) -> None:
        await do(connection, job)
        if job.attempts == 1:
            await connection.execute("select pg_terminate_backend(pg_backend_pid())")

    await line_up(pool, "greet", ["greet 1"])

    async def done() -> bool:
        return await effects(pool) == ["greet 1"]

    async with running(runner_of(pool, cut_off, lease_s=0.3)):
        await until(done)

    assert await pool.fetchval("select body ->> 'attempt' from work.event") == "2"


@BURIED
async def test_a_step_that_breaks_its_connection_each_time_comes_to_its_end(pool: Pool) -> None:
    async def cut_off(connection: Connection, job: Job) -> None:
        await connection.execute("select pg_terminate_backend(pg_backend_pid())")

    await line_up(pool, "greet", ["greet 1"])
    runner, rounds = runner_of(pool, cut_off, retry=Retry(most_attempts=3)), 0
    while await runner.run_due():
        rounds += 1
        await make_due(pool)

    assert rounds == 4
    assert "ProcessLost" in (await left(pool))["greet 1"]["story"]


@pytest.mark.books_may_be_wrong("rows that nobody of ours wrote stay")
@pytest.mark.parametrize(
    "odd", ["run_at = '-infinity'", "attempts = 2147483647, run_at = work.clock()", "story = '\"x\"'"]
)
async def test_a_row_that_nobody_of_ours_wrote_stops_no_other(pool: Pool, odd: str) -> None:
    """Whoever has the application's password can write it once; it must not end every runner from then on."""

    async def fails_oddly(connection: Connection, job: Job) -> None:
        if job.key == "odd":
            raise ValueError
        await do(connection, job)

    await line_up(pool, "greet", ["odd"])
    await pool.execute(f"update work.job set {odd}")
    await line_up(pool, "greet", ["good"])
    async with running(runner_of(pool, fails_oddly)) as working:

        async def good_is_done() -> bool:
            return await effects(pool) == ["good"]

        await until(good_is_done)
        assert not working.done()
    assert "odd" in await left(pool)

"""Nobody waits behind another kind: not behind its backlog, its hanging handlers, or what nobody knows."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence

import pytest

from sahut.db import Connection, Pool, open_pool
from sahut.work import Job, JobKind, JobRunner, connections_for, forgotten_kinds, jobs_by_kind
from tests.rooms.jobs import Gate, do, do_all, effects, left, line_up, running
from tests.rooms.world import until

MANY = 60_000


@pytest.fixture
async def foreign_backlog(pool: Pool) -> Pool:
    """Due since yesterday, of a kind that nobody here knows."""
    await pool.execute(
        "insert into work.job (kind, key, body, run_at) select 'of_another', 'of_another ' || i, '{}',"
        " clock_timestamp() - interval '2 days' from generate_series(1, $1::int) as i",
        MANY,
    )
    return pool


@pytest.fixture
async def small_pool(app_dsn: str) -> AsyncIterator[Pool]:
    opened = await open_pool(app_dsn, size=connections_for([JobKind("hang", do), JobKind("greet", do)]), name="small")
    yield opened
    await asyncio.wait_for(opened.close(), 10)


async def test_a_claim_never_looks_at_a_backlog_of_other_kinds(foreign_backlog: Pool, owner_dsn: str) -> None:
    """The plan and the pages that it touches, not the time."""
    await line_up(foreign_backlog, "greet", [f"greet {i}" for i in range(5)])
    from sahut.work.jobs.claims import _queries

    async with foreign_backlog.acquire() as connection, connection.transaction():
        statement = await connection.prepare(f"explain (analyze, buffers, format json) {_queries.claim_jobs.text}")
        told = json.loads(await statement.fetchval(["greet", "wave"], [50, 50], [5.0, 5.0], "test"))[0]["Plan"]
        next_due = await connection.prepare(f"explain (analyze, buffers, format json) {_queries.next_job_in.text}")
        told_next = json.loads(await next_due.fetchval(["greet", "wave"]))[0]["Plan"]

    assert told["Actual Rows"] == 5
    assert told["Shared Hit Blocks"] + told["Shared Read Blocks"] < 150
    assert told_next["Shared Hit Blocks"] + told_next["Shared Read Blocks"] < 50
    nodes = list(_nodes(told)) + list(_nodes(told_next))
    assert not [node["Node Type"] for node in nodes if node["Node Type"] in ("Seq Scan", "Bitmap Heap Scan", "Sort")]
    assert {node["Index Name"] for node in nodes if "Index Name" in node} == {"job_due_of_kind", "job_pkey"}


async def test_jobs_that_this_release_does_not_know_stay_and_are_named(foreign_backlog: Pool) -> None:
    runner = JobRunner(foreign_backlog, [JobKind("greet", do)])

    assert await runner.run_due() == 0

    assert await foreign_backlog.fetchval("select max(attempts) from work.job") == 0
    async with foreign_backlog.acquire() as connection:
        kinds = await jobs_by_kind(connection)
    assert [(one.kind, one.due, one.running, one.buried) for one in kinds] == [("of_another", MANY, 0, 0)]
    assert forgotten_kinds(kinds, {"greet"}) == [
        f"{MANY} jobs of the kind of_another are due, and this release does not know it; the oldest for 2 days."
    ]
    assert forgotten_kinds(kinds, {"greet", "of_another"}) == []


async def test_a_job_waits_across_releases_until_one_knows_it(pool: Pool) -> None:
    await line_up(pool, "follow_up", ["follow_up 1"])
    older, newer = JobRunner(pool, [JobKind("greet", do)]), JobRunner(pool, [JobKind("follow_up", do)])

    assert [await older.run_due(), await newer.run_due()] == [0, 1]

    assert await effects(pool) == ["follow_up 1"]


async def test_a_kind_whose_handlers_hang_keeps_no_other_waiting(pool: Pool, small_pool: Pool) -> None:
    hanging = Gate()
    await line_up(pool, "hang", [f"hang {i:03}" for i in range(200)])
    runner = JobRunner(small_pool, [JobKind("hang", hanging), JobKind("greet", do)])

    async with running(runner, drain_s=0):
        await hanging.until_begun(4)
        await line_up(pool, "greet", [f"greet {i}" for i in range(50)])

        async def all_greeted() -> bool:
            return len(await effects(pool)) == 50

        await until(all_greeted)

    assert len(hanging.begun) == 4


async def test_a_process_takes_no_more_than_its_lanes_can_begin(pool: Pool) -> None:
    """The others are there for those whose lanes are free."""
    slow = Gate()
    await line_up(pool, "greet", [f"greet {i:03}" for i in range(20)])

    async with running(JobRunner(pool, [JobKind("greet", slow, at_once=2)]), drain_s=0):
        await slow.until_begun(2)
        assert await JobRunner(pool, [JobKind("greet", do)]).run_due() == 18

    assert sorted(await effects(pool)) == [f"greet {i:03}" for i in range(2, 20)]


async def test_what_does_not_begin_in_time_goes_to_others_and_has_not_failed(pool: Pool) -> None:
    slow = Gate()
    await line_up(pool, "greet", [f"greet {i}" for i in range(4)])
    working = asyncio.create_task(JobRunner(pool, [JobKind("greet", slow, at_once=1, lease_s=1.0)]).run_due())
    await slow.until_begun()

    async def others_may_have_them() -> bool:
        return [row["forgiven"] for row in (await left(pool)).values()] == [0, 1, 1, 1]

    await until(others_may_have_them)
    assert await JobRunner(pool, [JobKind("greet", do)]).run_due() == 3
    slow.go_on.set()
    await working

    assert sorted(await effects(pool)) == [f"greet {i}" for i in range(4)]


async def test_a_batch_is_one_call_one_commit_and_each_key_in_order(pool: Pool) -> None:
    calls: list[list[str]] = []

    async def greet_all(connection: Connection, jobs: Sequence[Job]) -> None:
        calls.append([job.key for job in jobs])
        await do_all(connection, jobs)

    await line_up(pool, "greet", [f"greet {i:02}" for i in range(30)])
    await pool.execute("update work.job set run_at = run_at - make_interval(secs => id)")

    await JobRunner(pool, [JobKind("greet", handle_many=greet_all, together=20, at_once=1)]).run_due()

    assert calls == [[f"greet {i:02}" for i in range(10, 30)], [f"greet {i:02}" for i in range(10)]]
    assert await pool.fetchval("select count(distinct xmin::text) from work.event") == 2
    assert len(await effects(pool)) == 30


@pytest.mark.parametrize("together", [1, 4, 50])
async def test_one_that_fails_in_a_batch_takes_none_of_the_others_with_it(pool: Pool, together: int) -> None:
    async def greet_all(connection: Connection, jobs: Sequence[Job]) -> None:
        await do_all(connection, jobs)
        if any(job.key == "greet 07" for job in jobs):
            raise LookupError

    await line_up(pool, "greet", [f"greet {i:02}" for i in range(20)])

    await JobRunner(pool, [JobKind("greet", handle_many=greet_all, together=together)]).run_due()

    assert sorted(await effects(pool)) == [f"greet {i:02}" for i in range(20) if i != 7]
    (job,) = (await left(pool)).values()
    assert (job["key"], job["attempts"], job["forgiven"]) == ("greet 07", 1, 0)
    assert "LookupError" in job["story"]


async def test_a_batch_of_which_somebody_else_has_one_now_changes_nothing_for_it(pool: Pool) -> None:
    """The others of the batch are done, one by one."""

    async def greet_all(connection: Connection, jobs: Sequence[Job]) -> None:
        await do_all(connection, jobs)
        if len(jobs) > 1:
            await pool.execute("update work.job set attempts = attempts + 1 where key = 'greet 2'")

    await line_up(pool, "greet", [f"greet {i}" for i in range(5)])

    await JobRunner(pool, [JobKind("greet", handle_many=greet_all, together=5)]).run_due()

    assert sorted(await effects(pool)) == ["greet 0", "greet 1", "greet 3", "greet 4"]
    assert [(row["key"], row["attempts"]) for row in (await left(pool)).values()] == [("greet 2", 2)]


async def test_a_full_line_is_claimed_again_without_waiting(pool: Pool) -> None:
    """More than any claim takes, of two kinds, by one that sleeps when there is nothing to do."""
    await line_up(pool, "greet", [f"greet {i:04}" for i in range(700)])
    await line_up(pool, "wave", [f"wave {i:04}" for i in range(700)])
    runner = JobRunner(pool, [JobKind("greet", do, at_once=2), JobKind("wave", handle_many=do_all, together=10)])

    async def none_is_left() -> bool:
        return not await pool.fetchval("select exists (select from work.job)")

    async with running(runner):
        await until(none_is_left)

    done = await effects(pool)
    assert len(done) == len(set(done)) == 1_400


def _nodes(plan: dict[str, object]) -> list[dict[str, object]]:
    below = plan.get("Plans", [])
    assert isinstance(below, list)
    return [plan, *(node for child in below for node in _nodes(child))]


def test_the_pool_has_a_connection_for_each_lane() -> None:
    assert connections_for([JobKind("greet", do, at_once=3), JobKind("wave", do, at_once=5)]) == 10

"""What a step costs, counted and not timed: statements that are sent, and commits."""

import pytest

from sahut.db import Connection, Pool
from sahut.work import Job, JobKind, JobRunner
from tests.rooms.conftest import Connect
from tests.rooms.jobs import do_all, line_up
from tests.rooms.world import CountingPool


async def one_statement(connection: Connection, job: Job) -> None:
    await connection.execute("select set_config('sahut.effect', $1, true)", job.key)


def kinds_of(statements: list[str]) -> list[str]:
    """What each statement is for."""
    known = {"BEGIN;": "begin", "COMMIT;": "commit"}
    found = []
    for statement in statements:
        if statement in known:
            found.append(known[statement])
        elif "update work.job j set run_at" in statement and "attempts + 1" in statement:
            found.append("claim")
        else:
            found.append("finish" if "delete from work.job" in statement else "its own")
    return found


async def test_a_step_alone_is_three_statements_beside_its_own_and_its_claim_is_shared(
    pool: Pool, app_dsn: str, connect: Connect
) -> None:
    counting = CountingPool(await connect(app_dsn))
    runner = JobRunner(counting, [JobKind("greet", one_statement, at_once=1)])  # type: ignore[arg-type]
    await line_up(pool, "greet", ["greet"])
    await runner.run_due()  # the driver asks for the types once
    counting.statements.clear()
    await line_up(pool, "greet", [f"greet {i:02}" for i in range(10)])

    assert await runner.run_due() == 10

    assert kinds_of(counting.statements) == ["claim", *["begin", "its own", "finish", "commit"] * 10]


@pytest.mark.parametrize("count", [2, 500])
async def test_a_batch_is_three_statements_beside_its_own_however_large(
    pool: Pool, app_dsn: str, connect: Connect, count: int
) -> None:
    counting = CountingPool(await connect(app_dsn))
    kind = JobKind("greet", handle_many=do_all, together=500, at_once=1)
    runner = JobRunner(counting, [kind])  # type: ignore[arg-type]
    (line,) = runner._lines.values()
    await line_up(pool, "greet", ["greet"])
    await runner.run_due()  # the driver asks for the types once
    counting.statements.clear()
    await line_up(pool, "greet", [f"greet {i:03}" for i in range(count)])

    assert await runner._claim([(line, 500)]) == count
    while lanes := runner._lanes():
        await next(iter(lanes))

    assert kinds_of(counting.statements) == ["claim", "begin", "its own", "finish", "commit"]
    assert await pool.fetchval("select count(*) from work.event") == count + 1


async def test_a_claim_does_not_wait_for_the_disk(pool: Pool) -> None:
    """It may be lost with the server, and nothing with it; the finish waits, since it says that something is done."""
    from sahut.work.jobs.claims import _queries

    await line_up(pool, "greet", ["greet 1"])
    async with pool.acquire() as connection, connection.transaction():
        await _queries.claim_jobs.fetch(connection, kinds=["greet"], at_most=[1], leases_s=[5.0], held_by="test")
        assert await connection.fetchval("show synchronous_commit") == "off"
    async with pool.acquire() as connection, connection.transaction():
        await _queries.finish_jobs.execute(connection, ids=[1], attempts=[1], keys=["greet 1"])
        assert await connection.fetchval("show synchronous_commit") == "on"

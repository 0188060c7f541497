"""The end of a process: what runs may finish, the rest is others' at once, and a kill costs a lease."""

import asyncio

import asyncpg
import pytest

from sahut.db import Connection, Pool
from sahut.work import Job
from tests.conftest import Database
from tests.rooms.jobs import Gate, do, effects, left, line_up, runner_of
from tests.rooms.world import SOON_S


async def test_what_runs_may_finish_and_what_waits_goes_to_others_at_once(pool: Pool, other_pool: Pool) -> None:
    slow = Gate()
    await line_up(pool, "greet", [f"greet {i}" for i in range(6)])
    runner = runner_of(pool, slow, at_once=1, together=2)
    ending = asyncio.create_task(runner.run(drain_s=SOON_S))
    await slow.until_begun()

    runner.stop()
    others = runner_of(other_pool, do)
    taken = 0
    async with asyncio.timeout(SOON_S):
        while taken < 4:
            taken += await others.run_due()
    slow.go_on.set()
    await asyncio.wait_for(ending, SOON_S)

    assert sorted(await effects(pool)) == [f"greet {i}" for i in range(6)]
    assert await left(pool) == {}


async def test_what_does_not_finish_in_time_is_undone_and_others_have_it_at_once(pool: Pool, other_pool: Pool) -> None:
    hanging = Gate()
    await line_up(pool, "greet", ["greet 1", "greet 2", "greet 3"])
    runner = runner_of(pool, hanging, at_once=2)
    ending = asyncio.create_task(runner.run(drain_s=0.01))
    await hanging.until_begun(2)

    runner.stop()
    await asyncio.wait_for(ending, SOON_S)
    told = [(row["attempts"] - row["forgiven"], row["held_by"]) for row in (await left(pool)).values()]

    assert await effects(pool) == []
    assert told == [(0, None)] * 3
    assert await runner_of(other_pool, do).run_due() == 3
    assert sorted(await effects(pool)) == ["greet 1", "greet 2", "greet 3"]


async def test_a_runner_that_is_cancelled_gives_back_too(pool: Pool) -> None:
    hanging = Gate()
    await line_up(pool, "greet", ["greet 1"])
    working = asyncio.create_task(runner_of(pool, hanging).run())
    await hanging.until_begun()

    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working

    assert await effects(pool) == []
    assert await runner_of(pool, do).run_due() == 1


async def test_a_handler_that_will_not_be_cancelled_does_not_keep_the_process(pool: Pool) -> None:
    begun, never = asyncio.Event(), asyncio.Event()

    async def stubborn(connection: Connection, job: Job) -> None:
        begun.set()
        for _ in range(2):
            try:
                await never.wait()
            except asyncio.CancelledError:
                continue

    await line_up(pool, "greet", ["greet 1"])
    runner = runner_of(pool, stubborn)
    ending = asyncio.create_task(runner.run(drain_s=0))
    await asyncio.wait_for(begun.wait(), SOON_S)

    runner.stop()
    await asyncio.wait_for(ending, SOON_S)
    never.set()

    assert await pool.fetchval("select run_at <= clock_timestamp() from work.job")


async def test_a_process_that_was_killed_costs_a_lease(pool: Pool, other_pool: Pool) -> None:
    hanging = Gate()
    await line_up(pool, "greet", ["greet 1"])
    working = asyncio.create_task(runner_of(pool, hanging, lease_s=0.5).run_due())
    await hanging.until_begun()
    pool.terminate()  # nothing of it is heard again: neither an end nor a renewal
    others = runner_of(other_pool, do)

    async with asyncio.timeout(SOON_S):
        while not await others.run_due():
            await asyncio.sleep(0.02)
    hanging.go_on.set()
    await asyncio.wait({working})

    assert await effects(other_pool) == ["greet 1"]
    assert await other_pool.fetchval("select body ->> 'attempt' from work.event") == "2"


async def test_a_runner_that_cannot_do_its_own_work_ends_with_the_error(pool: Pool, database: Database) -> None:
    """`up` sees it and starts another; a silent one would look like nothing to do."""
    owner = await asyncpg.connect(database.owner_dsn)
    await owner.execute("alter table work.job rename to gone")

    with pytest.raises(asyncpg.UndefinedTableError):
        await asyncio.wait_for(runner_of(pool, do).run(), SOON_S)

    await owner.execute("alter table work.gone rename to job")
    await owner.close()


@pytest.mark.slow
async def test_leases_that_cannot_be_renewed_end_the_runner_too(pool: Pool, database: Database) -> None:
    hanging = Gate()
    await line_up(pool, "greet", ["greet 1"])
    working = asyncio.create_task(runner_of(pool, hanging, lease_s=0.3).run())
    await hanging.until_begun()
    owner = await asyncpg.connect(database.owner_dsn)
    await owner.execute("revoke update on work.job from sahut_app")

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncio.wait_for(working, SOON_S)

    await owner.close()

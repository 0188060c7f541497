"""The sweep: what the sealer has passed over is found, numbered, and told."""

from datetime import UTC, datetime

import pytest

from sahut.db import Pool
from sahut.work import (
    Sealer,
    Signer,
    lost_events,
    prove_inclusion,
    sweep,
)
from tests.rooms.conftest import Connect
from tests.rooms.log import clean, numbered, seal_all, tell


@pytest.mark.books_may_be_wrong("an alarm stays in the log")
async def test_the_sweep_finds_what_the_sealer_has_passed_over_and_it_is_numbered_with_an_alarm(
    pool: Pool, sealer: Sealer, connect: Connect, owner_dsn: str, app_dsn: str, signer: Signer
) -> None:
    await tell(pool, "seen")
    await sealer.tick()
    owner = await connect(owner_dsn)
    await owner.execute("update work.head set seen = seen + 2")  # as if two had been taken for dead
    await tell(pool, "lost one", "lost two", "after")
    await pool.execute("select pg_terminate_backend(pid) from pg_stat_activity"
                       " where application_name = 'sahut-test-sealer' and datname = current_database()")  # fmt: skip
    after = Sealer(await connect(app_dsn), signer, None)
    await after.wait_for_turn()
    await after.tick()
    assert await numbered(pool) == ["seen", "after"]

    async with pool.acquire() as connection:
        lost = await lost_events(connection, above=0, upto=10**9)
        found = await sweep(connection)
    after.expect(found)
    after.expect(found)
    await after.tick()

    names = await numbered(pool)
    assert names[:4] == ["seen", "after", "lost one", "lost two"]
    assert found == lost
    alarms = await pool.fetch(
        "select topic, (body ->> 'event')::bigint from work.event where topic = 'alarm' order by id"
    )
    assert [row[1] for row in alarms] == found
    async with pool.acquire() as connection:
        assert await sweep(connection) == []


async def test_the_sweep_finds_nothing_where_nothing_is_lost(
    pool: Pool, sealer: Sealer, connect: Connect, app_dsn: str
) -> None:
    """Neither what is not numbered yet, nor what the sealer waits for, nor what was rolled back."""
    slow = await connect(app_dsn)
    open_one = slow.transaction()
    await open_one.start()
    await tell(slow, "slow")
    await tell(pool, "first")
    await sealer.tick()
    await tell(pool, "not yet")

    async with pool.acquire() as connection:
        assert await sweep(connection) == []
    await open_one.rollback()
    async with pool.acquire() as connection:
        assert await sweep(connection) == []
    assert await pool.fetchval("select count(*) from work.event where topic = 'alarm'") == 0


@pytest.mark.books_may_be_wrong("forged events stand in the log")
async def test_a_forged_id_neither_stops_the_sealer_nor_takes_the_place_of_an_event(
    pool: Pool, sealer: Sealer, signer: Signer
) -> None:
    """Whoever has the application's password may name an id that another event has, for all time."""
    forge = (
        "insert into work.event (id, topic, subject, kind, body)"
        " select $1, 'x', 1, 'forged', '{}' from generate_series(1, $2)"
    )
    await tell(pool, "one", "two", "three")
    await seal_all(sealer)
    await pool.execute(forge, 2, 1)
    async with pool.acquire() as connection:
        sealer.expect(await sweep(connection))
        await seal_all(sealer)
        await sealer.sign(datetime.now(UTC))
        proof = await prove_inclusion(connection, 2)

    assert proof is not None
    assert "two" in proof.leaf
    assert "Event 2 bears more than one number: somebody has forged an id." in await clean(pool, signer)
    drawn = await pool.fetchval("select nextval('work.event_id')")
    await pool.execute(forge, drawn, 2)
    await seal_all(sealer)
    assert f"Event {drawn} bears more than one number: somebody has forged an id." in await clean(pool, signer)

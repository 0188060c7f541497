"""The sweep: what the sealer has passed over is found, numbered, and told."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sahut.db import Pool, open_connection
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


@pytest.mark.books_may_be_wrong("a forged head stands in the log")
async def test_a_forged_head_stands_before_no_other(pool: Pool, app_dsn: str, signer: Signer, tmp_path: Path) -> None:
    """Heads are never taken away: one that covers everything would be given to each proof, and end the publishing."""
    connection = await open_connection(app_dsn, name="sahut-test-sealer")
    sealer = Sealer(connection, signer, tmp_path)
    await sealer.wait_for_turn()
    await pool.execute(
        "insert into work.signed_head (signed_at, n, root, key_id, signature)"
        " values ('infinity', 9223372036854775807, '', 'k', decode(repeat('00', 64), 'hex'))"
    )
    await tell(pool, "one", "two")
    await seal_all(sealer)
    now = datetime.now(UTC)
    await sealer.sign(now)
    await tell(pool, "three")
    await seal_all(sealer)
    await sealer.sign(now + timedelta(minutes=2))
    proof = await prove_inclusion(connection, 1)
    connection.terminate()

    assert proof is not None
    published = [line for path in sorted(tmp_path.glob("*.jsonl")) for line in path.read_text().splitlines()]
    assert [json.loads(line)["n"] for line in published] == [2, 3]

"""A long writing transaction keeps every gap alive: ticks then touch what has changed, not all of them."""

import asyncpg

from sahut.db import Pool, open_connection
from sahut.work import Sealer, Signer, read_log
from sahut.work.log.sealer import GAPS_AT_ONCE
from tests.conftest import Database
from tests.rooms.conftest import Connect
from tests.rooms.log import clean, write

GAPS = 3_000
# Every second id is drawn and never used, as after a rollback.
HOLES = """
    insert into work.event (id, topic, subject, kind, body)
    select nextval('work.event_id') + 0 * nextval('work.event_id'), 'care', i, 'said', '{}'
      from generate_series(1, $1) as i"""
TOUCHED = "select n_tup_ins + n_tup_upd + n_tup_del from pg_stat_xact_all_tables where relid = 'work.gap'::regclass"


async def rows_touched(sealer: Sealer, connection: "asyncpg.Connection[asyncpg.Record]") -> int:
    """How many rows of gaps one tick writes; its transaction is the test's, so that it can be asked."""
    async with connection.transaction():
        before = await connection.fetchval(TOUCHED)
        await sealer.tick()
        counted: int = await connection.fetchval(TOUCHED) - before
    return counted


async def test_a_tick_writes_the_gaps_that_changed_and_no_others(
    pool: Pool, database: Database, signer: Signer, connect: Connect
) -> None:
    long_one = await connect(database.app_dsn)
    its = long_one.transaction()
    await its.start()
    await long_one.execute("insert into work.event (topic, subject, kind, body) values ('care', 1, 'late', '{}')")
    connection = await open_connection(database.app_dsn, name="sahut-test-sealer")
    sealer = Sealer(connection, signer, None)
    await sealer.wait_for_turn()
    await pool.execute(HOLES, GAPS)
    assert await rows_touched(sealer, connection) >= GAPS
    assert await pool.fetchval("select count(*) from work.gap") >= GAPS

    await write(pool, 1)
    await sealer.tick()  # the hole behind the last of them

    touched = []
    for _ in range(8):
        await write(pool, 10)
        touched.append(await rows_touched(sealer, connection))
    assert touched == [0] * 8  # nothing came and nothing died, so nothing is written

    await its.commit()
    for _ in range(8):
        await write(pool, 10)
        touched.append(await rows_touched(sealer, connection))
    while await pool.fetchval("select count(*) from work.gap"):
        await write(pool, 1)
        await sealer.tick()
    assert max(touched) <= GAPS_AT_ONCE + 1  # as many as are looked at in one tick
    async with pool.acquire() as reading:
        kinds = [entry.kind for entry in await read_log(reading, GAPS, 1000)]
    assert kinds.count("late") == 1
    assert await clean(pool, signer) == []
    connection.terminate()

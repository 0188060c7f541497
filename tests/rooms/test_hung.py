"""A process that hangs inside a statement loses its session, so that nobody waits for its locks."""

import asyncio
from contextlib import suppress

from sahut.db import AWAY, Pool
from sahut.work import end_hung_sessions
from tests.rooms.conftest import Connect
from tests.rooms.world import until

LOCK, AFTER_S = 4711, 0.3
# More than a socket holds, so the server has to wait for its reader.
MUCH = "select pg_advisory_lock($1), repeat('x', 1000) from generate_series(1, 50000)"
WAITS = "select count(*) from pg_stat_activity where wait_event = 'ClientWrite'"


async def test_a_session_whose_client_stops_reading_is_ended_and_its_lock_is_free(
    pool: Pool, connect: Connect, app_dsn: str
) -> None:
    hangs = await connect(app_dsn)
    statement = await hangs.prepare(MUCH)
    hangs._transport.pause_reading()  # type: ignore[attr-defined]
    reading = asyncio.create_task(statement.fetch(LOCK))

    async def waits() -> bool:
        return bool(await pool.fetchval(WAITS))

    async def is_ended() -> bool:
        return bool(await end_hung_sessions(pool, after_s=AFTER_S))

    await until(waits)
    before = await pool.fetchval("select pg_try_advisory_lock($1)", LOCK)
    await until(is_ended)

    async def is_free() -> bool:
        return bool(await pool.fetchval("select pg_try_advisory_lock($1)", LOCK))

    assert not before
    await until(is_free)
    hangs._transport.resume_reading()  # type: ignore[attr-defined]
    with suppress(*AWAY):
        await reading


async def test_sessions_that_only_work_or_wait_for_their_next_statement_stay(
    pool: Pool, connect: Connect, app_dsn: str
) -> None:
    idle, works = await connect(app_dsn), await connect(app_dsn)
    sleeping = asyncio.create_task(works.fetchval("select pg_sleep($1)", AFTER_S + 0.3))

    await asyncio.sleep(AFTER_S + 0.1)
    ended = await end_hung_sessions(pool, after_s=AFTER_S)
    await sleeping

    assert ended == []
    assert await idle.fetchval("select 1") == 1

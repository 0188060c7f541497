"""Old months of the log go, and everything that stays is proven as before; a month stays while anything is doubtful."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from sahut.app.audit import audit
from sahut.app.retention import NoOwner, keep_log_short, take_old_months
from sahut.app.settings import read_settings
from sahut.db import Pool
from sahut.work import (
    NotRetired,
    Sealer,
    Signer,
    extends,
    leaf_hash,
    make_months,
    months_to_retire,
    prove_consistency,
    prove_inclusion,
    read_head,
    read_log,
    retire_months,
    root_by_path,
)
from tests.conftest import Database
from tests.rooms.conftest import Connect
from tests.rooms.desk import Desk
from tests.rooms.log import clean, seal_all, set_clock, write
from tests.rooms.world import until

TOO_LOW = """
    alter table work.signed_head disable trigger all;
    delete from work.signed_head where n not in (1, 601, 3600);
    update work.signed_head set n = 10 where n > 601"""


@pytest.fixture
async def half_a_year(pool: Pool, owner: Any, sealer: Sealer, connect: Connect, app_dsn: str) -> datetime:
    """600 events in each month from January to July 2031, sealed and signed; the clock stands on July 20th."""
    connection = await connect(app_dsn)
    today = "select oid::regclass::text from pg_class where relname ~ '_\\d{4}_\\d\\d$' and relkind = 'r'"
    for row in await owner.fetch(today):
        await owner.execute(f"drop table {row[0]}")  # the empty months of today
    now = datetime(2031, 1, 20, tzinfo=UTC)
    for month in range(1, 8):
        now = datetime(2031, month, 20, tzinfo=UTC)
        await set_clock(owner, now)
        await make_months(connection)
        await write(pool, 600)
        await seal_all(sealer)
        await sealer.sign(now)
    return now


async def test_old_months_go_and_everything_else_is_still_proven(
    pool: Pool, database: Database, sealer: Sealer, signer: Signer, half_a_year: datetime
) -> None:
    async with pool.acquire() as connection:
        old_root = await connection.fetchval("select root from work.signed_head where n = 600")
        early, late = [entry.id for entry in await read_log(connection, 100, 1)] + [
            entry.id for entry in await read_log(connection, 2000, 1)
        ]
        kept = await prove_inclusion(connection, early)
        shown = await months_to_retire(connection, 3)
    assert [(one.month, one.events, one.unsealed) for one in shown] == [
        (date(2031, month, 1), 600, 0) for month in (1, 2, 3)
    ]

    assert await retire_months(database.owner_dsn, 3) == shown

    await seal_all(sealer)
    assert await clean(pool, signer) == []
    async with pool.acquire() as connection:
        head = await read_head(connection)
        assert head.n == 4203  # each month that went is told
        assert head.kept_after == 2048  # 1,800 went, up to a full tile
        assert [entry.n for entry in await read_log(connection, 0, 2)] == [2049, 2050]
        assert await prove_inclusion(connection, early) is None
        proof = await prove_inclusion(connection, late)
        assert proof is not None
        assert root_by_path(leaf_hash(proof.leaf.encode()), 2000, proof.head_n, proof.path) == proof.root
        path = await prove_consistency(connection, 600, head.n)
        assert extends(600, old_root, head.n, head.root, path)
    assert kept is not None
    assert root_by_path(leaf_hash(kept.leaf.encode()), 100, kept.head_n, kept.path) == kept.root
    assert await retire_months(database.owner_dsn, 3) == []


async def test_who_seals_and_reads_while_months_go_is_neither_stopped_nor_refused(
    pool: Pool, database: Database, sealer: Sealer, signer: Signer, half_a_year: datetime
) -> None:
    gone = asyncio.Event()

    async def seal() -> None:
        while not gone.is_set():
            await write(pool, 3)
            await sealer.tick()

    async def read() -> None:
        while not gone.is_set():
            async with pool.acquire() as connection:
                assert await read_log(connection, 4_000, 100)

    beside = [asyncio.create_task(part()) for part in (seal, read, read, read)]
    await asyncio.sleep(0.1)
    assert len(await retire_months(database.owner_dsn, 3)) == 3
    gone.set()

    assert await asyncio.gather(*beside, return_exceptions=True) == [None] * 4
    await seal_all(sealer)
    assert await clean(pool, signer) == []


async def test_a_month_is_read_and_sealed_while_it_is_asked_whether_it_may_go(
    pool: Pool, owner: Any, sealer: Sealer, half_a_year: datetime, database: Database
) -> None:
    async with pool.acquire() as reading, reading.transaction():
        assert await read_log(reading, 0, 1)
        retiring = asyncio.create_task(retire_months(database.owner_dsn, 3))
        asked = "select count(*) from pg_locks where mode = 'ShareLock' and granted and relation = $1::regclass"
        while not await owner.fetchval(asked, "work.event_2031_01"):
            assert not retiring.done()
            await asyncio.sleep(0.01)
        await write(pool, 3)
        assert await asyncio.wait_for(sealer.tick(), 3) == 3
    assert len(await retiring) == 3


async def test_a_month_into_which_a_clock_was_set_back_stays_or_all_after_it_would_count_as_gone(
    pool: Pool, database: Database, owner: Any, sealer: Sealer, half_a_year: datetime
) -> None:
    await set_clock(owner, datetime(2031, 2, 20, tzinfo=UTC))
    await write(pool, 1)
    await set_clock(owner, half_a_year)
    await write(pool, 600)
    await seal_all(sealer)
    await sealer.sign(half_a_year + timedelta(minutes=1))

    with pytest.raises(NotRetired, match="set back"):
        await retire_months(database.owner_dsn, 3)

    async with pool.acquire() as connection:
        assert (await read_head(connection)).kept_after < 1_024  # January has gone, and only that
        assert (await read_log(connection, 1_200, 1))[0].n == 1_201


async def test_the_next_sealer_goes_on_after_months_went(
    pool: Pool, database: Database, sealer: Sealer, signer: Signer, half_a_year: datetime, connect: Connect
) -> None:
    await retire_months(database.owner_dsn, 3)
    await pool.execute("select pg_terminate_backend(pid) from pg_stat_activity"
                       " where application_name = 'sahut-test-sealer' and datname = current_database()")  # fmt: skip
    after = Sealer(await connect(database.app_dsn), signer, None)
    await after.wait_for_turn()

    assert await after.tick() == 3
    assert await clean(pool, signer) == []


@pytest.mark.books_may_be_wrong("a tile under what went is damaged on purpose")
async def test_the_audit_sees_damage_to_what_stands_for_the_months_that_went(
    pool: Pool, database: Database, sealer: Sealer, signer: Signer, half_a_year: datetime, owner: Any
) -> None:
    await retire_months(database.owner_dsn, 3)
    await seal_all(sealer)
    await owner.execute(
        "alter table work.tile disable trigger all;"
        " update work.tile set hashes = overlay(hashes placing '\\x00'::bytea from 5) where level = 0 and position = 2"
    )

    found = await clean(pool, signer)

    assert "Tile 2 of level 0 does not hold the hashes that it should." in found
    assert any("do not fold to the head" in finding for finding in found)


async def test_each_day_old_months_go_where_a_setting_says_so(
    pool: Pool, database: Database, half_a_year: datetime, sealer: Sealer, signer: Signer
) -> None:
    settings = read_settings(
        {
            "SAHUT_HOME": "/srv/sahut",
            "SAHUT_DATABASE_URL": database.app_dsn,
            "SAHUT_DATABASE_OWNER_URL": database.owner_dsn,
            "SAHUT_LOG_KEEP_MONTHS": "4",
        }
    )
    assert len(await take_old_months(settings, 4, yes=False)) == 2
    assert await pool.fetchval("select count(*) from work.retired") == 0

    async def gone() -> bool:
        return bool(await pool.fetchval("select count(*) from work.retired") == 2)

    keeping = asyncio.create_task(keep_log_short(settings))
    await until(gone)
    keeping.cancel()

    with pytest.raises(NoOwner):
        await take_old_months(replace(settings, database_owner_url=None), 4, yes=True)
    await seal_all(sealer)
    assert await clean(pool, signer) == []


async def test_fewer_than_three_months_are_never_kept(database: Database, pool: Pool) -> None:
    with pytest.raises(NotRetired, match="3 months at least"):
        await retire_months(database.owner_dsn, 2)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("update work.head set n = 1", "seven days"),
        ("clock 2031-09-20", "seven days"),
        ("clock 2031-07-01", "seven days"),
        ("alter table work.signed_head disable trigger all; delete from work.signed_head", "No head was signed"),
        (TOO_LOW, "full tile under a signed head"),
        ("alter table work.tile disable trigger all; delete from work.tile where position = 1", "full tile"),
        ("alter table work.seal disable trigger all; delete from work.seal where n = 17", "without a number"),
    ],
)  # fmt: skip
@pytest.mark.books_may_be_wrong("damaged on purpose")
async def test_a_month_stays_while_anything_about_it_is_doubtful(
    pool: Pool, database: Database, owner: Any, half_a_year: datetime, wrong: str, why: str
) -> None:
    if wrong.startswith("clock"):
        await set_clock(owner, datetime.fromisoformat(f"{wrong[6:]}T00:00:00+00:00"))
    else:
        await owner.execute(wrong)

    with pytest.raises(NotRetired, match=why):
        await retire_months(database.owner_dsn, 3)

    assert await pool.fetchval("select count(*) from work.event") == 4200
    assert await pool.fetchval("select count(*) from work.retired") == 0


@pytest.mark.slow
async def test_a_month_in_which_somebody_still_works_stays(
    pool: Pool, database: Database, half_a_year: datetime, connect: Connect
) -> None:
    reader = await connect(database.app_dsn)
    async with reader.transaction():
        await reader.fetchval("select count(*) from work.event")
        with pytest.raises(NotRetired, match="in use"):
            await retire_months(database.owner_dsn, 3)

    assert len(await retire_months(database.owner_dsn, 3)) == 3


@pytest.mark.books_may_be_wrong("promises run out while the clock goes on by months")
async def test_money_and_contacts_whose_events_went_with_their_month_still_balance(
    desk: Desk, database: Database, owner: Any, sealer: Sealer, connect: Connect, signer: Signer
) -> None:
    async def found() -> list[str]:
        return [said for said in await audit(database.owner_dsn, signer.public_key) if "promises" not in said]

    connection = await connect(database.app_dsn)
    now = desk.world.clock.set(datetime.now(UTC))
    await desk.world.ledger.post(desk.world.command(100))
    await desk.write(desk.world.sari, "saldo saya kurang")
    await desk.find_cases()
    for _ in range(7):
        await write(desk.world.pool, 600)
        await seal_all(sealer)
        await sealer.sign(now)
        now = (now.replace(day=1) + timedelta(days=32)).replace(day=20)
        await set_clock(owner, now)
        await make_months(connection)
    await write(desk.world.pool, 600)
    await seal_all(sealer)
    assert await found() == []

    gone = await retire_months(database.owner_dsn, 3)

    assert len(gone) == 4
    assert gone[0].events > 600
    assert await found() == []
    await owner.execute(
        "alter table care.contact disable trigger append_only; update care.contact set event_id = 10000000"
    )
    assert len(await found()) == 1

"""The months of the log: an old database comes along whole, clocks may jump, old months go and proofs stay."""

from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import asyncpg
import pytest

from sahut.db import Pool, migrate, open_pool
from sahut.work import (
    Sealer,
    Signer,
    leaf_hash,
    make_months,
    prove_inclusion,
    read_log,
    root_by_path,
    stray_months,
    sweep,
)
from sahut.work.log import recent
from tests.conftest import Database
from tests.rooms.conftest import Connect
from tests.rooms.log import clean, seal_all, set_clock, write

OLD = ["0001_work_log_jobs_and_clocks", "0002_ledger_accounts_and_transfers", "0003_people_and_care", "0004_work_clock"]
# An old database


@pytest.fixture
async def bare(database: Database) -> Database:
    """The test's database, emptied of everything that migrations make."""
    connection = await asyncpg.connect(database.owner_dsn)
    for schema in await connection.fetch(
        "select nspname from pg_namespace where nspname !~ '^pg_' and nspname not in ('public', 'information_schema')"
    ):
        await connection.execute(f'drop schema "{schema[0]}" cascade')
    await connection.close()
    return database


BEFORE = """
    set timezone = 'UTC';
    insert into work.event (id, at, topic, subject, kind, body)
    select nextval('work.event_id'), '2026-01-15T00:00:00.000001Z'::timestamptz + i * interval '1 hour',
           'care', i, 'said', jsonb_build_object('i', i)
      from generate_series(1, 3000) as i;
    insert into work.event (id, at, topic, subject, kind, body)
    values (nextval('work.event_id'), '1970-01-01T00:00:00Z', 'care', 1, 'long_ago', '{}'),
           (nextval('work.event_id') + 3, '2026-02-01T00:00:00Z', 'care', 1, 'not_sealed', '{}');
    select setval('work.event_id', 3010);
    insert into work.seal (n, event_id) select row_number() over (order by id), id from work.event where id <= 3001;
    update work.head set seen = 3005, n = 3001, gap_first = '{3002}', gap_last = '{3004}', gap_horizon = '{77}'"""
ROWS = """
    select s.n, e.id, e.at, e.topic, e.subject, e.kind, e.body
      from work.event e left join work.seal s on s.event_id = e.id"""


async def apply(dsn: str, names: list[str]) -> None:
    """Migrations as the last release applied them, remembered as it did."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "create schema db; create table db.migration (name text primary key, sha256 bytea not null,"
        " applied_at timestamptz not null default clock_timestamp());"
        " grant usage on schema db to sahut_app; grant select on db.migration to sahut_app"
    )
    for name in names:
        text = files("sahut.db").joinpath("migrations", f"{name}.sql").read_text("utf-8")
        await connection.execute(text)
        await connection.execute(
            "insert into db.migration (name, sha256) values ($1, sha256(convert_to($2, 'UTF8')))", name, text
        )
    await connection.close()


@pytest.mark.books_may_be_wrong("one event lies outside the months, on purpose")
async def test_a_log_of_the_last_release_comes_along_whole_into_its_months(
    bare: Database, signer: Signer, connect: Connect
) -> None:
    await apply(bare.owner_dsn, OLD)
    owner = await asyncpg.connect(bare.owner_dsn)
    await owner.execute(BEFORE)
    before = [tuple(row) for row in await owner.fetch(f"{ROWS} order by e.id")]
    leaves = [row[0] for row in await owner.fetch("""
        select sha256('\\x00'::bytea || convert_to(jsonb_build_array(
                   e.id, (extract(epoch from e.at) * 1000000)::bigint, e.topic, e.subject, e.kind, e.body
               )::text, 'UTF8'))
          from work.seal s join work.event e on e.id = s.event_id order by s.n""")]  # fmt: skip
    tiles, subtrees, root = tiles_of(leaves)
    await owner.executemany("insert into work.tile values ($1, $2, $3, $4)", tiles)
    await owner.execute("update work.head set root = $1, subtrees = $2", root, subtrees)

    await migrate(bare.owner_dsn)

    assert [tuple(row) for row in await owner.fetch(f"{ROWS} and s.at = e.at order by e.id")] == before
    assert [tuple(row) for row in await owner.fetch("select * from work.gap")] == [(3002, 3004, 77)]
    found = {row[0] for row in await owner.fetch("select distinct tableoid::regclass::text from work.event")}
    assert found == {f"work.event_2026_0{month}" for month in range(1, 6)} | {"work.event_other"}
    pool = await open_pool(bare.app_dsn, size=1, name="sahut-test")
    assert await clean(pool, signer) == [
        "Event 3005 was passed over by the sealer.",
        "1 events of 1970-01 fell into no month of the log: a clock has jumped.",
    ]
    sealer = Sealer(await connect(bare.app_dsn), signer, None)
    await sealer.wait_for_turn()
    sealer.expect([3005])
    await write(pool, 1)
    assert await sealer.tick() == 2
    assert "Event 3005 was passed over by the sealer." not in await clean(pool, signer)
    await pool.close()
    await owner.close()


def tiles_of(leaves: list[bytes]) -> tuple[list[tuple[int, int, bytes, bytes]], list[bytes], bytes]:
    from sahut.work import merkle

    tree = merkle.Tree()
    for leaf in leaves:
        tree.add(leaf)
    full = [leaves[at : at + 256] for at in range(0, len(leaves) // 256 * 256, 256)]
    return [(0, at, b"".join(tile), merkle.fold(tile)) for at, tile in enumerate(full)], tree.subtrees, tree.root()


@pytest.mark.books_may_be_wrong("the log is damaged on purpose")
async def test_a_damaged_log_is_not_migrated(bare: Database) -> None:
    """A number that stands for no event would be lost on the way without a word."""
    await apply(bare.owner_dsn, OLD)
    owner = await asyncpg.connect(bare.owner_dsn)
    await owner.execute(BEFORE)
    await owner.execute("insert into work.seal (n, event_id) values (4000, 4000)")

    with pytest.raises(asyncpg.RaiseError, match="damaged"):
        await migrate(bare.owner_dsn)

    assert await owner.fetchval("select count(*) from work.seal") == 3002
    await owner.close()


# Months and clocks


async def test_the_months_are_made_ahead_by_the_application_and_by_it_nothing_else(
    pool: Pool, owner: Any, connect: Connect, app_dsn: str
) -> None:
    await set_clock(owner, datetime(2031, 11, 30, 23, 59, 59, tzinfo=UTC))
    connection = await connect(app_dsn)

    assert await make_months(connection)
    assert await make_months(connection)  # a second time there is nothing to do

    made = [
        row[0]
        for row in await pool.fetch("select relname from pg_class where relname ~ '^event_203\\d_\\d\\d$' order by 1")
    ]
    assert made == ["event_2031_11", "event_2031_12", "event_2032_01", "event_2032_02"]
    for forbidden in (
        "select work.make_log_partition('event', '2040-01-01')",
        "select work.retire_log_month('2020-01-01', 3)",
        "create table work.mine ()",
        "insert into work.event_2031_11 (topic, subject, kind, body) values ('a', 1, 'b', '{}')",
        "insert into work.event (at, topic, subject, kind, body) values (now(), 'a', 1, 'b', '{}')",
        "delete from work.event_2031_11",
        "drop table work.event_2031_11",
        "alter table work.event detach partition work.event_2031_11",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(forbidden)


async def test_every_month_keeps_what_was_written_also_from_its_owner(
    pool: Pool, owner: Any, sealer: Sealer, connect: Connect, app_dsn: str
) -> None:
    await set_clock(owner, datetime(2031, 11, 30, tzinfo=UTC))
    await make_months(await connect(app_dsn))
    await write(pool, 1)
    await seal_all(sealer)

    tables = [row[0] for row in await owner.fetch(
        "select inhrelid::regclass::text from pg_inherits"
        " where inhparent::regclass::text in ('work.event', 'work.seal')"
    )]  # fmt: skip
    assert len(tables) >= 18
    for table in tables:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await owner.execute(f"truncate {table}")
    for table in ("work.event_2031_11", "work.seal_2031_11"):
        for change in (f"delete from {table}", f"update {table} set at = at"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
                await owner.execute(change)


@pytest.mark.books_may_be_wrong("events outside the months are a finding, on purpose")
async def test_events_of_a_clock_that_jumped_are_sealed_read_and_proven_and_told(
    pool: Pool, owner: Any, sealer: Sealer, signer: Signer
) -> None:
    for at in (datetime(1970, 1, 1, tzinfo=UTC), datetime(2099, 5, 5, tzinfo=UTC), datetime(2026, 11, 22, tzinfo=UTC)):
        await set_clock(owner, at)
        await write(pool, 2)
        await seal_all(sealer)
    await sealer.sign(datetime(2026, 11, 22, tzinfo=UTC))

    async with pool.acquire() as connection:
        entries = await read_log(connection, 0, 10)
        assert [entry.n for entry in entries] == [1, 2, 3, 4, 5, 6]
        assert [entry.at.year for entry in entries] == [1970, 1970, 2099, 2099, 2026, 2026]
        for entry in entries:
            proof = await prove_inclusion(connection, entry.id)
            assert proof is not None
            assert root_by_path(leaf_hash(proof.leaf.encode()), entry.n - 1, 6, proof.path) == proof.root
        assert await stray_months(connection) == [{"month": "1970-01", "events": 2}, {"month": "2099-05", "events": 2}]
    assert await clean(pool, signer) == [
        "2 events of 1970-01 fell into no month of the log: a clock has jumped.",
        "2 events of 2099-05 fell into no month of the log: a clock has jumped.",
    ]


@pytest.mark.books_may_be_wrong("the alarm of the event that was passed over stands in the log")
async def test_what_a_jump_to_and_fro_hid_is_numbered_once_the_sweep_has_found_it(
    pool: Pool, owner: Any, sealer: Sealer, connect: Connect, app_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent, "WATCHED", 1)
    now = datetime(2031, 7, 20, tzinfo=UTC)
    await set_clock(owner, now)
    for _ in range(60):  # the clock has been watched for long, so what is long ago is not looked at
        await sealer.tick()
    for at in (datetime(2031, 1, 1, tzinfo=UTC), now):
        await set_clock(owner, at)
        await write(pool, 1)
    for _ in range(2):
        await seal_all(sealer)
        await write(pool, 1)
    sweeping = await connect(app_dsn)
    found = await sweep(sweeping)
    assert len(found) == 1

    sealer.expect(found)
    await seal_all(sealer)

    assert await sweep(sweeping) == []
    assert found[0] in [entry.id for entry in await read_log(sweeping, 0, 10)]


async def test_events_that_came_before_their_month_was_made_move_into_it(
    pool: Pool, owner: Any, sealer: Sealer, signer: Signer, connect: Connect, app_dsn: str
) -> None:
    """After a rest of half a year the first events come before anybody has made the month."""
    await set_clock(owner, datetime(2031, 5, 31, 23, 59, 59, 999_999, tzinfo=UTC))
    await write(pool, 3)
    await seal_all(sealer)
    await write(pool, 2)
    before = await pool.fetch("select id, at from work.event order by id")

    await make_months(await connect(app_dsn))
    await write(pool, 1)
    await seal_all(sealer)

    tables = await pool.fetch("select tableoid::regclass::text as found, count(*) from work.event group by 1")
    assert [tuple(row) for row in tables] == [("work.event_2031_05", 6)]
    assert (await pool.fetch("select id, at from work.event order by id"))[:5] == before
    assert await pool.fetchval("select count(*) from work.seal where tableoid = 'work.seal_2031_05'::regclass") == 6
    assert await clean(pool, signer) == []
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await owner.execute("delete from work.event_other; delete from work.event")


async def test_an_id_that_the_sequence_has_not_given_makes_no_gap(pool: Pool, sealer: Sealer, owner: Any) -> None:
    """It would let the sealer count all ids below it as missing, and later as dead."""
    await write(pool, 1)
    await pool.execute(
        "insert into work.event (id, topic, subject, kind, body) values (1000, 'care', 1, 'forged', '{}')"
    )

    await seal_all(sealer)
    await write(pool, 2)
    await seal_all(sealer)

    async with pool.acquire() as connection:
        assert [entry.id for entry in await read_log(connection, 0, 10)] == [1, 2, 3]
    assert await pool.fetchval("select count(*) from work.gap") == 0
    await pool.execute("select nextval('work.event_id') from generate_series(1, 997)")
    await write(pool, 1)  # the sequence has reached it: now it has its number too
    await seal_all(sealer)
    async with pool.acquire() as connection:
        assert [entry.id for entry in await read_log(connection, 3, 10)] == [1000, 1001]

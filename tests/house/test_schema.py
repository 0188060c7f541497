"""The tables: migrations without holes, queries that prepare, rights that hold."""

import re
from pathlib import Path

import asyncpg
import pytest

import sahut.db
from sahut.db import Pool, Queries, migrate, pending_migrations
from sahut.work import WRITTEN_BY_OTHERS
from tests.conftest import Database
from tools.schemas import PACKAGES

MIGRATIONS = sorted((Path(sahut.db.__path__[0]) / "migrations").glob("*.sql"))
_WRITES = re.compile(
    r"\b(?:insert\s+into|update|delete\s+from|truncate)\s+(?:only\s+)?([a-z_]+)\.([a-z_]+)", re.IGNORECASE
)

# What the application may only add to. A row that is there says the same for ever.
APPEND_ONLY = (
    "work.event",
    "work.seal",
    "work.tile",
    "ledger.transfer",
    "ledger.attempt",
    "ledger.batch",
    "care.contact",
)


def test_migrations_are_numbered_without_holes() -> None:
    numbers = [int(path.name.split("_")[0]) for path in MIGRATIONS]

    assert numbers == list(range(1, len(numbers) + 1))
    for path in MIGRATIONS:
        assert re.fullmatch(r"\d{4}_[a-z0-9_]+\.sql", path.name)
        assert path.read_text().startswith("-- Why: "), path.name


async def test_a_second_migration_finds_nothing_to_do(database: Database) -> None:
    assert await migrate(database.owner_dsn) == []


async def test_the_application_sees_that_nothing_is_pending(pool: Pool) -> None:
    async with pool.acquire() as connection:
        assert await pending_migrations(connection) == []


@pytest.mark.parametrize("package", PACKAGES)
async def test_every_query_prepares_with_the_rights_of_the_application(package: str, pool: Pool) -> None:
    async with pool.acquire() as connection:
        for query in Queries.load(package):
            try:
                prepared = await connection.prepare(query.text)
                assert len(prepared.get_parameters()) == len(query.parameters), query.name
                await connection.execute(
                    f"explain (costs off, generic_plan) {query.text}"
                ) if query.parameters else None
            except asyncpg.PostgresError as problem:
                pytest.fail(f"{package}.{query.name}: {problem}")


@pytest.mark.parametrize("package", PACKAGES)
def test_a_room_writes_its_own_tables(package: str) -> None:
    room = package.split(".")[1]
    for query in Queries.load(package):
        for schema, table in _WRITES.findall(query.text):
            assert schema == room or f"{schema}.{table}" in WRITTEN_BY_OTHERS, (
                f"{room}.{query.name} writes {schema}.{table}"
            )


@pytest.mark.parametrize("table", APPEND_ONLY)
async def test_the_application_cannot_change_what_is_append_only(table: str, pool: Pool) -> None:
    column = await pool.fetchval(
        "select attname from pg_attribute where attrelid = $1::text::regclass and attnum > 1 order by attnum limit 1",
        table,
    )
    for attempt in (
        f"update {table} set {column} = {column}",
        f"delete from {table}",
        f"truncate {table}",
        f"alter table {table} disable trigger all",
        f"drop table {table}",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(attempt)


async def test_the_owner_cannot_change_the_log_either(database: Database) -> None:
    """Rights would not stop the owner; the trigger does, so a slip in a migration is noticed."""
    connection = await asyncpg.connect(database.owner_dsn)
    try:
        await connection.execute("insert into work.event (topic, subject, kind, body) values ('a', 1, 'b', '{}')")
        for attempt in ("update work.event set subject = 2", "delete from work.event", "truncate work.event cascade"):
            with pytest.raises(asyncpg.PostgresError):
                await connection.execute(attempt)
    finally:
        await connection.close()


async def test_the_application_can_switch_nothing_off(pool: Pool) -> None:
    powers = "rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls"
    row = await pool.fetchrow(f"select {powers} from pg_roles where rolname = current_user")
    assert row is not None
    assert not any(row)
    assert await pool.fetchval("select count(*) from pg_auth_members where member = current_user::regrole") == 0
    assert await pool.fetchval("select count(*) from pg_class where relowner = current_user::regrole") == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute("set session_replication_role = replica")


async def test_every_month_of_the_log_is_append_only_like_the_log(database: Database) -> None:
    """Triggers for rows come with the parent, those for statements do not: each part must have its own."""
    connection = await asyncpg.connect(database.owner_dsn)
    try:
        parts = await connection.fetch("""
            select p.relid::regclass::text as part,
                   array(select tgname::text from pg_trigger
                          where tgrelid = p.relid and tgenabled = 'O' order by 1) as triggers
              from unnest(array['work.event', 'work.seal']) as parent (name)
             cross join pg_partition_tree(parent.name::regclass) as p""")  # fmt: skip
        assert len(parts) >= 2 * 6  # the parent, what fell into no month, this month and three more
        for part in parts:
            assert part["triggers"] == ["append_only", "no_truncate"], part["part"]
    finally:
        await connection.close()

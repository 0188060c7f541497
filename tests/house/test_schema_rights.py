"""The rights of the application: what its queries need, column by column, and nothing else. Each is tried."""

import re

import asyncpg
import pytest

from sahut.app.engines import app_dsn
from sahut.db import Connection, Pool, Queries, known_migrations
from tests.conftest import Database, TestEngine
from tools.schemas import PACKAGES, ROOMS

# Rights that no query uses yet, each with what it is for.
AHEAD = {
    ("update", "care.case", "owner"): "a case is taken by an agent",
    ("update", "care.case", "state"): "a case is solved",
    ("update", "ledger.balance", "held"): "money is reserved",
    ("update", "ledger.balance", "state"): "an account is frozen",
    ("insert", "ledger.transfer", "refers_to"): "a reversal names its original",
}
# Who may remove rows may also lock the table: PostgreSQL knows no smaller right. Both are cleared of rows all day.
MAY_BE_LOCKED = {"work.job", "work.gap"}
SCHEMAS = (*ROOMS, "db")
_GRANTED = """
    select lower(privilege_type) as what, table_schema || '.' || table_name as tab, column_name as col
      from information_schema.column_privileges
     where grantee = 'sahut_app' and privilege_type in ('INSERT', 'UPDATE') order by 1, 2, 3"""


async def refused(connection: Connection, texts: list[str]) -> bool:
    """Whether the application may not run one of them. To explain is to ask for the rights."""
    for text in texts:
        try:
            await connection.execute(f"explain (generic_plan) {text}")
        except asyncpg.InsufficientPrivilegeError:
            return True
    return False


async def test_every_right_by_column_is_needed_by_a_query(database: Database, pool: Pool) -> None:
    """Take each away alone and look whether a query misses it; the rights that were never missed are too many."""
    owner = await asyncpg.connect(database.owner_dsn)
    texts = [query.text for package in PACKAGES for query in Queries.load(package)]
    too_many = set()
    try:
        async with pool.acquire() as connection:
            for row in await owner.fetch(_GRANTED):
                right, table, column = tuple(row)
                mine = [text for text in texts if re.search(rf"\b{re.escape(table)}\b", text)]
                await owner.execute(f"revoke {right} ({column}) on {table} from sahut_app")
                if not await refused(connection, mine):
                    too_many.add((right, table, column))
                await owner.execute(f"grant {right} ({column}) on {table} to sahut_app")
    finally:
        await owner.close()

    assert too_many == set(AHEAD)


async def test_no_right_to_write_is_for_a_whole_table(pool: Pool) -> None:
    rows = await pool.fetch(
        "select table_schema || '.' || table_name, privilege_type from information_schema.table_privileges"
        " where grantee = 'sahut_app' and privilege_type <> 'SELECT'"
    )

    assert {tuple(row) for row in rows} == {(table, "DELETE") for table in MAY_BE_LOCKED}


async def test_nobody_else_has_a_right(pool: Pool) -> None:
    """PUBLIC may nothing in our schemas, and no table is granted to a third role."""
    tables = await pool.fetch(
        "select distinct table_schema, table_name, grantee from information_schema.role_table_grants"
        " where table_schema = any($1) and grantee not in ('sahut_app', 'sahut_owner')",
        SCHEMAS,
    )
    functions = await pool.fetch(
        "select p.proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace,"
        " lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a"
        " where n.nspname = any($1) and a.grantee = 0",
        SCHEMAS,
    )

    assert tables == []
    assert functions == []


async def test_no_table_can_be_locked_against_everybody(pool: Pool) -> None:
    tables = await pool.fetch(
        "select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where n.nspname = any($1) and c.relkind in ('r', 'p') order by 1",
        SCHEMAS,
    )
    got = set()
    for (table,) in tables:
        async with pool.acquire() as connection:
            change = connection.transaction()
            await change.start()
            try:
                await connection.execute(f"lock table {table} in access exclusive mode nowait")
                got.add(table)
            except asyncpg.InsufficientPrivilegeError:
                pass
            finally:
                await change.rollback()

    assert len(tables) > 20
    assert got == MAY_BE_LOCKED


@pytest.mark.parametrize(
    "attempt",
    [
        "create table work.mine (id int)",
        "create table public.mine (id int)",
        "create temporary table mine (id int)",
        "create schema mine",
        "create function work.mine() returns int language sql as 'select 1'",
        "create function public.mine() returns int language sql as 'select 1'",
        "create or replace function work.clock() returns timestamptz language sql as 'select now()'",
        "alter function work.clock() owner to sahut_app",
        "create view care.mine as select 1",
        "create index on work.job (body)",
        "create trigger mine before insert on work.event for each row execute function work.refuse_change()",
        "drop trigger append_only on work.event",
        "alter table work.event disable trigger append_only",
        "alter table work.event owner to sahut_app",
        "create rule mine as on insert to work.event do instead nothing",
        "alter table ledger.balance drop constraint balance_check",
        "alter sequence work.event_id restart",
        "select setval('work.event_id', 1)",
        "select setval('care.number_block', 1)",
        "create extension file_fdw schema work",
        "create role mine",
        "create database mine",
        "create event trigger mine on ddl_command_start execute function work.refuse_change()",
        "set session_replication_role = replica",
        "set role sahut_owner",
        "set session authorization sahut_owner",
        "alter role sahut_owner password 'x'",
        "alter role sahut_app superuser",
        "alter role sahut_app createrole",
        "alter role sahut_app bypassrls",
        "grant sahut_owner to sahut_app",
        "alter system set fsync = off",
        "alter database sahut set fsync = off",
        "set fsync = off",
        "set log_statement = 'all'",
        "select pg_reload_conf()",
        "select rolpassword from pg_authid",
        "select * from pg_shadow",
        "select * from pg_hba_file_rules",
        "select pg_read_file('/etc/passwd')",
        "select pg_ls_dir('/')",
        "select lo_import('/etc/passwd')",
        "copy work.job to '/tmp/mine'",
        "copy work.job from '/tmp/mine'",
        "copy work.job to program 'true'",
        "copy (select 1) to program 'true'",
        "cluster work.job using job_pkey",
        "reindex table work.job",
        "refresh materialized view work.job",
        "comment on table work.event is 'mine'",
        "insert into work.event (id, at, topic, subject, kind, body) values (9, now(), 'a', 1, 'b', '{}')",
        "insert into ledger.balance (account_id, currency, zone, posted) values (1, 360, 'UTC', 1)",
        "insert into work.deadline (kind, subject, audience, policy, kept_at) values ('a', 1, 'house', 'b', now())",
        "insert into people.person (id, name, phone) overriding system value values (0, 'a', '+62812345678')",
        "update people.person set role = 'agent'",
        "update ledger.balance set floor = -1",
        "update work.head set one = true",
        "update db.migration set contracts = false",
        "insert into db.migration (name, sha256) values ('0099', 'x')",
        "insert into work.event_other (id, topic, subject, kind, body) values (9, 'a', 1, 'b', '{}')",
        "delete from ledger.transfer_later",
    ],
)  # fmt: skip
async def test_the_application_may_not(attempt: str, pool: Pool, database: Database) -> None:
    owner = await asyncpg.connect(database.owner_dsn)
    # A copy of a database keeps all rights but those on the database itself, so the migration's are given again.
    await owner.execute(f"revoke connect, temporary on database {database.name} from public")
    await owner.execute(f"grant connect on database {database.name} to sahut_app")
    await owner.close()

    with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.CantChangeRuntimeParamError)):
        await pool.execute(attempt)


async def test_the_owner_is_no_superuser_either(database: Database) -> None:
    powers = "rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls"
    owner = await asyncpg.connect(database.owner_dsn)
    try:
        row = await owner.fetchrow(f"select {powers} from pg_roles where rolname = current_user")
        member = await owner.fetchval("select count(*) from pg_auth_members where member = current_user::regrole")
        for attempt in ("copy (select 1) to program 'true'", "select rolpassword from pg_authid"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await owner.execute(attempt)
    finally:
        await owner.close()

    assert row is not None
    assert not any(row)
    assert member == 0


async def test_whoever_is_not_ours_cannot_come_in(database: Database) -> None:
    """The migration takes CONNECT and TEMPORARY from everybody, whatever database it runs in."""
    above = await asyncpg.connect(database.superuser_dsn)
    (migration,) = [known.text for known in known_migrations() if known.name == "0009_rights"]
    owner = await asyncpg.connect(database.owner_dsn)
    try:
        await owner.execute(migration[migration.index("do $$") : migration.index("end $$;") + 7])
        given = await above.fetchval("select datacl::text from pg_database where datname = current_database()")
    finally:
        await owner.close()
        await above.close()

    assert "{=" not in given
    assert ",=" not in given
    assert "sahut_app=c/sahut_owner" in given


async def test_the_owner_cannot_empty_what_is_append_only_either(database: Database) -> None:
    """Also not by a part of it: a partition is emptied by its own name, and asks its own triggers."""
    owner = await asyncpg.connect(database.owner_dsn)
    try:
        tables = await owner.fetch(
            "select tableoid::regclass::text from (select c.oid as tableoid from pg_class c"
            " where c.relkind in ('r', 'p') and exists (select from pg_partition_ancestors(c.oid) as above"
            " join pg_trigger t on t.tgrelid = above where t.tgname = 'append_only')) as kept"
        )
        emptied = []
        for (table,) in tables:
            try:
                await owner.execute(f"truncate {table} cascade")
                emptied.append(table)
            except asyncpg.InsufficientPrivilegeError:
                pass
    finally:
        await owner.close()

    assert len(tables) > 15
    assert emptied == []


async def test_in_our_own_database_nobody_makes_large_objects_and_in_others_we_are_not_let_in(
    engine: TestEngine,
) -> None:
    """What only the superuser can take away, the engine takes away at every start."""
    connection = await asyncpg.connect(app_dsn(engine.home))
    try:
        for attempt in ("select lo_create(0)", "select lo_creat(-1)", "select lo_from_bytea(0, 'x')"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(attempt)
    finally:
        await connection.close()

    for database in ("postgres", "template1"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await asyncpg.connect(app_dsn(engine.home, database))

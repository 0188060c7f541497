"""How the house speaks to PostgreSQL: transactions, settings, named SQL for real, migrations."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import asyncpg
import pytest

from sahut.db import (
    APPLICATION_SETTINGS,
    Migration,
    MigrationBlocked,
    MigrationChanged,
    NewerDatabase,
    NotCommitted,
    OutcomeUnknown,
    Patience,
    Pool,
    Queries,
    locks,
    migrate,
    open_pool,
    pending_migrations,
    transaction,
)
from sahut.work import EventRow, JobRow, append_event, enqueue
from tests.rooms.conftest import Connect
from tests.rooms.world import outcome, until

EVENT = EventRow("care", 0, "case_opened", {})


async def count_events(pool: Pool) -> int:
    counted: int = await pool.fetchval("select count(*) from work.event")
    return counted


async def test_a_transaction_is_kept_at_its_end(pool: Pool) -> None:
    async with transaction(pool) as connection:
        await append_event(connection, EVENT)
        assert await count_events(pool) == 0  # nobody else sees it before

    assert await count_events(pool) == 1


@pytest.mark.parametrize("error", [ValueError, asyncio.CancelledError, asyncpg.PostgresError])
async def test_a_transaction_rolls_back_when_it_raises(pool: Pool, error: type[BaseException]) -> None:
    async def write_and_fail() -> None:
        async with transaction(pool) as connection:
            await append_event(connection, EVENT)
            raise error

    with pytest.raises(error):
        await write_and_fail()

    assert await count_events(pool) == 0


async def test_who_passes_over_a_failed_statement_is_told_that_nothing_was_committed(pool: Pool) -> None:
    async def pass_over() -> None:
        async with transaction(pool) as connection:
            await append_event(connection, EventRow("staff", 1, "done", {}))
            with suppress(asyncpg.DivisionByZeroError):
                await connection.execute("select 1 / 0")

    with pytest.raises(NotCommitted):
        await pass_over()
    assert await pool.fetchval("select count(*) from work.event") == 0


SLOW_TO_COMMIT = """
    create function work.slow() returns trigger language plpgsql as 'begin perform pg_sleep(60); return null; end';
    create constraint trigger slow after insert on work.job deferrable initially deferred
        for each row execute function work.slow()"""


async def test_a_connection_that_is_lost_during_the_commit_leaves_the_outcome_unknown(
    pool: Pool, connect: Connect, database: Any
) -> None:
    """Of any later commit nobody could say that nothing was written; so it is not said here either."""
    above = await connect(database.superuser_dsn)
    await above.execute(SLOW_TO_COMMIT)
    statements_done = asyncio.Event()

    async def write() -> None:
        async with transaction(pool) as connection:
            await enqueue(connection, JobRow("greet", "greet 1", {}))
            statements_done.set()

    writing = asyncio.create_task(outcome(write()))
    await asyncio.wait_for(statements_done.wait(), 5)
    ended = "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and wait_event = 'PgSleep'"
    await until(lambda: above.fetchval(ended, database.name))

    assert isinstance(await writing, OutcomeUnknown)


async def test_connections_have_their_name_and_settings_and_carry_nothing_over(app_dsn: str) -> None:
    one = await open_pool(app_dsn, size=1, name="sahut-web-7")

    settings = {name: await one.fetchval(f"show {name}") for name in [*APPLICATION_SETTINGS, "application_name"]}
    first, second = await one.fetchval("select pg_backend_pid()"), await one.fetchval("select pg_backend_pid()")

    assert settings == {
        **{name: value.lower() for name, value in APPLICATION_SETTINGS.items() if name != "timezone"},
        "timezone": "UTC",
        "application_name": "sahut-web-7",
    }
    assert first == second
    await one.close()


async def test_a_process_that_hangs_in_a_transaction_is_ended_by_the_server(pool: Pool) -> None:
    assert await pool.fetchval("show idle_in_transaction_session_timeout") == "5s"


async def test_named_sql_means_what_it_says(pool: Pool) -> None:
    queries = Queries(
        "-- name: odd\n-- It's a comment with :no_parameter.\n"
        "select :a::int + :b::int as sum, ':a' as text, (array[1, 2, 3])[2:3] as part, :a::text || '::' as again;\n"
        "-- name: nothing\nselect 1 where :never::bool;"
    )

    async with pool.acquire() as connection:
        row = await queries.odd.fetchrow(connection, b=2, a=1)
        nothing = await queries.nothing.fetchrow(connection, never=False)
        value = await queries.odd.fetchval(connection, a=40, b=2)

    assert row is not None
    assert tuple(row) == (3, ":a", [2, 3], "1::")
    assert (nothing, value) == (None, 42)


@pytest.fixture
async def empty_dsn(database: Any) -> AsyncIterator[str]:
    """The owner's way to a database in which nothing has happened yet."""
    above, name = await asyncpg.connect(database.superuser_dsn), f"t_{secrets.token_hex(6)}"
    await above.execute(f"create database {name} owner sahut_owner template template0")
    yield database.owner_dsn.replace(database.name, name)
    await above.execute(f"drop database {name} with (force)")
    await above.close()


async def test_of_two_that_migrate_at_once_one_does_it(empty_dsn: str, connect: Connect) -> None:
    applied = await asyncio.gather(*(migrate(empty_dsn) for _ in range(3)))

    at_work, *idle = sorted(applied, key=len, reverse=True)
    assert at_work == sorted(at_work)
    assert at_work[0].startswith("0001_")
    assert idle == [[], []]
    connection = await connect(empty_dsn)
    assert await pending_migrations(connection) == []
    assert await connection.fetchval("select count(*) from db.migration") == len(at_work)


async def test_nothing_to_do_is_nothing_done(database: Any) -> None:
    assert await migrate(database.owner_dsn) == []


async def test_an_old_migration_that_reads_differently_now_is_refused_before_anything_is_applied(
    database: Any, connect: Connect
) -> None:
    owner = await connect(database.owner_dsn)
    await owner.execute("delete from db.migration where name like '0003%'")
    await owner.execute("update db.migration set sha256 = '\\x00' where name like '0001%'")

    with pytest.raises(MigrationChanged, match="0001_"):
        await migrate(database.owner_dsn)

    assert [name[:4] for name in await pending_migrations(owner)] == ["0003"]


async def test_a_migration_that_fails_leaves_nothing_of_itself(empty_dsn: str, connect: Connect) -> None:
    owner = await connect(empty_dsn)
    await owner.execute("create schema ledger")  # stands in the way of the second one

    failed = await outcome(migrate(empty_dsn))

    assert isinstance(failed, asyncpg.DuplicateSchemaError)
    assert [row["name"][:4] for row in await owner.fetch("select name from db.migration")] == ["0001"]
    await owner.execute("drop schema ledger")
    assert (await migrate(empty_dsn))[0].startswith("0002")


async def test_a_migration_waits_for_another_process_that_migrates(database: Any, connect: Connect) -> None:
    owner = await connect(database.owner_dsn)
    await owner.execute("select pg_advisory_lock($1)", locks.MIGRATION)
    beside = (
        "select true from pg_stat_activity where datname = current_database()"
        " and application_name = 'sahut-migrate turn'"
    )

    gave_up = await outcome(migrate(database.owner_dsn, patience=Patience(others_s=0.1)))
    waiting = asyncio.create_task(migrate(database.owner_dsn))
    await until(lambda: owner.fetchval(beside))
    done_before = waiting.done()
    await owner.execute("select pg_advisory_unlock($1)", locks.MIGRATION)

    assert isinstance(gave_up, MigrationBlocked)
    assert not done_before
    assert await asyncio.wait_for(waiting, 10) == []


# what a migration may meet

FIRST = Migration("0001_first", "-- Why: to try.\ncreate table public.thing (id bigint primary key);")


async def test_a_migration_that_cannot_get_its_lock_lets_the_traffic_pass_and_tries_again(
    empty_dsn: str, connect: Connect
) -> None:
    await migrate(empty_dsn, migrations=(FIRST,))
    wider = Migration("0002_wider", "-- Why: to try.\nalter table public.thing add column name text;")
    reader = await connect(empty_dsn)
    short = Patience(lock_wait_s=0.05, tries=3, pause_s=0.02)
    async with reader.transaction():
        await reader.execute("select from public.thing")
        blocked = await outcome(migrate(empty_dsn, migrations=(FIRST, wider), patience=short))

    applied = await migrate(empty_dsn, migrations=(FIRST, wider), patience=short)

    assert isinstance(blocked, MigrationBlocked)
    assert "0002_wider" in str(blocked)
    assert applied == ["0002_wider"]


async def test_an_older_program_goes_on_beside_what_was_added_and_refuses_what_was_taken_away(
    empty_dsn: str,
) -> None:
    added = Migration("0002_added", "-- Why: to try.\nalter table public.thing add column name text;")
    gone = Migration("0003_gone", "-- Why: to try.\n-- contract: nobody reads it any more\ndrop table public.thing;")
    await migrate(empty_dsn, migrations=(FIRST, added))
    beside = await migrate(empty_dsn, migrations=(FIRST,))

    await migrate(empty_dsn, migrations=(FIRST, added, gone))
    refused = await outcome(migrate(empty_dsn, migrations=(FIRST, added)))

    assert beside == []
    assert isinstance(refused, NewerDatabase)
    assert "0003_gone" in str(refused)


INDEX = Migration(
    "0002_index",
    "-- Why: to try.\n-- no transaction\n"
    "create index concurrently if not exists thing_id on public.thing (id);\n"
    "comment on index public.thing_id is 'so; it is found';\n",
)


async def test_a_migration_without_a_transaction_is_begun_again_where_a_kill_left_it(
    empty_dsn: str, connect: Connect
) -> None:
    await migrate(empty_dsn, migrations=(FIRST,))
    owner = await connect(empty_dsn)
    await owner.execute("insert into public.thing values (1), (2)")
    half_made = await outcome(  # two equal values: the index stays behind and is not valid, as after a kill
        owner.execute("create unique index concurrently thing_id on public.thing ((id * 0))")
    )
    left = "select indisvalid from pg_index where indexrelid = to_regclass('public.thing_id')"
    before = await owner.fetchval(left)

    applied = await migrate(empty_dsn, migrations=(FIRST, INDEX))

    assert isinstance(half_made, asyncpg.UniqueViolationError)
    assert before is False
    assert applied == ["0002_index"]
    assert await owner.fetchval(left) is True
    assert await owner.fetchval("select obj_description('public.thing_id'::regclass)") == "so; it is found"


async def test_those_who_wait_for_the_turn_do_not_stand_in_the_way_of_an_index_made_beside_the_traffic(
    empty_dsn: str,
) -> None:
    await migrate(empty_dsn, migrations=(FIRST,))

    async with asyncio.timeout(20):
        applied = await asyncio.gather(*(migrate(empty_dsn, migrations=(FIRST, INDEX)) for _ in range(4)))

    assert sorted(applied) == [[], [], [], ["0002_index"]]

"""Migrations: numbered files, forward only. Several processes may start at once; an old file may not change.

A file `NNNN_room_what.sql` begins with a comment that says why. It runs in a transaction of its own together with the
row that remembers it, so a kill leaves it done or not done. A file with the line `-- no transaction` runs statement by
statement (`create index concurrently` must), and may be begun again after a kill. What a file may do while the release
before it still runs: docs/migrations.md.
"""

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files

import asyncpg
import structlog

from sahut.db import locks
from sahut.db.pool import Connection
from sahut.db.refusals import CONFLICT
from sahut.db.tokens import statements

_FOLDER = "migrations"
_LOOK_AGAIN_S = 0.2
_CONTRACT = re.compile(r"^-- contract: \S", re.MULTILINE)
_REWRITE = re.compile(r"^-- rewrite: \S", re.MULTILINE)
_NO_TRANSACTION = re.compile(r"^-- no transaction$", re.MULTILINE)
_CONCURRENT_INDEX = re.compile(r"\bindex concurrently if not exists (\w+) on (?:only )?(\w+)\.", re.IGNORECASE)
_FORGET = "select"  # the last result of a transaction keeps its snapshot until the next statement
_REMEMBER = """
    create schema if not exists db;
    create table if not exists db.migration (
        name text primary key, sha256 bytea not null, applied_at timestamptz not null default clock_timestamp()
    );
    alter table db.migration add column if not exists contracts boolean not null default false;
    comment on column db.migration.contracts is
        'Whether the release before it cannot work with the tables afterwards; such a program refuses to start.';
    grant usage on schema db to sahut_app;
    grant select on db.migration to sahut_app;"""
# A table that was analyzed while it is empty counts as one row, and whoever plans then reads all of it for each
# question until the next analyze; one that nobody has analyzed counts as ten pages and is asked by its keys.
_ANALYZE = """
    do $$
    declare large regclass;
    begin
        for large in select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
                      where c.relkind = 'r' and n.nspname !~ '^pg_|^information_schema$'
                        and pg_relation_size(c.oid) > 100 * 8192 and pg_has_role(c.relowner, 'usage') loop
            execute format('analyze %s', large);
        end loop;
    end $$"""
_REMEMBERS = """
    select true from pg_attribute where attrelid = to_regclass('db.migration') and attname = 'contracts'"""

_log = structlog.get_logger()


class MigrationChanged(Exception):
    """A migration that was applied here reads differently now. Write a new one instead."""


class MigrationBlocked(Exception):
    """A migration could not get the locks it needs, or another process has been migrating for too long. Try again."""


class NewerDatabase(Exception):
    """The tables have gone where this program cannot follow: a newer release has contracted them."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file. `text`: as it stands."""

    name: str
    text: str

    @property
    def digest(self) -> bytes:
        """SHA-256 over the text: what is applied once may never read differently."""
        return sha256(self.text.encode()).digest()

    @property
    def contracts(self) -> bool:
        """Whether it takes away what the release before it needs."""
        return bool(_CONTRACT.search(self.text))

    @property
    def rewrites(self) -> bool:
        """Whether it says that it holds a table for as long as the table is large."""
        return bool(_REWRITE.search(self.text))

    @property
    def in_transaction(self) -> bool:
        """Whether the whole file is one transaction."""
        return not _NO_TRANSACTION.search(self.text)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a migration waits. `lock_wait_s`: for one lock, while all traffic on the table waits behind it; then it
    lets the traffic pass and tries again, at most `tries` times. `others_s`: for another process that migrates."""

    lock_wait_s: float = 2.0
    tries: int = 15
    pause_s: float = 2.0
    others_s: float = 600.0


async def migrate(
    dsn: str, *, migrations: tuple[Migration, ...] | None = None, patience: Patience = Patience()
) -> list[str]:
    """Bring the database to the newest migration, as its owner. `migrations`: those of the program, if not given.

    Returns the names applied now, in order; empty when there was nothing to do.
    Refuses: `MigrationChanged` and `NewerDatabase` before anything is applied; `MigrationBlocked`: what was applied
    before stays, and the next start goes on.
    Writes: `db.migration` and whatever the files say; analyzes what is large afterwards.
    """
    known = known_migrations() if migrations is None else migrations
    connection = await asyncpg.connect(
        dsn, server_settings={"application_name": "sahut-migrate", "statement_timeout": "0"}
    )
    try:
        async with _turn(dsn, patience):
            if not await connection.fetchval(_REMEMBERS):
                await connection.execute(_REMEMBER)
            fresh = await _not_yet_applied(connection, known)
            for migration in fresh:
                await _apply_patiently(connection, migration, patience)
            if fresh:
                await connection.execute(_ANALYZE)
        return [migration.name for migration in fresh]
    finally:
        await connection.close()


async def pending_migrations(connection: Connection) -> list[str]:
    """The names that this program knows and the database has not applied; reads only."""
    rows = await connection.fetch("select name from db.migration")
    applied = {row["name"] for row in rows}
    return [migration.name for migration in known_migrations() if migration.name not in applied]


@cache
def known_migrations() -> tuple[Migration, ...]:
    """All files of this program, in order."""
    folder = files("sahut.db").joinpath(_FOLDER)
    named = sorted((file.name, file) for file in folder.iterdir() if file.name.endswith(".sql"))
    return tuple(Migration(name.removesuffix(".sql"), file.read_text("utf-8")) for name, file in named)


@asynccontextmanager
async def _turn(dsn: str, patience: Patience) -> AsyncIterator[None]:
    """Hold the turn to migrate, in a transaction beside the work.

    The lock belongs to a transaction and not to a session, since behind a proxy that shares sessions the latter would
    stay with whoever comes next. It is asked for and not waited for: who waits in the server holds a snapshot, and
    `create index concurrently` waits for all snapshots, so both would wait for ever.
    """
    guard = await asyncpg.connect(dsn, server_settings={"application_name": "sahut-migrate turn"})
    try:
        begin = "begin; set local idle_in_transaction_session_timeout = 0"
        await guard.execute(begin)
        ends_at = time.monotonic() + patience.others_s
        while not await guard.fetchval("select pg_try_advisory_xact_lock($1)", locks.MIGRATION):
            # The transaction ends too: an index that saw its snapshot for a moment waits for the end of all of it.
            await guard.execute("rollback")
            if time.monotonic() > ends_at:
                raise MigrationBlocked("another process has been migrating this database for too long")
            await asyncio.sleep(_LOOK_AGAIN_S)
            await guard.execute(begin)
        await guard.execute(_FORGET)
        yield
    finally:
        await guard.close()


async def _not_yet_applied(
    connection: "asyncpg.Connection[asyncpg.Record]", known: tuple[Migration, ...]
) -> list[Migration]:
    rows = await connection.fetch("select name, sha256, contracts from db.migration order by name")
    applied = {row["name"]: row["sha256"] for row in rows}
    for migration in known:
        if applied.get(migration.name, migration.digest) != migration.digest:
            raise MigrationChanged(
                f"{migration.name} was changed after it was applied here; write a new migration instead"
            )
    ours = {migration.name for migration in known}
    strange = [row for row in rows if row["name"] not in ours]
    for row in strange:
        if row["contracts"]:
            raise NewerDatabase(f"the database has {row['name']}, with which only a newer release can work")
    if strange:
        _log.warning("database_is_newer_and_fits", migrations=[row["name"] for row in strange])
    return [migration for migration in known if migration.name not in applied]


async def _apply_patiently(
    connection: "asyncpg.Connection[asyncpg.Record]", migration: Migration, patience: Patience
) -> None:
    apply = _apply_whole if migration.in_transaction else _apply_by_statement
    for left in reversed(range(patience.tries)):
        try:
            await apply(connection, migration, patience)
        except CONFLICT as error:
            _log.warning("migration_waits", migration=migration.name, tries_left=left, error=type(error).__name__)
        else:
            return
        if left:
            await asyncio.sleep(random.uniform(patience.pause_s / 2, patience.pause_s))
    raise MigrationBlocked(f"{migration.name} could not get its locks in {patience.tries} tries")


async def _apply_whole(
    connection: "asyncpg.Connection[asyncpg.Record]", migration: Migration, patience: Patience
) -> None:
    async with connection.transaction():
        await connection.execute(f"set local lock_timeout = {round(patience.lock_wait_s * 1000)}")
        await connection.execute(migration.text)
        await _remember(connection, migration)


async def _apply_by_statement(
    connection: "asyncpg.Connection[asyncpg.Record]", migration: Migration, patience: Patience
) -> None:
    """Each statement can be repeated (a house test sees to it); an index that a kill left unfinished is made anew.

    Nobody waits behind an index that is made concurrently, so its locks may take as long as another's turn.
    """
    await connection.execute(f"set lock_timeout = {round(patience.others_s * 1000)}")
    for index, schema in _CONCURRENT_INDEX.findall(migration.text):
        half_made = await connection.fetchval(
            "select true from pg_index where indexrelid = to_regclass($1) and not indisvalid", f"{schema}.{index}"
        )
        if half_made:
            await connection.execute(f"drop index concurrently {schema}.{index}")
    for statement in statements(migration.text):
        await connection.execute(statement)
    await connection.execute("reset lock_timeout")
    await _remember(connection, migration)


async def _remember(connection: "asyncpg.Connection[asyncpg.Record]", migration: Migration) -> None:
    await connection.execute(
        "insert into db.migration (name, sha256, contracts) values ($1, $2, $3)",
        migration.name,
        migration.digest,
        migration.contracts,
    )

"""Migrations: numbered files, forward only. Several processes may start at once; an old file may not change.

A file `NNNN_room_what.sql` begins with a comment that says why. Each runs in a transaction of its own together with the
row that remembers it, so a kill leaves it done or not done.
"""

import hashlib
from importlib.resources import files

import asyncpg

from sahut.db import locks
from sahut.db.pool import Connection

_FOLDER = "migrations"
_LOCK_WAIT = "10s"  # a migration that cannot get a table's lock gives up rather than stop the traffic behind it
_REMEMBER = """
    create schema if not exists db;
    create table if not exists db.migration (
        name text primary key, sha256 bytea not null, applied_at timestamptz not null default clock_timestamp()
    );
    grant usage on schema db to sahut_app;
    grant select on db.migration to sahut_app;"""


class MigrationChanged(Exception):
    """A migration that was applied here reads differently now. Write a new one instead."""


async def migrate(dsn: str) -> list[str]:
    """Bring the database to the newest migration, as its owner.

    Returns the names applied now, in order; empty when there was nothing to do.
    Refuses: `MigrationChanged` before anything is applied.
    Writes: `db.migration` and whatever the files say; analyzes afterwards, so that no plan is made on ignorance.
    """
    connection = await asyncpg.connect(dsn, server_settings={"application_name": "sahut-migrate"})
    try:
        await connection.execute("select pg_advisory_lock($1)", locks.MIGRATION)
        if await connection.fetchval("select to_regclass('db.migration') is null"):
            await connection.execute(_REMEMBER)
        fresh = await _not_yet_applied(connection)
        for name, text in fresh:
            async with connection.transaction():
                await connection.execute(f"set local lock_timeout = '{_LOCK_WAIT}'")
                await connection.execute(text)
                await connection.execute("insert into db.migration (name, sha256) values ($1, $2)", name, _digest(text))
        if fresh:
            await connection.execute("analyze")
        return [name for name, _ in fresh]
    finally:
        await connection.close()


async def pending_migrations(connection: Connection) -> list[str]:
    """The names that this program knows and the database has not applied; reads only."""
    rows = await connection.fetch("select name from db.migration")
    applied = {row["name"] for row in rows}
    return [name for name, _ in _known() if name not in applied]


async def _not_yet_applied(connection: "asyncpg.Connection[asyncpg.Record]") -> list[tuple[str, str]]:
    applied = {row["name"]: row["sha256"] for row in await connection.fetch("select name, sha256 from db.migration")}
    known = _known()
    for name, text in known:
        if name in applied and applied[name] != _digest(text):
            raise MigrationChanged(f"{name} was changed after it was applied here; write a new migration instead")
    return [(name, text) for name, text in known if name not in applied]


def _known() -> list[tuple[str, str]]:
    """Name → text, in order."""
    folder = files("sahut.db").joinpath(_FOLDER)
    named = sorted((file.name, file) for file in folder.iterdir() if file.name.endswith(".sql"))
    return [(name.removesuffix(".sql"), file.read_text("utf-8")) for name, file in named]


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()

"""Asking the database: each question by a connection of its own that gives up after seconds; everything only reads."""

import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from importlib.resources import files

import asyncpg

from sahut.app.doctor.promises import ClocksSeen, HeadsSeen, JobsSeen
from sahut.app.doctor.server import MigrationsSeen, RightsSeen, SafetySeen, SessionsSeen, VacuumSeen
from sahut.app.engines.addresses import APPLICATION
from sahut.db import Connection, Queries
from sahut.work import jobs_by_kind

WAIT_S = 5.0
_HUNG_AFTER_S = 5.0
_UNKNOWN_FOR_S = 60.0
_queries = Queries.load("sahut.app.doctor")


@asynccontextmanager
async def asked(dsn: str) -> AsyncIterator[Connection]:
    """Open a connection for one question; nobody waits for its end."""
    connection = await asyncpg.connect(
        dsn,
        timeout=WAIT_S,
        command_timeout=WAIT_S,
        server_settings={"application_name": "sahut-doctor", "default_transaction_read_only": "on"},
    )
    try:
        yield connection
    finally:
        connection.terminate()


async def ask_safety(connection: Connection) -> SafetySeen:
    row = await _queries.safety.fetchrow(connection)
    assert row is not None
    return SafetySeen(**dict(row))


async def ask_rights(connection: Connection) -> RightsSeen:
    row = await _queries.rights.fetchrow(connection, role=APPLICATION)
    if row is None:
        return RightsSeen(APPLICATION, is_superuser=False, owned=(), changeable=())
    return RightsSeen(row["role"], row["is_superuser"], tuple(row["owned"]), tuple(row["changeable"]))


async def ask_migrations(connection: Connection) -> MigrationsSeen:
    try:
        rows = await _queries.applied_migrations.fetch(connection)
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        rows = []
    return MigrationsSeen(known_migrations(), {row["name"]: bytes(row["sha256"]) for row in rows})


def known_migrations() -> dict[str, bytes]:
    """Name → SHA-256 of the migrations of this release."""
    folder = files("sahut.db").joinpath("migrations")
    return {
        file.name.removesuffix(".sql"): hashlib.sha256(file.read_bytes()).digest()
        for file in folder.iterdir()
        if file.name.endswith(".sql")
    }


async def ask_clock(connection: Connection) -> float:
    """**Returns**: seconds by which the database's clock is ahead, the way there and back taken off by halves."""
    before = time.time()
    there = await _queries.clock.fetchval(connection)
    return float(there - (before + time.time()) / 2)


async def ask_sessions(connection: Connection, *, hung_after_s: float = _HUNG_AFTER_S) -> SessionsSeen:
    row = await _queries.sessions.fetchrow(connection, hung_after_s=hung_after_s)
    assert row is not None
    return SessionsSeen(row["used"], row["allowed"], tuple(row["hung"]), row["longest_s"], row["longest_name"])


async def ask_vacuum(connection: Connection) -> VacuumSeen:
    row = await _queries.vacuum.fetchrow(connection)
    assert row is not None
    return VacuumSeen(row["xids"], row["table_name"], row["dead"], row["live"])


async def ask_sealing(connection: Connection) -> float:
    return float(await _queries.sealing_lag.fetchval(connection))


async def ask_heads(connection: Connection, published: tuple[int, str, datetime] | None) -> HeadsSeen:
    """``published``: the newest head in the files, which the table should have too."""
    row = await _queries.heads.fetchrow(connection)
    assert row is not None
    matches = published is not None and await _queries.has_head.fetchval(
        connection, n=published[0], root=bytes.fromhex(published[1])
    )
    signed = None if row["signed_n"] is None else (row["signed_n"], row["signed_root"].hex(), row["signed_at"])
    return HeadsSeen(row["now"], row["n"], signed, published, bool(matches))


async def ask_clocks(connection: Connection) -> ClocksSeen:
    row = await _queries.clocks.fetchrow(connection)
    assert row is not None
    return ClocksSeen(**dict(row))


async def ask_jobs(connection: Connection, known: frozenset[str]) -> JobsSeen:
    """``known``: the kinds of jobs that this release has."""
    kinds = await jobs_by_kind(connection)
    oldest = max(kinds, key=lambda one: one.oldest_due_s, default=None)
    return JobsSeen(
        buried=sum(one.buried for one in kinds),
        # While a release is rolled out, a kind may be unknown here for a moment; and a buried job is counted as one.
        unknown=tuple(one.kind for one in kinds if one.kind not in known and one.oldest_due_s > _UNKNOWN_FOR_S),
        oldest_due_s=oldest.oldest_due_s if oldest else 0.0,
        oldest_kind=oldest.kind if oldest else "",
    )

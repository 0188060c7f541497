"""Connections: the pool of a process and the transaction at the edge."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg

from sahut.db import tracing
from sahut.db.metrics import waited_for, watch_pool
from sahut.db.refusals import AWAY, CONFLICT, DATABASE_LOST, named

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

# Generic plans made while a table is empty scan it until the next analyze, and planning a statement of ten parts anew
# for each batch costs more than running it. Our statements all find their rows by a key, so scans and hash joins are
# switched off for them (ADR 83).
APPLICATION_SETTINGS = {
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "enable_material": "off",  # an anti-join must look each row up, not read a whole index once and search that
    "enable_bitmapscan": "off",  # an index read in its order needs no sort, and stops at the limit
    # The months of the log are joined each with its own seals, and a look at a few rows is no work for two.
    "enable_partitionwise_join": "on",
    "max_parallel_workers_per_gather": "0",
    "timezone": "UTC",
}
_COMMIT = "COMMIT;"  # as the driver sends it
CONNECT_WAIT_S = 5.0
POOL_WAIT_S = 5.0
STATEMENT_WAIT_S = 30.0
# A process that hangs in a transaction would hold its locks, and the turn of the ledger, for ever: the server ends it.
_HANG_MS = "5000"


class NotCommitted(Exception):
    """A statement of the transaction had failed and somebody went on as if it had not. Nothing was written."""


class _Committing(asyncpg.Connection):
    """PostgreSQL answers the commit of a failed transaction with no error, only with another word."""

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:  # noqa: ASYNC109
        status: str = await super().execute(query, *args, timeout=timeout)
        if status == "ROLLBACK" and query == _COMMIT:
            raise NotCommitted
        return status


async def open_pool(dsn: str, *, size: int, name: str) -> Pool:
    """A pool of at most `size` connections, opened when first needed; `name` is what PostgreSQL shows for them.

    The connections carry no state, so nothing is reset when one is given back (a reset costs a round trip).
    """
    pool = await asyncpg.create_pool(
        dsn,
        min_size=0,
        max_size=size,
        max_inactive_connection_lifetime=0,
        timeout=CONNECT_WAIT_S,
        command_timeout=STATEMENT_WAIT_S,
        connection_class=_Committing,
        reset=_keep,
        server_settings={
            **APPLICATION_SETTINGS,
            "application_name": name,
            "idle_in_transaction_session_timeout": _HANG_MS,
        },
    )
    assert pool is not None
    watch_pool(pool, name)
    return pool


async def open_connection(
    dsn: str, *, name: str, command_timeout_s: float = STATEMENT_WAIT_S, **settings: str
) -> "asyncpg.Connection[asyncpg.Record]":
    """One connection of its own, for what belongs to a session: a lock held for ever, or listening.

    `command_timeout_s`: how long one statement may take. `settings`: further settings of the server, by name.
    """
    return await asyncpg.connect(
        dsn,
        timeout=CONNECT_WAIT_S,
        command_timeout=command_timeout_s,
        server_settings={
            **APPLICATION_SETTINGS,
            "application_name": name,
            "idle_in_transaction_session_timeout": _HANG_MS,
            **settings,
        },
    )


@asynccontextmanager
async def connection(pool: Pool, *, wait_s: float = POOL_WAIT_S) -> AsyncIterator[Connection]:
    """A connection to read with, given back at the end of the block; each statement is a transaction of its own.

    Refuses: `database_away` when none can be had within `wait_s`. What a statement raises in the block stays what
    the driver says: only who sent it knows whether it may have written.
    """
    began = perf_counter()
    with named():
        held = await pool.acquire(timeout=wait_s)
    waited_for(pool, perf_counter() - began)
    try:
        yield held
    finally:
        await pool.release(held)


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """One transaction: committed at the end of the block, rolled back when it raises.

    Refuses: `database_away` and `contended` when nothing was written, `outcome_unknown` when the connection was lost
    during the commit; each instead of what the driver raises for it. Raises `NotCommitted` when the block has passed
    over the error of a statement.
    """
    async with connection(pool) as held:
        work = held.transaction()
        try:
            await work.start()
            if caused := tracing.in_sql():
                await held.execute(caused)
            yield held
        except BaseException as error:
            await _roll_back(held, work)
            # The block may talk to others than the database; what they say is not ours to name.
            if isinstance(error, (*DATABASE_LOST, *CONFLICT)) or _has_gone(held):
                with named():
                    raise
            raise
        with named(committing=True):
            try:
                await work.commit()
            except BaseException:
                give_up(held)
                raise


def _has_gone(held: Connection) -> bool:
    """Whether the connection is closed; the pool takes one back at once that the server has ended."""
    try:
        return held.is_closed()
    except asyncpg.InterfaceError:
        return True


async def _roll_back(held: Connection, work: "asyncpg.transaction.Transaction") -> None:
    """Undo what can still be undone; a connection that has gone was undone by the server."""
    try:
        if not _has_gone(held) and held.is_in_transaction():
            await work.rollback()
    except AWAY:
        give_up(held)


def give_up(connection: Connection) -> None:
    """Drop a connection whose state nobody knows, so that the pool gives it to nobody; one that is gone is fine too."""
    with suppress(asyncpg.InterfaceError):
        connection.terminate()


async def _keep(connection: Connection) -> None:
    """Leave the connection as it is."""

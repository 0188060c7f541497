"""Sessions of ours whose process hangs in the middle of a statement.

The server ends sessions that are silent between statements (its own timeouts). While it waits for a client to take rows
or to send the rest of a statement, the session counts as active and no timeout of the server applies; if it holds the
turn of the ledger or the sealer's lock, everybody waits. So every work process looks after all of them.
"""

import asyncio

import structlog

from sahut.db import AWAY, Pool, Queries, connection

EVERY_S, HUNG_AFTER_S = 1.0, 3.0

_queries = Queries.load("sahut.work")
_log = structlog.get_logger()


async def end_hung_sessions(pool: Pool, *, after_s: float = HUNG_AFTER_S) -> list[str]:
    """End this role's sessions whose client keeps the server waiting in a statement for so long; their names."""
    async with connection(pool) as held:
        rows = await _queries.end_hung_sessions.fetch(held, after_s=after_s)
    for row in rows:
        _log.error("hung_session_ended", session=row["application_name"])
    return [row["application_name"] for row in rows]


async def watch_hung_sessions(pool: Pool) -> None:
    """Look each second, until cancelled."""
    while True:
        await asyncio.sleep(EVERY_S)
        try:
            await end_hung_sessions(pool)
        except AWAY as error:
            _log.warning("hung_sessions_not_looked_at", error=type(error).__name__)

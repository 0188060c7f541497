"""The months of the log: made ahead, so that an event always finds its place.

The application has no right to make tables; a function of the owner makes the month of the clock and the three after
it, and nothing else. What a clock that jumped has put outside all months stands in `event_other`, sealed and proven
like the rest; this says so.
"""

import asyncpg
import structlog

from sahut.db import Connection, Queries

_queries = Queries.load("sahut.work.log")
_log = structlog.get_logger()


async def make_months(connection: Connection) -> bool:
    """Make the months that are missing, in a transaction of its own; False when others were in the way: ask again.

    Writes: tables of `work.event` and `work.seal`, through the owner's function.
    """
    try:
        made = [row["made"] for row in await _queries.make_partitions.fetch(connection)]
    except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
        _log.warning("months_of_the_log_not_made")
        return False
    if made:
        _log.info("months_of_the_log_made", tables=made)
    for stray in await stray_months(connection):
        _log.error("events_outside_the_months_of_the_log", **stray)
    return True


async def stray_months(connection: Connection) -> list[dict[str, object]]:
    """Which months the events outside all tables bear, ascending: [{"month", "events"}], at most 20; reads only."""
    return [
        {"month": row["month"].isoformat()[:7], "events": row["events"]}
        for row in await _queries.stray_months.fetch(connection)
    ]

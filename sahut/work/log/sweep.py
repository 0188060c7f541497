"""The sweep: each minute it looks for events that the sealer has passed over. There should never be one.

A log with a valid head can still lack rows, so this asks the question from the other side. What it finds is told to the
sealer, which numbers it in its next tick, and an alarm goes into the log itself.
"""

import asyncio
from collections.abc import Callable

import structlog

from sahut.db import AWAY, CONFLICT, Connection, Queries, open_connection
from sahut.work.log.append import append_event
from sahut.work.log.months import make_months
from sahut.work.rows import EventRow

EVERY_S, MONTHS_EVERY_S = 60.0, 86_400.0
RECENT, STRIDE, AT_MOST = 400_000, 200_000, 1000

_queries = Queries.load("sahut.work.log")
_log = structlog.get_logger()


async def lost_events(connection: Connection, *, above: int, upto: int) -> list[int]:
    """Ids in (above, upto] that bear no number although the sealer has passed them, ascending, at most 1,000."""
    rows = await _queries.lost_events.fetch(connection, above=above, upto=upto, at_most=AT_MOST)
    return [row["id"] for row in rows]


async def sweep(connection: Connection) -> list[int]:
    """Look once: at the newest events, and at one stretch of the older ones in turn. The ids found, ascending.

    Writes: how far it has walked, and an `alarm` event for each id found, in one transaction.
    """
    bounds = await _queries.sweep_bounds.fetchrow(connection)
    assert bounds is not None
    seen, swept = bounds["seen"], bounds["swept"]
    found = await lost_events(connection, above=max(0, seen - RECENT), upto=seen)
    if swept + RECENT < seen:
        found += await lost_events(connection, above=swept, upto=min(swept + STRIDE, seen - RECENT))
        swept += STRIDE
    else:
        swept = 0
    async with connection.transaction():
        await _queries.note_swept.execute(connection, swept=swept)
        for event_id in found:
            await append_event(connection, EventRow("alarm", 0, "unsealed_event_found", {"event": event_id}))
    for event_id in found:
        _log.error("unsealed_event_found", event_id=event_id)
    return found


async def run_sweep(dsn: str, on_found: Callable[[list[int]], None], *, name: str) -> None:
    """Sweep each minute until cancelled, on a connection of its own so that no tick waits for it; make months each day.

    `on_found` gets the ids found; it belongs to the sealer of the same process, so only who seals sweeps.
    """
    loop = asyncio.get_running_loop()
    wait_s, months_due = 0.0, 0.0  # the months at once: after a long rest this one may be missing
    while True:
        await asyncio.sleep(wait_s)
        try:
            # Unlike all others this query reads a whole stretch, so the planner may choose.
            connection = await open_connection(
                dsn, name=name, enable_hashjoin="on", enable_mergejoin="on", plan_cache_mode="force_custom_plan",
                idle_in_transaction_session_timeout="1000",  # it holds the row that the sealer writes
            )  # fmt: skip
        except AWAY:
            wait_s = EVERY_S
            continue
        try:
            if loop.time() >= months_due and await make_months(connection):
                months_due = loop.time() + MONTHS_EVERY_S
            if wait_s:
                on_found(await sweep(connection))
        except (*AWAY, *CONFLICT) as error:
            _log.warning("sweep_broken_off", error=type(error).__name__)
        finally:
            wait_s = EVERY_S
            connection.terminate()

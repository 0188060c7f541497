"""The bell: "there are events up to n". A lost ring costs a delay until the next look, never an event.

Readers always read from the table by cursor; this only tells them when.
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress

import structlog

from sahut.db import AWAY, open_connection

CHANNEL = "ring"
_PROBE_S = 5.0
_RETRY_MOST_S = 2.0

_log = structlog.get_logger()


async def listen(dsn: str, on_ring: Callable[[int], None], *, name: str) -> None:
    """Call `on_ring(n)` at each ring, for ever. Connects again by itself; after each connect it rings once with 0.

    Ends only when it is cancelled. `name`: what PostgreSQL shows for the connection.
    """

    def heard(_connection: object, _pid: int, _channel: str, payload: object) -> None:
        on_ring(int(str(payload)))

    tries = 0
    while True:
        try:
            connection = await open_connection(dsn, name=name, command_timeout_s=_PROBE_S)
        except AWAY:
            tries += 1
            await asyncio.sleep(random.uniform(0.1, min(_RETRY_MOST_S, 0.1 * 2**tries)))
            continue
        tries = 0
        try:
            gone = asyncio.Event()
            connection.add_termination_listener(lambda _, told=gone: told.set())
            await connection.add_listener(CHANNEL, heard)
            on_ring(0)  # what was rung while nobody listened
            while not gone.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(_PROBE_S):
                        await gone.wait()
                await connection.fetchval("select 1")  # a server that hangs does not end the connection
        except AWAY as error:
            _log.warning("ring_lost", error=type(error).__name__)
        finally:
            connection.terminate()

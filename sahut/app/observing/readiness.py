"""Whether a process that needs nothing but the database may be given work."""

import asyncio
from collections.abc import Sequence

from sahut.db import AWAY, Pool, connection, pending_migrations

PROBE_S = 2.0


class DatabaseReadiness:
    """Answers what is missing, by name: `draining`, `database`, `migrations`; nothing when all is there.

    `ending`: set when the process was told to stop.
    """

    def __init__(self, pool: Pool, ending: asyncio.Event) -> None:
        self._pool, self._ending = pool, ending
        self._tables_are_new = False

    async def __call__(self) -> Sequence[str]:
        if self._ending.is_set():
            return ["draining"]
        try:
            async with asyncio.timeout(PROBE_S), connection(self._pool) as held:
                await held.fetchval("select 1")
                if not self._tables_are_new:
                    # Once seen it stays so: migrations only go forward.
                    self._tables_are_new = not await pending_migrations(held)
        except (TimeoutError, *AWAY):
            return ["database"]
        return [] if self._tables_are_new else ["migrations"]

"""Whether the database and its tables are there for a process, asked on a connection as its work would have it."""

import asyncio

from sahut.db import AWAY, Pool, connection, pending_migrations

PROBE_S = 2.0


class DatabaseReadiness:
    """Answers the name of what is missing, `database` or `migrations`; None when both are there."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._tables_are_new = False

    async def __call__(self) -> str | None:
        try:
            async with asyncio.timeout(PROBE_S), connection(self._pool) as held:
                await held.fetchval("select 1")
                if not self._tables_are_new:
                    # Once seen it stays so: migrations only go forward.
                    self._tables_are_new = not await pending_migrations(held)
        except (TimeoutError, *AWAY):
            return "database"
        return None if self._tables_are_new else "migrations"

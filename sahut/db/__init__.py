"""Db: how the house speaks to PostgreSQL. Pool, transaction, named SQL, migrations. It knows no table of any room.

A transaction is opened at the edge (a request, a job); rooms receive a connection and never commit. SQL stands as
named text in `queries.sql` of the room that owns the tables.
"""

from sahut.db.migrate import MigrationChanged, migrate, pending_migrations
from sahut.db.pool import (
    APPLICATION_SETTINGS,
    AWAY,
    DATABASE_LOST,
    POOL_WAIT_S,
    Connection,
    DatabaseAway,
    Pool,
    give_up,
    is_away,
    open_connection,
    open_pool,
    transaction,
)
from sahut.db.sql import Queries, Query

__all__ = [
    "APPLICATION_SETTINGS",
    "AWAY",
    "DATABASE_LOST",
    "POOL_WAIT_S",
    "Connection",
    "DatabaseAway",
    "MigrationChanged",
    "Pool",
    "Queries",
    "Query",
    "give_up",
    "is_away",
    "migrate",
    "open_connection",
    "open_pool",
    "pending_migrations",
    "transaction",
]

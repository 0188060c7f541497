"""Db: how the house speaks to PostgreSQL. Pool, transaction, named SQL, migrations. It knows no table of any room.

A transaction is opened at the edge (a request, a job); rooms receive a connection and never commit. SQL stands as
named text in `queries.sql` of the room that owns the tables.
"""

from sahut.db import tracing
from sahut.db.figures import server_figures
from sahut.db.metrics import SHORT_S
from sahut.db.migrate import (
    Migration,
    MigrationBlocked,
    MigrationChanged,
    NewerDatabase,
    Patience,
    known_migrations,
    migrate,
    pending_migrations,
)
from sahut.db.pool import (
    APPLICATION_SETTINGS,
    POOL_WAIT_S,
    Connection,
    NotCommitted,
    Pool,
    connection,
    give_up,
    open_connection,
    open_pool,
    transaction,
)
from sahut.db.refusals import (
    AWAY,
    CONFLICT,
    DATABASE_LOST,
    Contended,
    DatabaseAway,
    OutcomeUnknown,
    again_after_conflict,
    is_away,
    named,
    refusal_of,
)
from sahut.db.sql import BadQuery, Queries, Query

__all__ = [
    "APPLICATION_SETTINGS",
    "AWAY",
    "CONFLICT",
    "DATABASE_LOST",
    "POOL_WAIT_S",
    "SHORT_S",
    "BadQuery",
    "Connection",
    "Contended",
    "DatabaseAway",
    "Migration",
    "MigrationBlocked",
    "MigrationChanged",
    "NewerDatabase",
    "NotCommitted",
    "OutcomeUnknown",
    "Patience",
    "Pool",
    "Queries",
    "Query",
    "again_after_conflict",
    "connection",
    "give_up",
    "is_away",
    "known_migrations",
    "migrate",
    "named",
    "open_connection",
    "open_pool",
    "pending_migrations",
    "refusal_of",
    "server_figures",
    "tracing",
    "transaction",
]

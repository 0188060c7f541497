"""The engines that Sahut brings along: PostgreSQL, for everybody who has none.

``Engine(home).start()`` gives a running database; every process computes its address from the home alone
(``app_dsn``, ``owner_dsn``). In production an operator gives ``SAHUT_DATABASE_URL`` instead and nothing here runs.
"""

from sahut.app.engines.addresses import app_dsn, backup_dsn, owner_dsn, superuser_dsn
from sahut.app.engines.foreign import check_database, check_owner
from sahut.app.engines.machine import connections_for
from sahut.app.engines.postgres import Engine

__all__ = [
    "Engine",
    "app_dsn",
    "backup_dsn",
    "check_database",
    "check_owner",
    "connections_for",
    "owner_dsn",
    "superuser_dsn",
]

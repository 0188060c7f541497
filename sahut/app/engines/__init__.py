"""The engines that Sahut works with: the PostgreSQL that comes along, and those of others.

``Engine(home).start()`` gives a running database; every process computes its address from the home alone
(``app_dsn``, ``owner_dsn``). Where an operator gives ``SAHUT_DATABASE_URL``, that server is looked at before it is used
(``check_database``, ``check_owner``) and nothing else here runs.
"""

from sahut.app.engines.addresses import app_dsn, backup_dsn, owner_dsn, superuser_dsn
from sahut.app.engines.foreign import check_database, check_owner
from sahut.app.engines.machine import max_connections
from sahut.app.engines.postgres import Engine

__all__ = [
    "Engine",
    "app_dsn",
    "backup_dsn",
    "check_database",
    "check_owner",
    "max_connections",
    "owner_dsn",
    "superuser_dsn",
]

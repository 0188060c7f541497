"""How the server is: its size, its oldest transaction, who follows it. Asked by one process for all."""

from prometheus_client.core import GaugeMetricFamily, Metric

from sahut.db.pool import Connection
from sahut.db.sql import Queries

_SHOWN = {
    "bytes": ("sahut_database_bytes", "Size of the database on disk."),
    "oldest_transaction_s": (
        "sahut_database_oldest_transaction_seconds", "Age of the oldest transaction; it holds up vacuum and sealer.",
    ),
    "sessions": ("sahut_database_sessions", "Sessions of this database."),
    "waiting": ("sahut_database_sessions_waiting", "Sessions that wait for a lock."),
    "transaction_age": ("sahut_database_transaction_age", "Transactions since the last freeze; 2 billion is the end."),
    "archived_s": ("sahut_archive_age_seconds", "Since the last segment went to the archive by command."),
    "archive_failures": ("sahut_archive_failures", "Segments that the archive command refused."),
    "replicas": ("sahut_replicas", "Receivers that follow this server: standbys and the archive."),
    "replay_lag_s": ("sahut_replication_lag_seconds", "How far the slowest standby is behind."),
}  # fmt: skip


async def server_figures(connection: Connection) -> list[Metric]:
    """What the server says of itself, as families for Prometheus; what it does not say is left out. Reads only."""
    row = await Queries.load("sahut.db").server_figures.fetchrow(connection)
    assert row is not None
    return [
        GaugeMetricFamily(name, told, value=row[column])
        for column, (name, told) in _SHOWN.items()
        if row[column] is not None
    ]

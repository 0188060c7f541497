"""How long people wait for an answer now. Asked by one process for all."""

from prometheus_client.core import GaugeMetricFamily, Metric

from sahut.db import Connection, Queries

_CASES_AT_MOST = 500
_queries = Queries.load("sahut.care")


async def care_figures(connection: Connection) -> list[Metric]:
    """How long the oldest unanswered message has waited, among the 500 cases due soonest; 0: none. Reads only."""
    waited_s = await _queries.oldest_unanswered.fetchval(connection, at_most=_CASES_AT_MOST)
    told = "How long the oldest unanswered message waits."
    return [GaugeMetricFamily("sahut_contact_unanswered_oldest_seconds", told, value=waited_s or 0)]

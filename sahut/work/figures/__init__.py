"""How much is waiting, for how long: asked of the tables, bounded, by one process for all."""

from collections.abc import Iterable

from prometheus_client.core import GaugeMetricFamily, Metric

from sahut.db import Connection, Queries

# Nobody acts differently on a hundred thousand than on a million, but counting them costs.
COUNTED_AT_MOST = 10_000

_queries = Queries.load("sahut.work.figures")


async def work_figures(connection: Connection) -> list[Metric]:
    """What waits in the tables of this room, as families for Prometheus. Reads only; four bounded statements."""
    jobs = await _queries.job_figures.fetch(connection, at_most=COUNTED_AT_MOST)
    buried = await _queries.buried_figures.fetch(connection, at_most=COUNTED_AT_MOST)
    clocks = await _queries.clock_figures.fetch(connection, at_most=COUNTED_AT_MOST)
    log = await _queries.log_figures.fetchrow(connection, at_most=COUNTED_AT_MOST)
    assert log is not None
    most = f"counted up to {COUNTED_AT_MOST}"
    return [
        _by_kind("sahut_jobs_due", f"Jobs that are due and unclaimed, {most}.", jobs, "due"),
        _by_kind("sahut_jobs_due_oldest_seconds", "How long the oldest of them has been due.", jobs, "oldest_s"),
        _by_kind("sahut_jobs_buried", f"Jobs that wait for a person, {most}.", buried, "buried"),
        _by_kind("sahut_deadlines_running", f"Clocks that run, {most}.", clocks, "running"),
        _by_kind("sahut_deadlines_overdue", f"Clocks whose time has passed unmarked, {most}.", clocks, "overdue"),
        _by_kind("sahut_deadlines_overdue_longest_seconds", "Overdue for so long.", clocks, "longest_overdue_s"),
        GaugeMetricFamily("sahut_log_head", "The number of the last event that is sealed.", value=log["n"]),
        GaugeMetricFamily("sahut_log_lag_seconds", "Age of the oldest event without a number.", value=log["lag_s"]),
        GaugeMetricFamily("sahut_log_gaps", f"Missing numbers that the sealer waits for, {most}.", value=log["gaps"]),
        GaugeMetricFamily(
            "sahut_log_signed_age_seconds", "Age of the newest signed head.", value=log["since_signed_s"]
        ),
    ]  # fmt: skip


def _by_kind(name: str, told: str, rows: Iterable[object], column: str) -> Metric:
    family = GaugeMetricFamily(name, told, labels=["kind"])
    for row in rows:
        family.add_metric([row["kind"]], row[column] or 0)  # type: ignore[index]
    return family

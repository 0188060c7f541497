"""What a process measures of its connections, for Prometheus: the use of its pools, and the wait for a connection.

Labels are words of our own (the name of a pool), never ids. The registry is the process's own; who asks for it, and how
the figures of several processes come together, is told in `docs/observing.md`.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from sahut.db.pool import Pool

# From a quarter of a millisecond (an own statement) to what nobody waits for any more; a thing takes one of these.
SHORT_S = (0.00025, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

_WAITED = Histogram(
    "sahut_pool_wait_seconds", "How long a request or job waited for a connection.", ["pool"], buckets=SHORT_S
)


class _Pools(Collector):
    """Asked only when somebody scrapes, so that taking a connection costs nothing more."""

    def __init__(self) -> None:
        self.open: dict[str, Pool] = {}

    def describe(self) -> Iterable[Metric]:
        return [_connections()]

    def collect(self) -> Iterable[Metric]:
        found = _connections()
        for label, pool in list(self.open.items()):
            if pool.is_closing():
                del self.open[label]
                continue
            idle = pool.get_idle_size()
            found.add_metric([label, "used"], pool.get_size() - idle)
            found.add_metric([label, "idle"], idle)
            found.add_metric([label, "most"], pool.get_max_size())
        yield found


def _connections() -> GaugeMetricFamily:
    return GaugeMetricFamily(
        "sahut_pool_connections",
        "Connections of a pool: used, idle, and the most it may open.",
        labels=["pool", "state"],
    )


_pools = _Pools()
REGISTRY.register(_pools)
# A pool takes no attributes, so how to record for it is kept beside it; one that is opened later may get its number.
_waited: dict[int, Callable[[float], None]] = {}


def watch_pool(pool: "Pool", name: str) -> None:
    """Show a pool's use to who scrapes, until it is closed. Of two pools with one label the later is shown.

    `name`: as PostgreSQL shows it, such as `web-0 live`; the label is what follows the role.
    """
    label = name.partition(" ")[2] or "main"
    _pools.open[label] = pool
    _waited[id(pool)] = _WAITED.labels(label).observe


def waited_for(pool: "Pool", seconds: float) -> None:
    """Somebody got a connection after so long."""
    if (observe := _waited.get(id(pool))) is not None:
        observe(seconds)

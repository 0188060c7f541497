"""What the web measures, for Prometheus: how long answers take, what is refused, and how soon screens hear.

A route is the template of its address, never the address, so the figures hold nothing that a stranger typed and their
number is bounded by the table of routes.
"""

from collections.abc import Callable

from prometheus_client import Counter, Gauge, Histogram

from sahut.db import SHORT_S
from sahut.web.refusals import TABLE as REFUSALS

NOWHERE = "none"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})

_TOOK = Histogram(
    "sahut_request_seconds", "From a request's head to the head of its answer.", ["method", "route", "status"],
    buckets=SHORT_S,
)  # fmt: skip
_LEFT = Counter("sahut_requests_left", "Requests whose client was gone before there was an answer.", ["route"])
_REFUSED = Counter("sahut_refusals", "Answers that said no, by the code of the refusal.", ["code"])
_STREAMS = Gauge("sahut_live_streams", "Live streams that are open.")
_STREAMS_CUT = Counter("sahut_live_streams_cut", "Live streams that were cut off since their client did not read.")
_RING_TO_SCREEN = Histogram(
    "sahut_live_ring_to_screen_seconds", "From hearing the ring to having written to all streams.", buckets=SHORT_S
)

# Looking a figure up by its labels costs as much as recording it, so each is looked up once.
_took: dict[tuple[str, str, int], Callable[[float], None]] = {}


def answered(method: str, route: str, status: int, took_s: float) -> None:
    """An answer began. `route`: the template of the address, `none` when there is none."""
    key = (method if route != NOWHERE and method in _METHODS else "other", route, status // 100)
    observe = _took.get(key)
    if observe is None:
        observe = _took[key] = _TOOK.labels(key[0], route, f"{key[2]}xx").observe
    observe(took_s)


def left(route: str) -> None:
    """A client was gone before its answer began."""
    _LEFT.labels(route).inc()


def refused(code: str) -> None:
    """A refusal was told."""
    _REFUSED.labels(code if code in REFUSALS else "refused").inc()


def watch_streams(count: Callable[[], int]) -> None:
    """Show how many streams are open."""
    _STREAMS.set_function(count)


def stream_cut() -> None:
    """A stream was cut off."""
    _STREAMS_CUT.inc()


def shown(since_ring_s: float) -> None:
    """What was rung for has been written to all streams."""
    _RING_TO_SCREEN.observe(since_ring_s)

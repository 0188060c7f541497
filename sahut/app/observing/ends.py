"""How often the children of `up` ended and had to be started again."""

from prometheus_client import Counter

_ENDS = Counter("sahut_process_ends", "Ends of a child that `up` had to start again.", ["child"])


def child_ended(name: str) -> None:
    """A child ended although nobody had asked it to. `name`: such as web-0, or postgres."""
    _ENDS.labels(name).inc()

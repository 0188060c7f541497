"""What a process measures of its batches, jobs, clocks and the log, for Prometheus.

Each meter is made once and holds what it counts with, so that recording is a handful of additions. Labels are words of
the program (the name of a batcher, the kind of a job or clock), never ids; a kind that nobody registered is `other`.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from time import perf_counter
from typing import Literal

from prometheus_client import Counter, Gauge, Histogram

from sahut.db import SHORT_S, tracing

_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_LONG_S = (0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 1800.0)
KINDS_AT_MOST = 100
OTHER = "other"

_BATCH_SIZE = Histogram("sahut_batch_commands", "Commands in a batch.", ["batcher"], buckets=_SIZES)
_BATCH_WAIT = Histogram(
    "sahut_batch_wait_seconds",
    "How long the first of a batch waited for its turn.",
    ["batcher"],
    buckets=SHORT_S,
)
_COMMIT = Histogram(
    "sahut_commit_seconds",
    "From taking a connection to the answer of the commit, by what was committed: ledger, intake, jobs.",
    ["what"], buckets=SHORT_S,
)  # fmt: skip
_BATCH_FAILED = Counter("sahut_batch_failures", "Batches of which no command was written.", ["batcher"])
_WAITING = Gauge("sahut_batch_waiting", "Commands that wait for their batch now.", ["batcher"])

_JOBS = Counter(
    "sahut_jobs", "Jobs that ended a try: done, waiting (not yet), failed (tried again), buried, lost, given back.",
    ["kind", "outcome"],
)  # fmt: skip
_JOB_TIME = Histogram(
    "sahut_job_seconds",
    "How long a try took that ended well; jobs that share a transaction are one.",
    ["kind"],
    buckets=SHORT_S,
)
_JOB_WAIT = Histogram("sahut_job_wait_seconds", "From when a job was due to its claim.", ["kind"], buckets=_LONG_S)
_JOBS_COMMIT = _COMMIT.labels("jobs").observe

_CLOCKS = Counter("sahut_deadline_marks", "Clocks that were opened, warned of, kept or broken.", ["kind", "mark"])

_BLOCKING_HELD = Gauge("sahut_blocking_held", "Blocking work that waits or runs now.", ["pool"])
_BLOCKING_REFUSED = Counter("sahut_blocking_refused", "Blocking work refused by a full pool.", ["pool"])

_TICK = Histogram("sahut_seal_tick_seconds", "How long a look of the sealer took.", ["found"], buckets=SHORT_S)
_SEALED = Counter("sahut_sealed_events", "Events that got their number from this process.")
_SEAL_LAG = Histogram(
    "sahut_seal_lag_seconds", "From the insertion of the oldest event of a look to its number.", buckets=SHORT_S
)
_SEALING = Gauge("sahut_sealing", "1 while this process is the sealer.")

Outcome = Literal["done", "waiting", "failed", "buried", "lost", "given_back"]
Mark = Literal["opened", "warned", "kept", "broken"]


class BatchMeter:
    """The figures of one batcher; `name`: ledger, intake."""

    def __init__(self, name: str, waiting: Callable[[], int]) -> None:
        self._size, self._waited = _BATCH_SIZE.labels(name), _BATCH_WAIT.labels(name)
        self._commit, self._failed = _COMMIT.labels(name), _BATCH_FAILED.labels(name)
        self._name = name
        _WAITING.labels(name).set_function(waiting)

    def taken(self, size: int, waited_s: float) -> None:
        """A batch of `size` commands begins; its first has waited for so long."""
        self._size.observe(size)
        self._waited.observe(waited_s)

    def span(self, causes: Iterable[str | None]) -> AbstractContextManager[tracing.Span | None]:
        """The span of a batch: under what caused the first command that is recorded, linked to the others' causes."""
        if not tracing.is_on():
            return tracing.NOTHING
        every = list(causes)
        known = sorted((caused for caused in every if caused is not None), key=tracing.is_sampled, reverse=True)
        return tracing.span(
            f"batch {self._name}", parent=known[0] if known else None, links=known[1:], commands=len(every)
        )

    def written(self, took_s: float) -> None:
        """It is committed."""
        self._commit.observe(took_s)

    def failed(self) -> None:
        """Nothing of it was written."""
        self._failed.inc()


class _Kinds:
    """The kinds seen so far, at most 100; what comes after them is `other`, so that no table can flood a scrape."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def __call__(self, kind: str) -> str:
        if kind in self._known:
            return kind
        if len(self._known) >= KINDS_AT_MOST:
            return OTHER
        self._known.add(kind)
        return kind


_job_kinds, _clock_kinds = _Kinds(), _Kinds()


def job_span(kind: str, causes: Sequence[str | None]) -> AbstractContextManager[tracing.Span | None]:
    """The span of a try: under what caused the first job, linked to what caused those that share its transaction."""
    if not tracing.is_on():
        return tracing.NOTHING
    known = [caused for caused in causes if caused is not None]
    return tracing.span(
        f"job {kind}", kind="consumer", parent=known[0] if known else None, links=known[1:], jobs=len(causes)
    )


@contextmanager
def job_tried(kind: str, count: int) -> Iterator[None]:
    """Around a try of so many jobs in one transaction; what ends well is counted as done."""
    began = perf_counter()
    yield
    _JOB_TIME.labels(_job_kinds(kind)).observe(perf_counter() - began)
    job_ended(kind, "done", count)


def job_ended(kind: str, outcome: Outcome, count: int = 1) -> None:
    """So many jobs of a kind ended a try; `lost`: the claim was somebody else's by then."""
    _JOBS.labels(_job_kinds(kind), outcome).inc(count)


def job_claimed(kind: str, late_s: float) -> None:
    """A job was claimed `late_s` after it was due."""
    _JOB_WAIT.labels(_job_kinds(kind)).observe(max(0.0, late_s))


@asynccontextmanager
async def jobs_committed() -> AsyncIterator[None]:
    """Around the transaction of jobs; one that fails is not counted."""
    began = perf_counter()
    yield
    _JOBS_COMMIT(perf_counter() - began)


def clock_marked(kind: str, mark: Mark, count: int = 1) -> None:
    """So many clocks of a kind were marked; counted when it is written, also if the transaction is undone later."""
    _CLOCKS.labels(_clock_kinds(kind), mark).inc(count)


def watch_blocking(pool: str, held: Callable[[], int]) -> None:
    """Show how much waits or runs in a bounded pool for blocking work."""
    _BLOCKING_HELD.labels(pool).set_function(held)


def blocking_refused(pool: str) -> None:
    """A bounded pool was full."""
    _BLOCKING_REFUSED.labels(pool).inc()


_TICK_EMPTY, _TICK_FULL = _TICK.labels("nothing"), _TICK.labels("events")


def ticked(sealed: int, took_s: float, lag_s: float | None = None) -> None:
    """The sealer looked once, and numbered so many; `lag_s`: the age of the oldest of them, when known."""
    (_TICK_FULL if sealed else _TICK_EMPTY).observe(took_s)
    if sealed:
        _SEALED.inc(sealed)
    if lag_s is not None:
        _SEAL_LAG.observe(max(0.0, lag_s))


def sealing(yes: bool) -> None:
    """Whether this process is the sealer now."""
    _SEALING.set(1 if yes else 0)

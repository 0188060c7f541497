"""Kinds of jobs: who does them, how many at a time, and what happens when one fails. Values and decisions, no I/O.

A kind is named by the floor that knows how to do it, and handed up to `app`, which gives all of them to the runner.
The name stands for the shape of the body too: a release that wants another body makes another kind, and keeps the old
one as long as jobs of it wait. So a job that waits five business days never meets a handler that cannot read it.
"""

import traceback
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sahut.db import CONFLICT, Connection

LONGEST_WAIT_S = 30 * 86_400.0
_TOLD_CHARACTERS, _PLACES, _CAUSES = 500, 4, 3


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A claimed job. `attempts`: 1 at the first claim, and the fence of this one; `forgiven` of them were no failures.

    `traceparent`: of the transaction that wrote the job, None when it had none.
    """

    id: int
    key: str
    kind: str
    attempts: int
    forgiven: int
    body: dict[str, Any]
    traceparent: str | None

    @property
    def tries(self) -> int:
        """The tries that count, this one included; 1 at the first."""
        return self.attempts - self.forgiven


JobHandler = Callable[[Connection, Job], Awaitable[None]]
# At most `together` jobs of the kind, in the order of their keys.
BatchHandler = Callable[[Connection, Sequence[Job]], Awaitable[None]]
# Speaks with the outside, without a transaction; what it returns then writes the answer down in one.
OutsideHandler = Callable[[Job], Awaitable[JobHandler]]


class RetryAfter(Exception):
    """Not yet: a handler raises it to be asked again in `wait_s` seconds. Its effects are undone; it has not failed."""

    def __init__(self, wait_s: float) -> None:
        self.wait_s = wait_s
        super().__init__(wait_s)


class ProcessLost(Exception):
    """The job was claimed again and again and nobody came back from it."""


class KindTwice(Exception):
    """Two floors want to do the same kind of job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often and how soon a job is tried again.

    The wait before try n+1 is drawn between nothing and `first_s` · 2ⁿ⁻¹, at most `most_s` seconds (full jitter). After
    `most_attempts` failures it is buried. A job may say `RetryAfter` `most_waits` times; from then on it counts.
    """

    first_s: float = 1.0
    most_s: float = 600.0
    most_attempts: int = 12
    most_waits: int = 1_000

    def __post_init__(self) -> None:
        assert 0 < self.first_s <= self.most_s <= LONGEST_WAIT_S, "waits are above zero and at most thirty days"
        assert 1 <= self.most_attempts <= 1_000, "from one to a thousand attempts"
        assert 0 <= self.most_waits <= 1_000_000, "from none to a million waits"

    def longest_s(self, tries: int) -> float:
        """The longest wait after so many failures."""
        return min(self.most_s, self.first_s * 2.0 ** min(tries - 1, 60))


@dataclass(frozen=True, slots=True)
class JobKind:
    """What one kind of job is and who does it: exactly one of `handle`, `handle_many` and `outside`.

    `at_once`: how many transactions of it one process runs at a time. `together`: how many jobs may share one; they go
    in the order of their keys, so that two processes take their locks in the same order, and when anything fails in it
    each is run alone. `within_s`: a try that takes longer is cancelled and has failed. `lease_s`: what a killed process
    costs the jobs that it held; renewed while a job runs.
    """

    name: str
    handle: JobHandler | None = None
    handle_many: BatchHandler | None = None
    outside: OutsideHandler | None = None
    at_once: int = 4
    together: int = 1
    within_s: float = 20.0
    lease_s: float = 5.0
    retry: Retry = Retry()

    def __post_init__(self) -> None:
        ways = (self.handle, self.handle_many, self.outside)
        assert sum(way is not None for way in ways) == 1, f"{self.name}: one way to do it, not more"
        assert 1 <= len(self.name) <= 64, "a name of at most 64 characters"
        assert 1 <= self.at_once <= 64, f"{self.name}: from one to 64 at once"
        assert 1 <= self.together <= 1_000, f"{self.name}: from one to a thousand together"
        assert self.outside is None or self.together == 1, f"{self.name}: the outside is asked for one job at a time"
        assert 0 < self.within_s <= 3_600, f"{self.name}: within an hour"
        assert 0.1 <= self.lease_s <= 3_600, f"{self.name}: a lease from a tenth of a second to an hour"


def by_name(kinds: Iterable[JobKind]) -> dict[str, JobKind]:
    """Name → kind. **Refuses**: `KindTwice`."""
    found: dict[str, JobKind] = {}
    for kind in kinds:
        if kind.name in found:
            raise KindTwice(kind.name)
        found[kind.name] = kind
    return found


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a job that did not end well: again in `wait_s`, or `bury`; `told` is added to its story."""

    wait_s: float
    bury: bool = False
    forgive: bool = False
    told: str | None = None


def judge(retry: Retry, job: Job, error: Exception, chance: float) -> Verdict:
    """Decide about a job whose handler raised `error`. `chance`: from 0 to 1, where in the wait the next try lies."""
    if isinstance(error, RetryAfter) and job.forgiven < retry.most_waits:
        return Verdict(min(max(error.wait_s, 0.0), LONGEST_WAIT_S), forgive=True)
    if job.tries >= retry.most_attempts:
        return Verdict(0.0, bury=True, told=told_of(error))
    # Two that were in each other's way are nobody's fault, and it passes at once; others wait longer each time.
    longest_s = 0.2 if isinstance(error, CONFLICT) else retry.longest_s(job.tries)
    return Verdict(chance * longest_s, told=told_of(error))


def told_of(error: BaseException) -> str:
    """The kinds of an exception and its causes with their places in the code, at most 500 characters.

    What an exception *says* may quote a row or a message, and so a person; it is never part of a story.
    """
    told: list[str] = []
    current: BaseException | None = error
    while current is not None and len(told) < _CAUSES:
        frames = traceback.extract_tb(current.__traceback__)[-_PLACES:]
        where = " < ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames))
        state = getattr(current, "sqlstate", None)
        told.append(f"{type(current).__name__}{f' [{state}]' if state else ''}{f' at {where}' if where else ''}")
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return "; from ".join(told)[:_TOLD_CHARACTERS]

"""A line: the jobs of one kind that this process holds, those that wait for a lane and those that are in one. No I/O.

How many it may hold grows while claims come back full and follow each other quickly, and falls back to what its lanes
can begin at once when they do not. So short steps are claimed by the dozen, and long ones are not taken from others.
"""

from asyncio import Task
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sahut.work.jobs.kinds import Job, JobKind

MOST_HELD = 64  # where fewer fit into the lanes, and twice what fits into them where more do
QUICK_S, SLOW_S = 0.1, 1.0  # between two claims: lanes that keep up, and lanes that do not


@dataclass(slots=True, eq=False)
class Held:
    """A claimed job. `since`: the loop's time when its lease was surely there. `alone`: it shares no transaction."""

    job: Job
    since: float
    alone: bool


class Line:
    """The jobs of one kind; `claimed`, `take`, `done` in this order."""

    def __init__(self, kind: JobKind) -> None:
        self.kind = kind
        self.waiting: deque[Held] = deque()
        self.running: dict[int, Held] = {}
        self.lanes: set[Task[None]] = set()
        self.may_have_more = True
        self._fits = kind.at_once * kind.together
        self._may_hold = self._fits
        self._full_since: float | None = None

    @property
    def room(self) -> int:
        """How many to claim now; 0 while more than half is still held, so that a claim is worth its round trip."""
        held = len(self.waiting) + len(self.running)
        return self._may_hold - held if held * 2 <= self._may_hold else 0

    def claimed(self, jobs: Iterable[Job], *, asked: int, since: float) -> int:
        """Put claimed jobs at the end of the line; how many. A job that was tried before runs alone: it may be the one
        that fails."""
        before = len(self.waiting)
        self.waiting.extend(Held(job, since, alone=job.tries > 1) for job in jobs)
        count = len(self.waiting) - before
        self.may_have_more = count >= asked
        between_s = None if self._full_since is None else since - self._full_since
        self._full_since = since if self.may_have_more else None
        if self.may_have_more and between_s is not None and between_s < QUICK_S:
            self._may_hold = min(self._may_hold * 2, max(MOST_HELD, 2 * self._fits))
        elif between_s is not None and between_s > SLOW_S:
            self._may_hold = self._fits
        return count

    def take(self) -> list[Held]:
        """What a lane does next, at most `together`, in the order of their keys. There must be somebody waiting."""
        group = [self.waiting.popleft()]
        while len(group) < self.kind.together and self.waiting and not (group[0].alone or self.waiting[0].alone):
            group.append(self.waiting.popleft())
        group.sort(key=_by_key)
        self.running.update((held.job.id, held) for held in group)
        return group

    def done(self, group: Sequence[Held]) -> None:
        for held in group:
            self.running.pop(held.job.id, None)

    def again_alone(self, group: Sequence[Held], now: float) -> None:
        """What failed together comes next, one by one."""
        self.done(group)
        for held in group:
            held.alone, held.since = True, now
        self.waiting.extendleft(reversed(group))

    def waited_too_long(self, now: float) -> list[Job]:
        """Take those out of the line that did not begin in half of their lease, so that others may have them."""
        late = [held for held in self.waiting if now - held.since > self.kind.lease_s / 2]
        if late:
            self._may_hold = self._fits
            self.waiting = deque(held for held in self.waiting if now - held.since <= self.kind.lease_s / 2)
        return [held.job for held in late]

    def leave(self) -> list[Job]:
        """Let go of everything; what it was."""
        left = [held.job for held in (*self.waiting, *self.running.values())]
        self.waiting.clear()
        self.running.clear()
        return left


def _by_key(held: Held) -> str:
    return held.job.key

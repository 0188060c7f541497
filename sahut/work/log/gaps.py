"""Numbers of events that are missing: not committed yet, or rolled back. Pure; the heart of the sealer.

A number is drawn inside a transaction and appears when that commits. So the numbers up to `seen` have holes, and a hole
may be filled later or never. A hole found at a snapshot bears a *horizon*: a transaction id taken after that snapshot.
When every transaction below the horizon has ended and a later snapshot still does not show the number, it was rolled
back.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gap:
    """The numbers `first` to `last` (both included) were missing; dead once all below `horizon` ended."""

    first: int
    last: int
    horizon: int


def fill(
    gaps: Iterable[Gap],
    seen: int,
    arrived: list[int],
    *,
    horizon: int,
    ended_below: int,
    looked_upto: int | None = None,
) -> tuple[list[Gap], int]:
    """The gaps after a look, and the new highest number seen.

    `gaps`: those that were looked at. `arrived`: the numbers of the look, ascending; those up to `seen` lie in gaps.
    `horizon`: a transaction id taken after the look's snapshot; `ended_below`: all lower transactions had ended at it.
    `looked_upto`: the look was broken off at this number, and says nothing of higher ones; None: it was whole.
    """
    late = [number for number in arrived if number <= seen]
    remaining = _without(gaps, late)
    fresh: list[Gap] = []
    for number in arrived[len(late) :]:
        if number > seen + 1:
            fresh.append(Gap(seen + 1, number - 1, horizon))
        seen = number
    # What was missing before and all that could bring it has ended: this very snapshot would show it.
    alive = [
        gap for gap in remaining if gap.horizon > ended_below or (looked_upto is not None and gap.last > looked_upto)
    ]
    return alive + fresh, seen


def changes(before: Iterable[Gap], after: Iterable[Gap]) -> tuple[list[int], list[Gap]]:
    """What turns the rows of `before`, found by `first`, into those of `after`: whose rows go, and what is put."""
    known = {gap.first: gap for gap in before}
    left = {gap.first: gap for gap in after}
    put = [gap for gap in left.values() if known.get(gap.first) != gap]
    return [first for first in known if first not in left], put


def _without(gaps: Iterable[Gap], numbers: list[int]) -> list[Gap]:
    """The gaps without these numbers (ascending), each cut at what has arrived."""
    left: list[Gap] = []
    at = 0
    for gap in sorted(gaps, key=lambda gap: gap.first):
        first = gap.first
        while at < len(numbers) and numbers[at] <= gap.last:
            if numbers[at] > first:
                left.append(Gap(first, numbers[at] - 1, gap.horizon))
            first = numbers[at] + 1
            at += 1
        if first <= gap.last:
            left.append(Gap(first, gap.last, gap.horizon))
    return left

"""Names and places in PostgreSQL's write-ahead log: segments, positions, timelines. Pure.

The log is a row of files of one size. A file's name is its timeline and its number; a restored database goes on in a
new timeline, and a small ``.history`` file says where that left the old one. Which files lead from a base backup to a
moment, and whether one is missing, follows from the names alone.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

SEGMENT_BYTES = 16 << 20
PARTIAL = ".partial"  # the segment that is being written: true up to where it ends
_SEGMENT = re.compile(r"([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})")
_HISTORY = re.compile(r"([0-9A-F]{8})\.history")


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """One file of the log. ``number`` counts from the beginning of the log, over all timelines."""

    number: int
    timeline: int

    def name(self, segment_bytes: int = SEGMENT_BYTES) -> str:
        in_a_row = (1 << 32) // segment_bytes
        return f"{self.timeline:08X}{self.number // in_a_row:08X}{self.number % in_a_row:08X}"


@dataclass(frozen=True, slots=True)
class Fork:
    """A timeline was left at ``lsn``."""

    timeline: int
    lsn: int


@dataclass(frozen=True, slots=True)
class Chain:
    """The segments that follow one another from a base backup on, oldest first.

    ``gap``: the segment that is missing although later ones are there; None when nothing is missing to the end.
    """

    segments: tuple[Segment, ...]
    gap: Segment | None


def parse_lsn(text: str) -> int:
    """Read a position as PostgreSQL writes it, such as ``0/3000028``."""
    high, low = text.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def show_lsn(lsn: int) -> str:
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def parse_segment(name: str, segment_bytes: int = SEGMENT_BYTES) -> Segment | None:
    """**Returns**: None when ``name`` is not that of a segment, whole or partial."""
    found = _SEGMENT.fullmatch(name.removesuffix(PARTIAL))
    if found is None:
        return None
    timeline, row, place = (int(part, 16) for part in found.groups())
    return Segment(number=row * ((1 << 32) // segment_bytes) + place, timeline=timeline)


def parse_history_name(name: str) -> int | None:
    """**Returns**: the timeline of which ``name`` is the history; None for any other file."""
    found = _HISTORY.fullmatch(name)
    return int(found[1], 16) if found else None


def parse_history(text: str) -> list[Fork]:
    """Read a ``.history`` file: the timelines before it, oldest first, and where each was left."""
    forks = []
    for line in text.splitlines():
        parts = line.split("#", 1)[0].split()
        if len(parts) >= 2:
            forks.append(Fork(int(parts[0]), parse_lsn(parts[1])))
    return forks


def newest_timeline(timeline: int, end_lsn: int, histories: Mapping[int, list[Fork]]) -> int:
    """Give the newest timeline that goes through ``end_lsn`` of ``timeline``.

    ``histories``: timeline → its forks, oldest first.
    """
    reached = [
        later
        for later, forks in histories.items()
        if any(fork.timeline == timeline and fork.lsn >= end_lsn for fork in forks)
    ]
    return max([timeline, *reached])


def chain_from(
    start: Segment,
    there: Collection[Segment],
    forks: list[Fork],
    target: int,
    segment_bytes: int = SEGMENT_BYTES,
) -> Chain:
    """Follow the log from ``start`` towards timeline ``target`` as far as it goes.

    ``there``: all segments of the archive; ``forks``: the history of ``target``. Where timelines part, the newer file
    holds what both share, so it is taken first, as PostgreSQL does.
    """
    timelines = [fork.timeline for fork in forks] + [target]
    begins = [0] + [fork.lsn // segment_bytes for fork in forks]
    ends = [fork.lsn // segment_bytes for fork in forks] + [max((one.number for one in there), default=0)]
    ways = {one: range(begin, end + 1) for one, begin, end in zip(timelines, begins, ends, strict=True)}
    here = {one for one in there if one.number in ways.get(one.timeline, ()) and one.timeline >= start.timeline}
    segments: list[Segment] = []
    number, timeline = start.number, start.timeline
    while True:
        candidates = [Segment(number, one) for one in reversed(timelines) if one >= timeline]
        found = next((segment for segment in candidates if segment in here), None)
        if found is None:
            later = any(segment.number > number for segment in here)
            return Chain(tuple(segments), Segment(number, timeline) if later else None)
        segments.append(found)
        number, timeline = number + 1, found.timeline

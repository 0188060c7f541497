"""The newest events of the log as they go out: each encoded once, kept in order, found by person. No input or output.

The window answers the question of every client that was away for a moment: what came after n for me?
"""

from collections import deque
from collections.abc import Iterable

import msgspec

from sahut.work import LogEntry

# What streams carry. Everything else in the log is the house's own business.
SHOWN_TOPICS = frozenset({"wallet", "care"})

_encode = msgspec.json.Encoder().encode


class Kept(msgspec.Struct, frozen=True, gc=False):
    """One event, encoded for the stream."""

    n: int
    subject: int
    encoded: bytes


def encode_entry(entry: LogEntry) -> bytes:
    """The event as a block of `text/event-stream`."""
    data = _encode(
        {
            "n": entry.n,
            "at": entry.at,
            "topic": entry.topic,
            "subject": entry.subject,
            "kind": entry.kind,
            "body": entry.body,
        }
    )
    return b"id: %d\ndata: %b\n\n" % (entry.n, data)


class Window:
    """The newest `size` shown events.

    `floor`: every shown event above it is kept. `head`: the last number read, of whatever topic.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._all: deque[Kept] = deque()
        self._of_subject: dict[int, list[Kept]] = {}
        self.floor = 0
        self.head = 0

    def begin_at(self, n: int) -> None:
        """Forget everything and go on after n."""
        self._all.clear()
        self._of_subject.clear()
        self.floor = self.head = n

    def add(self, entry: LogEntry) -> Kept | None:
        """Take the next event of the log. Returns it encoded, or None when streams do not carry its topic."""
        assert entry.n == self.head + 1, "the log is read in order and has no holes"
        self.head = entry.n
        if entry.topic not in SHOWN_TOPICS:
            return None
        kept = Kept(entry.n, entry.subject, encode_entry(entry))
        self._all.append(kept)
        self._of_subject.setdefault(kept.subject, []).append(kept)
        if len(self._all) > self._size:
            self._forget_oldest()
        return kept

    def after(self, n: int, subject: int | None) -> list[bytes]:
        """The encoded events above n in order; of one subject, or of all (None). n must not be below the floor."""
        assert n >= self.floor, "the window does not reach back so far"
        kept: Iterable[Kept] = self._all if subject is None else self._of_subject.get(subject, [])
        found: list[bytes] = []
        for one in reversed(kept):  # type: ignore[call-overload]
            if one.n <= n:
                break
            found.append(one.encoded)
        found.reverse()
        return found

    def _forget_oldest(self) -> None:
        oldest = self._all.popleft()
        self.floor = oldest.n
        of_subject = self._of_subject[oldest.subject]
        of_subject.pop(0)
        if not of_subject:
            del self._of_subject[oldest.subject]

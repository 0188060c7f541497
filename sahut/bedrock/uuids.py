"""UUIDs of version 7 (RFC 9562): 48 bits of milliseconds, a counter of 12 bits, 62 random bits.

For names that come into being without a database and may be seen outside. What is counted under a lock has `TimeIds`,
which are half as long. Two processes never make the same UUID because of the random bits; the counter only keeps those
of one process in order (RFC 9562, 6.2, method 1).

When the clock goes back, a process stays at its last millisecond and counts on, so that its order holds. Should that be
more than `MOST_AHEAD_MS` ahead of the clock, it follows the clock: from there on a UUID tells the time, and the order
begins anew.
"""

import secrets
from datetime import UTC, datetime, timedelta
from threading import Lock
from uuid import UUID

from sahut.bedrock.clock import Clock

MOST_AHEAD_MS = 10_000
_COUNTERS = 1 << 12
_FRESH = 1 << 11  # a new millisecond begins in the lower half, so that at least 2,048 follow
_EPOCH, _MILLISECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)
_VERSION, _VARIANT = 7 << 76, 0b10 << 62


class Uuid7s:
    """Makes UUIDs of version 7, each greater than the one before. May be shared by threads."""

    __slots__ = ("_clock", "_counter", "_lock", "_millisecond")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._millisecond = self._counter = 0

    def next(self) -> UUID:
        """The next one, of the clock's millisecond, or of one not more than `MOST_AHEAD_MS` later."""
        now_ms = (self._clock.now() - _EPOCH) // _MILLISECOND
        with self._lock:
            if now_ms > self._millisecond or self._millisecond - now_ms > MOST_AHEAD_MS:
                self._millisecond, self._counter = now_ms, secrets.randbelow(_FRESH)
            else:
                self._counter += 1
                if self._counter == _COUNTERS:
                    self._millisecond, self._counter = self._millisecond + 1, secrets.randbelow(_FRESH)
            drawn = self._millisecond << 80 | _VERSION | self._counter << 64
        return UUID(int=drawn | _VARIANT | secrets.randbits(62))


def uuid7_millisecond(one: UUID) -> int:
    """Milliseconds since 1970 that a UUID of version 7 bears. Another version is an error of the caller."""
    if one.version != 7:
        raise ValueError("only a UUID of version 7 bears its millisecond")
    return one.int >> 80

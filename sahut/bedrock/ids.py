"""64-bit ids that bear their time: milliseconds since 1970, then a shard, then a counter.

An id is drawn under the turn of its shard (see `sahut.work.batcher`) and starts above the last one that was
committed there. So ids of one shard grow in the order of the commits, also when the clock goes backwards, and no
process needs a number of its own.

What a wrong clock can do: behind, the ids continue after the last one and bear a time that is ahead of the clock (by
how much tells `ahead_ms`), until the clock has caught up; order and uniqueness never depend on it. Ahead, a single id
would take all later ones of its shard with it for good, so a clock beyond `not_after_ms` is refused: by default the
year 2100, better the database's own clock and some seconds.
"""

SHARDS = 64
FIRST_MS, LAST_MS = 1_577_836_800_000, 4_102_444_800_000  # the years 2020 and 2100
_SHARD_BITS, _COUNTER_BITS = 6, 14


class ClockWrong(Exception):
    """The clock shows a time that cannot be. Nothing was drawn; somebody has to set the clock right."""


class TimeIds:
    """Draws growing ids for one shard.

    `last` is the highest id that the shard has committed (0 when it is new); `shard` is 0 to 63.
    `not_after_ms`: the last millisecond since 1970 that an id may bear.
    """

    __slots__ = ("_counter", "_millisecond", "_not_after_ms", "_shard")

    def __init__(self, shard: int, last: int, *, not_after_ms: int = LAST_MS) -> None:
        if not 0 <= shard < SHARDS:
            raise ValueError("a shard is 0 to 63")
        self._shard = shard
        self._millisecond = last >> (_SHARD_BITS + _COUNTER_BITS)
        self._counter = last & ((1 << _COUNTER_BITS) - 1)
        self._not_after_ms = not_after_ms

    def next(self, now_ms: int) -> int:
        """The next id. `now_ms`: milliseconds since 1970; a value in the past continues after the last id.

        Raises `ClockWrong` when the id would bear a time before 2020, or take its time from a clock after
        `not_after_ms`.
        """
        if now_ms > self._millisecond:
            if now_ms > self._not_after_ms:
                raise ClockWrong(f"the clock shows {now_ms} ms since 1970, and at most {self._not_after_ms} can be")
            self._millisecond, self._counter = now_ms, 0
        if self._millisecond < FIRST_MS:
            raise ClockWrong(f"the clock shows {now_ms} ms since 1970, and at least {FIRST_MS} have passed")
        self._counter += 1
        if self._counter == 1 << _COUNTER_BITS:
            self._millisecond, self._counter = self._millisecond + 1, 1
        return self._millisecond << (_SHARD_BITS + _COUNTER_BITS) | self._shard << _COUNTER_BITS | self._counter

    def ahead_ms(self, now_ms: int) -> int:
        """By how many milliseconds the last id is ahead of the clock; 0 when it is not."""
        return max(0, self._millisecond - now_ms)


def millisecond_of(time_id: int) -> int:
    """Milliseconds since 1970 at which the id was drawn (or later, when many were drawn in one millisecond)."""
    return time_id >> (_SHARD_BITS + _COUNTER_BITS)

"""64-bit ids that bear their time: milliseconds since 1970, then a shard, then a counter.

An id is drawn under the turn of its shard (see `sahut.work.batcher`) and starts above the last one that was
committed there. So ids of one shard grow in the order of the commits, also when the clock goes backwards, and no
process needs a number of its own.
"""

SHARDS = 64
_SHARD_BITS, _COUNTER_BITS = 6, 14


class TimeIds:
    """Draws growing ids for one shard.

    `last` is the highest id that the shard has committed (0 when it is new); `shard` is 0 to 63.
    """

    __slots__ = ("_counter", "_millisecond", "_shard")

    def __init__(self, shard: int, last: int) -> None:
        if not 0 <= shard < SHARDS:
            raise ValueError("a shard is 0 to 63")
        self._shard = shard
        self._millisecond = last >> (_SHARD_BITS + _COUNTER_BITS)
        self._counter = last & ((1 << _COUNTER_BITS) - 1)

    def next(self, now_ms: int) -> int:
        """The next id. `now_ms`: milliseconds since 1970; a value in the past continues after the last id."""
        if now_ms > self._millisecond:
            self._millisecond, self._counter = now_ms, 0
        self._counter += 1
        if self._counter == 1 << _COUNTER_BITS:
            self._millisecond, self._counter = self._millisecond + 1, 1
        return self._millisecond << (_SHARD_BITS + _COUNTER_BITS) | self._shard << _COUNTER_BITS | self._counter


def millisecond_of(time_id: int) -> int:
    """Milliseconds since 1970 at which the id was drawn (or later, when many were drawn in one millisecond)."""
    return time_id >> (_SHARD_BITS + _COUNTER_BITS)

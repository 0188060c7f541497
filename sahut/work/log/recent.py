"""From when on the sealer looks for events: far enough back for every open transaction, and no further. Pure.

An event bears the database's clock, and the log stands in months by it, so a bound on the time leaves old months alone.
But a clock may jump: an event of a moment in which it stood years back must be found too. So the bound follows the
lowest time that the clock was seen to show in the last hour or two, and there is none before it was watched so long.
What escapes even this (a jump to and fro between two looks at the clock) the sweep finds.
"""

from datetime import UTC, datetime, timedelta

LONG_AGO = datetime(1, 1, 2, tzinfo=UTC)
BACK = timedelta(days=40)  # no transaction is open for so long: the house ends those that wait for seconds
WATCHED = 3600  # readings, one a second


class Recent:
    """`since`: no event that is still to be numbered is older, as far as the clock was watched."""

    __slots__ = ("_before", "_count", "_lowest", "since")

    def __init__(self) -> None:
        self._before = self._lowest = self.since = LONG_AGO
        self._count = 0

    def clock_shows(self, now: datetime) -> None:
        """Note what the database's clock shows; to be called once a second."""
        self._count += 1
        if self._count == WATCHED:
            self._before, self._lowest, self._count = self._lowest, now, 0
        self._lowest = min(self._lowest, now)
        lowest = min(self._before, self._lowest)
        self.since = lowest - BACK if lowest > LONG_AGO + BACK else LONG_AGO

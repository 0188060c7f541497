"""Which looks of staff were written down lately, so that one long look does not fill the log."""

from datetime import datetime, timedelta

FRESH_FOR = timedelta(minutes=15)
_KEPT_AT_MOST = 10_000


class Looks:
    """Remembers for a quarter of an hour that an agent's look at a case is in the log.

    Kept in the memory of this process: another process, or this one after a restart, writes the look down once more.
    """

    def __init__(self) -> None:
        self._noted: dict[tuple[int, str], datetime] = {}

    def is_fresh(self, person_id: int, case_number: str, now: datetime) -> bool:
        """Whether the look was noted within the last quarter of an hour."""
        noted = self._noted.get((person_id, case_number))
        return noted is not None and noted <= now < noted + FRESH_FOR

    def remember(self, person_id: int, case_number: str, now: datetime) -> None:
        """The look is in the log now; to be called after its commit."""
        self._noted.pop((person_id, case_number), None)
        self._noted[person_id, case_number] = now
        if len(self._noted) > _KEPT_AT_MOST:
            del self._noted[next(iter(self._noted))]

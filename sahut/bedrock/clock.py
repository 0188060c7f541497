"""The time comes from here, so that a test can hand in its own."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time. Always aware, always UTC."""

    def now(self) -> datetime: ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        """The time now, in UTC, to the microsecond."""
        return datetime.now(UTC)

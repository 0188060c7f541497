"""The time comes from here, so that tests and the simulation can hand in their own."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time. Always aware, always UTC."""

    def now(self) -> datetime: ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        """The time now, in UTC, to the microsecond."""
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class FixedClock:
    """A clock that stands. `at`: any aware moment."""

    at: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", _utc(self.at))

    def now(self) -> datetime:
        """The moment at which it stands, in UTC."""
        return self.at


class MovableClock:
    """A clock that stands until it is moved, ahead or back, by whoever holds it. For one thread of events."""

    __slots__ = ("_at",)

    def __init__(self, at: datetime) -> None:
        self._at = _utc(at)

    def now(self) -> datetime:
        """The moment to which it was moved last, in UTC."""
        return self._at

    def advance(self, by: timedelta | float) -> datetime:
        """Move it ahead, or back by what is negative: a length of time, or seconds. Returns the new time."""
        self._at += by if isinstance(by, timedelta) else timedelta(seconds=by)
        return self._at

    def set(self, at: datetime) -> datetime:
        """Move it to an aware moment, later or earlier, and return the new time."""
        self._at = _utc(at)
        return self._at


def _utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("a clock shows aware moments only")
    return at.astimezone(UTC)

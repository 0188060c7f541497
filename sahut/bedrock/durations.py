"""Lengths of time and moments in words, so that a promise never sounds shorter or sooner than it is.

What is left over is rounded up: 61 seconds are 2 minutes, and what is due at 14:04:30 is promised by 14:05. The days of
a moment are those of the reader's wall, not lots of 24 hours.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sahut.bedrock.formats import date_by_pattern, time_in_words

# For one, and for any other number.
_UNITS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "id": {"s": ("detik",), "min": ("menit",), "h": ("jam",), "d": ("hari",), "business": ("hari kerja",)},
    "zh": {"s": ("秒",), "min": ("分钟",), "h": ("小时",), "d": ("天",), "business": ("个工作日",)},
    "en": {
        "s": ("second", "seconds"),
        "min": ("minute", "minutes"),
        "h": ("hour", "hours"),
        "d": ("day", "days"),
        "business": ("business day", "business days"),
    },
}
_ABOUT = {"id": "sekitar {}", "zh": "约 {}", "en": "about {}"}
_BY = {"id": "sebelum {}", "zh": "{} 前", "en": "by {}"}
_NEAR = {
    "id": {-1: "kemarin", 0: "hari ini", 1: "besok"},
    "zh": {-1: "昨天", 0: "今天", 1: "明天"},
    "en": {-1: "yesterday", 0: "today", 1: "tomorrow"},
}
_WEEKDAY = {"id": "EEEE", "zh": "EEE", "en": "EEEE"}
_DATE = {"id": "EEE d MMM", "zh": "M月d日 EEE", "en": "EEE d MMM"}
_DATE_AND_YEAR = {"id": "EEE d MMM y", "zh": "y年M月d日 EEE", "en": "EEE d MMM y"}
_DAYS_ALONE = 10  # from so many days on nobody plans by the hour


def duration_in_words(duration: timedelta, language: str) -> str:
    """38 seconds, 15 minutes, 2 hours 5 minutes, 3 days 4 hours, 12 days: the last unit is rounded up.

    A duration below zero is none: 0 seconds.
    """
    seconds, minutes, hours, days = _rounded_up(duration)
    if seconds < 60:
        return _some(seconds, "s", language)
    if minutes < 60:
        return _some(minutes, "min", language)
    if minutes < 24 * 60:
        return _two(divmod(minutes, 60), ("h", "min"), language)
    if hours < _DAYS_ALONE * 24:
        return _two(divmod(hours, 24), ("d", "h"), language)
    return _some(days, "d", language)


def about_in_words(duration: timedelta, language: str) -> str:
    """About 2 hours: one unit, rounded up; for estimates, where a second unit would feign exactness.

    Up to 90 minutes it stays with minutes, because the next hour would be far off.
    """
    seconds, minutes, hours, days = _rounded_up(duration)
    if seconds < 60:
        said = _some(seconds, "s", language)
    elif minutes <= 90:
        said = _some(minutes, "min", language)
    elif hours < 24:
        said = _some(hours, "h", language)
    else:
        said = _some(days, "d", language)
    return _ABOUT[language].format(said)


def business_days_in_words(count: int, language: str) -> str:
    """5 hari kerja, 5 个工作日, 5 business days."""
    return _some(count, "business", language)


def day_in_words(day: date, today: date, language: str) -> str:
    """Yesterday, today, tomorrow; the weekday up to six days ahead; else the date, with its year when it is another."""
    ahead = (day - today).days
    if ahead in _NEAR[language]:
        return _NEAR[language][ahead]
    if 1 < ahead < 7:
        return date_by_pattern(day, _WEEKDAY[language], language)
    pattern = _DATE if day.year == today.year else _DATE_AND_YEAR
    return date_by_pattern(day, pattern[language], language)


def moment_in_words(at: datetime, now: datetime, zone: str, language: str) -> str:
    """14:05 when it is today, else the day before it: tomorrow 14:05, Thursday 14:05, Thu 26 Nov 14:05.

    `zone`: IANA name of the reader's wall. Seconds are left out.
    """
    wall = ZoneInfo(zone)
    day, today = at.astimezone(wall).date(), now.astimezone(wall).date()
    time = time_in_words(at, zone, language)
    return time if day == today else f"{day_in_words(day, today, language)} {time}"


def due_in_words(due_at: datetime, now: datetime, zone: str, language: str) -> str:
    """By 14:05, sebelum besok 14.05, 周四 14:05 前: the first whole minute at which it is due already."""
    left_over = timedelta(seconds=due_at.second, microseconds=due_at.microsecond)
    whole = due_at - left_over + timedelta(minutes=1) if left_over else due_at
    return _BY[language].format(moment_in_words(whole, now, zone, language))


def _rounded_up(duration: timedelta) -> tuple[int, int, int, int]:
    """Seconds, minutes, hours and days that hold the duration."""
    duration = max(duration, timedelta())
    units = (timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1))
    seconds, minutes, hours, days = (-(-duration // unit) for unit in units)
    return seconds, minutes, hours, days


def _two(counts: tuple[int, int], units: tuple[str, str], language: str) -> str:
    first = _some(counts[0], units[0], language)
    return f"{first} {_some(counts[1], units[1], language)}" if counts[1] else first


def _some(count: int, unit: str, language: str) -> str:
    words = _UNITS[language][unit]
    return f"{count} {words[0] if count == 1 else words[-1]}"

"""Lengths of time and moments in three languages: rounded up, by the reader's own wall."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sahut.bedrock import (
    about_in_words,
    business_days_in_words,
    date_in_words,
    date_time_in_words,
    day_in_words,
    due_in_words,
    duration_in_words,
    moment_in_words,
    time_in_words,
)

LANGUAGES = ("id", "zh", "en")
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)  # Sunday, 17:00 in Jakarta
SECONDS = {
    "detik": 1, "menit": 60, "jam": 3600, "hari": 86400,
    "秒": 1, "分钟": 60, "小时": 3600, "天": 86400,
    "second": 1, "minute": 60, "hour": 3600, "day": 86400,
}  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, ("0 detik", "0 秒", "0 seconds")),
        (0, ("0 detik", "0 秒", "0 seconds")),
        (0.2, ("1 detik", "1 秒", "1 second")),
        (38, ("38 detik", "38 秒", "38 seconds")),
        (59.5, ("1 menit", "1 分钟", "1 minute")),
        (61, ("2 menit", "2 分钟", "2 minutes")),
        (900, ("15 menit", "15 分钟", "15 minutes")),
        (3_541, ("1 jam", "1 小时", "1 hour")),
        (7_500, ("2 jam 5 menit", "2 小时 5 分钟", "2 hours 5 minutes")),
        (86_341, ("1 hari", "1 天", "1 day")),
        (90_001, ("1 hari 2 jam", "1 天 2 小时", "1 day 2 hours")),
        (863_999, ("10 hari", "10 天", "10 days")),
        (864_001, ("11 hari", "11 天", "11 days")),
    ],
)
def test_a_length_of_time_in_each_language(seconds: float, words: tuple[str, str, str]) -> None:
    duration = timedelta(seconds=seconds)

    assert tuple(duration_in_words(duration, language) for language in LANGUAGES) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (20, ("sekitar 20 detik", "约 20 秒", "about 20 seconds")),
        (5_400, ("sekitar 90 menit", "约 90 分钟", "about 90 minutes")),
        (6_000, ("sekitar 2 jam", "约 2 小时", "about 2 hours")),
        (90_000, ("sekitar 2 hari", "约 2 天", "about 2 days")),
    ],
)
def test_an_estimate_has_one_unit(seconds: int, words: tuple[str, str, str]) -> None:
    assert tuple(about_in_words(timedelta(seconds=seconds), language) for language in LANGUAGES) == words


def said(words: str) -> int:
    """The seconds that the words say."""
    found = re.findall(r"(\d+) ([^\W\d]+)", words)
    assert found
    return sum(int(count) * SECONDS[unit.removesuffix("s")] for count, unit in found)


DURATIONS = st.integers(0, 60 * 86_400 * 10).map(lambda tenths: timedelta(seconds=tenths / 10))


@given(DURATIONS, st.sampled_from(LANGUAGES))
def test_no_promise_sounds_shorter_than_it_is(duration: timedelta, language: str) -> None:
    exact, about = (said(words(duration, language)) for words in (duration_in_words, about_in_words))
    seconds = duration.total_seconds()

    assert seconds <= exact <= about
    # Nor longer by more than the unit that is shown.
    slack = next(
        slack for bound, slack in [(59, 1), (86_340, 60), (863_999, 3_600), (10**9, 86_400)] if seconds <= bound
    )
    assert exact < seconds + slack


@given(DURATIONS, DURATIONS, st.sampled_from(LANGUAGES))
def test_what_takes_longer_never_sounds_shorter(one: timedelta, other: timedelta, language: str) -> None:
    short, long = sorted((one, other))

    assert said(duration_in_words(short, language)) <= said(duration_in_words(long, language))
    assert said(about_in_words(short, language)) <= said(about_in_words(long, language))


def test_business_days_in_each_language() -> None:
    assert [business_days_in_words(5, language) for language in LANGUAGES] == [
        "5 hari kerja",
        "5 个工作日",
        "5 business days",
    ]
    assert business_days_in_words(1, "en") == "1 business day"


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (timedelta(), ("17.00", "17:00", "17:00")),
        (timedelta(hours=6, minutes=59), ("23.59", "23:59", "23:59")),
        (timedelta(hours=7), ("besok 00.00", "明天 00:00", "tomorrow 00:00")),
        (timedelta(days=-1), ("kemarin 17.00", "昨天 17:00", "yesterday 17:00")),
        (timedelta(days=2), ("Selasa 17.00", "周二 17:00", "Tuesday 17:00")),
        (timedelta(days=6), ("Sabtu 17.00", "周六 17:00", "Saturday 17:00")),
        (timedelta(days=7), ("Min 29 Nov 17.00", "11月29日 周日 17:00", "Sun 29 Nov 17:00")),
        (timedelta(days=-2), ("Jum 20 Nov 17.00", "11月20日 周五 17:00", "Fri 20 Nov 17:00")),
        (timedelta(days=60), ("Kam 21 Jan 2027 17.00", "2027年1月21日 周四 17:00", "Thu 21 Jan 2027 17:00")),
    ],
)
def test_a_moment_is_told_by_the_readers_wall(ahead: timedelta, words: tuple[str, str, str]) -> None:
    told = tuple(moment_in_words(NOW + ahead, NOW, "Asia/Jakarta", language) for language in LANGUAGES)

    assert told == words


def test_what_is_today_for_one_is_tomorrow_for_another() -> None:
    late = NOW + timedelta(hours=6, minutes=30)

    assert moment_in_words(late, NOW, "Asia/Jakarta", "en") == "23:30"
    assert moment_in_words(late, NOW, "Asia/Jayapura", "en") == "tomorrow 01:30"


def test_a_day_on_which_the_clock_jumps_is_one_day() -> None:
    night = datetime(2026, 10, 24, 22, 0, tzinfo=UTC)  # midnight in Berlin, and 25 hours until the next

    assert moment_in_words(night + timedelta(hours=24), night, "Europe/Berlin", "en") == "23:00"
    assert moment_in_words(night + timedelta(hours=25), night, "Europe/Berlin", "en") == "tomorrow 00:00"


@pytest.mark.parametrize(
    ("due_at", "words"),
    [
        (NOW, ("sebelum 17.00", "17:00 前", "by 17:00")),
        (NOW + timedelta(microseconds=1), ("sebelum 17.01", "17:01 前", "by 17:01")),
        (
            NOW + timedelta(hours=6, minutes=59, seconds=1),
            ("sebelum besok 00.00", "明天 00:00 前", "by tomorrow 00:00"),
        ),
        (NOW + timedelta(days=3), ("sebelum Rabu 17.00", "周三 17:00 前", "by Wednesday 17:00")),
    ],
)
def test_what_is_due_is_never_said_sooner_than_it_is(due_at: datetime, words: tuple[str, str, str]) -> None:
    assert tuple(due_in_words(due_at, NOW, "Asia/Jakarta", language) for language in LANGUAGES) == words


@given(st.timedeltas(timedelta(), timedelta(days=365)))
def test_the_minute_that_is_promised_is_the_first_that_holds_the_moment(later: timedelta) -> None:
    due_at = NOW + later

    words = due_in_words(due_at, due_at, "UTC", "en")

    hour, minute = map(int, words[-5:].split(":"))
    day = due_at.date() + timedelta(days="tomorrow" in words)
    promised = datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)
    assert timedelta() <= promised - due_at < timedelta(minutes=1)


def test_dates_and_times_in_each_language() -> None:
    assert [date_in_words(date(2026, 11, 22), language) for language in LANGUAGES] == [
        "22 Nov 2026",
        "2026年11月22日",
        "22 Nov 2026",
    ]
    assert [time_in_words(NOW, "Asia/Jakarta", language) for language in LANGUAGES] == ["17.00", "17:00", "17:00"]
    assert date_time_in_words(NOW, "Asia/Jakarta", "id") == "22 Nov 2026 17.00 WIB"
    assert date_time_in_words(NOW, "Europe/Berlin", "en") == "22 Nov 2026 11:00 CET"


def test_only_days_near_by_have_a_name() -> None:
    today = date(2026, 12, 31)

    assert day_in_words(today, today, "id") == "hari ini"
    assert day_in_words(today + timedelta(days=1), today, "en") == "tomorrow"
    assert day_in_words(today + timedelta(days=7), today, "en") == "Thu 7 Jan 2027"

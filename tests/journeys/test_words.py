"""The words: three catalogs with the same keys, none missing, none unused, each with its own numbers and times."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest

from sahut.web.refusals import TABLE
from sahut.web.shapes import Language
from sahut.web.words import LANGUAGES, choose_language, read_catalog, words_in

WEB = Path(__file__).resolve().parents[2] / "sahut" / "web"
# Keys that are put together while a page is made.
MADE = re.compile(
    r"^(language\.(id|zh|en)|wait\.(day|hour|minute|second)|promise\.kind_\w+|facts\.state_(open|solved)|refusal\..*)$"
)
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def keys(language: str) -> set[str]:
    catalog = read_catalog(language)
    return set(catalog.texts) | set(catalog.forms)


def used_keys() -> set[str]:
    source = "".join(path.read_text() for path in [*WEB.rglob("*.html"), *WEB.rglob("*.py")])
    return set(re.findall(r"""["']([a-z_]+\.[a-z_]+)["']""", source))


def test_the_catalogs_have_the_same_keys_with_the_same_fields() -> None:
    assert keys("id") == keys("zh") == keys("en")
    for key, text in read_catalog("en").texts.items():
        for language in ("id", "zh"):
            other = read_catalog(language).texts[key]
            assert other.strip(), (language, key)
            assert set(re.findall(r"{\w+}", other)) == set(re.findall(r"{\w+}", text)), (language, key)


def test_no_word_is_missing_and_none_is_unused() -> None:
    places = {key.split(".")[0] for key in keys("id")}
    shown = {key for key in used_keys() if key.split(".")[0] in places and not key.endswith((".html", ".js", "_"))}
    assert shown - keys("id") == set()
    assert {key for key in keys("id") if key not in used_keys() and not MADE.match(key)} == set()
    assert {key.split(".")[1] for key in keys("id") if key.startswith("refusal.")} == set(TABLE)


@pytest.mark.parametrize(
    ("language", "time", "tomorrow", "far", "wait"),
    [
        ("id", "17.00", "besok 17.00", "Kam 26 Nov 17.00", "2 menit"),
        ("zh", "17:00", "明天 17:00", "11月26日 周四 17:00", "2 分钟"),
        ("en", "17:00", "tomorrow 17:00", "Thu 26 Nov 17:00", "2 minutes"),
    ],
)
def test_each_language_writes_times_in_its_own_way(
    language: str, time: str, tomorrow: str, far: str, wait: str
) -> None:
    words = words_in(language)
    assert words.day_and_time(NOW, NOW) == time
    assert words.day_and_time(NOW + timedelta(days=1), NOW) == tomorrow
    assert words.day_and_time(NOW + timedelta(days=4), NOW) == far
    assert words.wait(61) == wait


def test_each_language_that_we_speak_may_be_asked_for() -> None:
    assert get_args(Language) == LANGUAGES


def test_what_a_person_wrote_is_escaped_inside_our_words() -> None:
    for language in LANGUAGES:
        assert "<script>" not in words_in(language).html("send.done", amount="Rp1", name="<script>")


@pytest.mark.parametrize(
    ("person", "asked", "accepted", "spoken"),
    [
        ("zh", "en", "id", "zh"),
        (None, "en", "id", "en"),
        (None, "xx", "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, None, "fr;q=1, en;q=0.3, id;q=0.2", "en"),
        (None, None, "fr, en;q=x, *;q=0", "id"),
        (None, None, None, "id"),
    ],
)
def test_the_language_is_that_of_the_person_then_the_one_asked_for_then_the_browsers(
    person: str | None, asked: str | None, accepted: str | None, spoken: str
) -> None:
    assert choose_language(person=person, asked=asked, accepted=accepted) == spoken

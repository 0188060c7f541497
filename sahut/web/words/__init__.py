"""Words: catalogs in Indonesian, Chinese and English, and how each language writes times, waits and numbers.

The catalogs are gettext files that are read when the process starts; there is no compile step. A key names a place
(`home.balance`), so each language is written for its readers and none is the translation of another.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from gettext import c2py
from importlib.resources import files

from babel.dates import format_date
from babel.messages.pofile import read_po
from markupsafe import Markup

LANGUAGES = ("id", "zh", "en")
FIRST_LANGUAGE = "id"
# The service speaks the time of Jakarta, which knows no summer time, so no table of zones is needed.
LOCAL_TIME = timezone(timedelta(hours=7), "WIB")

_TIME = {"id": "%H.%M", "zh": "%H:%M", "en": "%H:%M"}
_DAY = {"id": "EEE d MMM", "zh": "M月d日 EEE", "en": "EEE d MMM"}
_NEAR = {0: "day.today", -1: "day.yesterday", 1: "day.tomorrow"}
_LOCALE = {"id": "id", "zh": "zh_Hans_CN", "en": "en_GB"}


@dataclass(frozen=True, slots=True)
class Catalog:
    """The words of one language: key → text, key → forms by number, and which form a number takes."""

    language: str
    texts: Mapping[str, str]
    forms: Mapping[str, tuple[str, ...]]
    form_of: Callable[[int], int]


class MissingWord(Exception):
    """A page uses a key that a catalog does not have."""


class Words:
    """Says things in one language."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self.language = catalog.language

    def has(self, key: str) -> bool:
        """Whether the catalog has the key."""
        return key in self._catalog.texts

    def say(self, key: str, **fields: object) -> str:
        """The text of the key with its fields filled in, as plain text."""
        return self._text(key).format(**fields) if fields else self._text(key)

    def html(self, key: str, **fields: object) -> Markup:
        """The text of the key for a page: what the catalog marks up stays, every field is escaped."""
        text = Markup(self._text(key))  # noqa: S704 — our own catalog; nothing of a person is in it before `format`
        return text.format(**fields) if fields else text

    def count(self, key: str, number: int, **fields: object) -> str:
        """The form that the number takes in this language; `{n}` in it is the number."""
        forms = self._catalog.forms.get(key)
        if forms is None:
            raise MissingWord(f"{self.language}: {key}")
        return forms[self._catalog.form_of(number)].format(n=number, **fields)

    def time(self, at: datetime) -> str:
        """14.02 in Indonesian, 14:02 in the others."""
        return at.astimezone(LOCAL_TIME).strftime(_TIME[self.language])

    def day(self, at: datetime, now: datetime) -> str:
        """Today, yesterday, tomorrow, or the date with its weekday."""
        local = at.astimezone(LOCAL_TIME).date()
        near = _NEAR.get((local - now.astimezone(LOCAL_TIME).date()).days)
        return self.say(near) if near else format_date(local, _DAY[self.language], locale=_LOCALE[self.language])

    def day_and_time(self, at: datetime, now: datetime) -> str:
        """The time alone when it is today, else day and time."""
        days = (at.astimezone(LOCAL_TIME).date() - now.astimezone(LOCAL_TIME).date()).days
        if days == 0:
            return self.time(at)
        day = self.day(at, now)
        return f"{day.lower() if days in _NEAR else day} {self.time(at)}"  # it stands inside a sentence

    def wait(self, seconds: float) -> str:
        """A length of time in the largest fitting unit, rounded up: 38 seconds, 2 minutes, 3 hours, 4 days."""
        whole = max(0, int(seconds + 0.999))
        for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
            if whole >= length:
                return self.count(f"wait.{unit}", -(-whole // length))
        return self.count("wait.second", whole)

    def _text(self, key: str) -> str:
        text = self._catalog.texts.get(key)
        if text is None:
            raise MissingWord(f"{self.language}: {key}")
        return text


@cache
def words_in(language: str) -> Words:
    """The words of a language that we speak."""
    return Words(read_catalog(language))


def read_catalog(language: str) -> Catalog:
    """Read the catalog file of a language."""
    texts: dict[str, str] = {}
    forms: dict[str, tuple[str, ...]] = {}
    with (files("sahut.web") / "words" / f"{language}.po").open("rb") as file:
        catalog = read_po(file, locale=_LOCALE[language], abort_invalid=True)
    for message in catalog:
        if isinstance(message.id, (tuple, list)):
            forms[message.id[0]] = tuple(str(form) for form in message.string or ())
        elif message.id:
            texts[message.id] = str(message.string)
    return Catalog(language, texts, forms, c2py(catalog.plural_expr))


def choose_language(*, person: str | None, asked: str | None, accepted: str | None) -> str:
    """The language to speak: that of the person, else the one asked for, else the first that the browser accepts."""
    for one in (person, asked):
        if one in LANGUAGES:
            return str(one)
    return _accepted(accepted or "") or FIRST_LANGUAGE


def _accepted(header: str) -> str | None:
    best: tuple[float, str] | None = None
    for part in header[:512].split(","):
        tag, _, quality = part.strip().partition(";q=")
        language = tag.split("-")[0].lower()
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            continue
        if language in LANGUAGES and weight > 0 and (best is None or weight > best[0]):
            best = (weight, language)
    return best[1] if best else None


def utc_text(at: datetime) -> str:
    """The time for machines, in an attribute `datetime`."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

"""Amounts, numbers, dates and times as people of each language read them.

Separators and names come from Babel (CLDR), asked once for each; amounts are put together here, because they stand on
every page and Babel takes ten times as long. One rule is the house's own: rupiah is Rp50.000 in all languages,
and decimals that are zero are not shown.
"""

from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel.dates import format_date
from babel.numbers import format_decimal, get_decimal_symbol, get_group_symbol

from sahut.bedrock.currencies import currency_of

LOCALES = {"id": "id", "zh": "zh_Hans_CN", "en": "en_GB"}
# How a currency is written before the digits; any other by its letters and a space that does not break.
SIGNS = {"IDR": "Rp", "CNY": "¥", "USD": "US$", "SGD": "S$", "JPY": "JP¥"}
_POINT_THOUSANDS = frozenset({"IDR"})
_POINTS = str.maketrans(",.", ".,")
_DATE = {"id": "d MMM y", "zh": "y年M月d日", "en": "d MMM y"}
_CLOCK = {"id": "%H.%M", "zh": "%H:%M", "en": "%H:%M"}


def money_in_words(amount_minor: int, currency: str, language: str | None = None) -> str:
    """The amount as people read it: Rp50.000, −Rp1.250, ¥12.50, EUR 9.99. Minus is U+2212.

    `language`: whose separators it has (US$1.250,50 in Indonesian); rupiah has the same in all. Without a language
    all but rupiah have those of English. Refuses: `unknown_currency`.
    """
    exponent = currency_of(currency).exponent
    whole, rest = divmod(abs(amount_minor), 10**exponent)
    digits = f"{whole:,}.{rest:0{exponent}d}" if rest else f"{whole:,}"
    if currency in _POINT_THOUSANDS or (language is not None and _has_point_thousands(language)):
        digits = digits.translate(_POINTS)
    sign = SIGNS.get(currency) or f"{currency}\N{NO-BREAK SPACE}"
    return f"−{sign}{digits}" if amount_minor < 0 else sign + digits


def number_in_words(number: int | Decimal, language: str) -> str:
    """The number with the separators of the language: 1.234.567 or 1,234,567; a Decimal keeps up to six decimals."""
    if isinstance(number, Decimal):
        return format_decimal(number, format="#,##0.######;−#,##0.######", locale=LOCALES[language])
    digits = f"{abs(number):,}"
    if _has_point_thousands(language):
        digits = digits.translate(_POINTS)
    return f"−{digits}" if number < 0 else digits


def date_in_words(day: date, language: str) -> str:
    """22 Nov 2026 or 2026年11月22日."""
    return date_by_pattern(day, _DATE[language], language)


def time_in_words(at: datetime, zone: str, language: str) -> str:
    """The wall's clock in the zone (IANA): 14.05 in Indonesian, 14:05 in the others."""
    return at.astimezone(ZoneInfo(zone)).strftime(_CLOCK[language])


def date_time_in_words(at: datetime, zone: str, language: str) -> str:
    """Date, time and the zone's own short name: 22 Nov 2026 14.05 WIB."""
    local = at.astimezone(ZoneInfo(zone))
    return f"{date_in_words(local.date(), language)} {local.strftime(_CLOCK[language])} {local.tzname()}"


@lru_cache(maxsize=4_096)
def date_by_pattern(day: date, pattern: str, language: str) -> str:
    """The date by a pattern of CLDR, such as `EEE d MMM`, with the names of the language."""
    return format_date(date(day.year, day.month, day.day), pattern, locale=LOCALES[language])


@lru_cache(maxsize=len(LOCALES))
def _has_point_thousands(language: str) -> bool:
    locale = LOCALES[language]
    symbols = get_group_symbol(locale), get_decimal_symbol(locale)
    assert symbols in {(".", ","), (",", ".")}, "a language with other separators needs more than a translation"
    return symbols == (".", ",")

"""Money: a whole number of minor units with its currency.

The exponents are those of ISO 4217 (list one, 2024): IDR has two, so Rp50.000 is 5_000_000 minor units. They are shown
without decimals when those are zero.
"""

from dataclasses import dataclass

from sahut.bedrock.refusal import Refusal

# code → (ISO 4217 number, exponent, how it is written before the digits)
_CURRENCIES = {
    "IDR": (360, 2, "Rp"),
    "CNY": (156, 2, "¥"),
    "USD": (840, 2, "US$"),
    "SGD": (702, 2, "S$"),
    "JPY": (392, 0, "JP¥"),
}
_CODES = {number: code for code, (number, _, _) in _CURRENCIES.items()}
# Indonesian writes thousands with a point; the design asks for this form of rupiah in all languages.
_POINT_THOUSANDS = frozenset({"IDR"})

MOST_MINOR = 10**15  # ten trillion rupiah; far inside 64 bits, so that sums of a batch cannot overflow


class UnknownCurrency(Refusal):
    """We keep no money in this currency."""

    code = "unknown_currency"
    shown = ("currency",)

    def __init__(self, currency: str) -> None:
        self.currency = currency[:8]
        super().__init__(currency)


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units (may be negative in a difference) and its ISO 4217 letters."""

    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        currency_exponent(self.currency)

    def __str__(self) -> str:
        return money_in_words(self.amount_minor, self.currency)


def currency_exponent(currency: str) -> int:
    """How many decimals the currency has. Refuses: `unknown_currency`."""
    return _known(currency)[1]


def currency_number(currency: str) -> int:
    """The ISO 4217 number that the tables keep. Refuses: `unknown_currency`."""
    return _known(currency)[0]


def currency_code(number: int) -> str:
    """The letters for an ISO 4217 number out of our own tables."""
    return _CODES[number]


def money_in_words(amount_minor: int, currency: str) -> str:
    """The amount as people read it: Rp50.000, −Rp1.250, ¥12.50. Minus is U+2212."""
    _, exponent, sign = _known(currency)
    whole, rest = divmod(abs(amount_minor), 10**exponent)
    digits = f"{whole:,}"
    decimals = f"{rest:0{exponent}d}" if rest else ""
    if currency in _POINT_THOUSANDS:
        digits, decimals = digits.replace(",", "."), "," + decimals if decimals else ""
    else:
        decimals = "." + decimals if decimals else ""
    return f"{'−' if amount_minor < 0 else ''}{sign}{digits}{decimals}"


def _known(currency: str) -> tuple[int, int, str]:
    known = _CURRENCIES.get(currency)
    if known is None:
        raise UnknownCurrency(currency)
    return known

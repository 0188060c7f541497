"""Money: a whole number of minor units with its currency. It is added, compared and divided only within a currency."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NewType

from sahut.bedrock.currencies import currency_of
from sahut.bedrock.formats import money_in_words
from sahut.bedrock.refusal import Refusal

MOST_MINOR = 10**15  # ten trillion rupiah; far inside 64 bits, so that sums of a batch cannot overflow
MOST_SHARES = 10_000
_MOST_KEPT = 2**63 - 1  # what a table can keep, also of a sum

AmountMinor = NewType("AmountMinor", int)
"""An amount that somebody may move: whole minor units, 1 to `MOST_MINOR`. Made by `amount_minor` and `read_amount`."""


class BadAmount(Refusal):
    """This is no amount that can be moved.

    `reason`: `empty`, `not_a_number`, `unclear` (thousands or decimals?), `decimals`, `not_positive`, `too_large`,
    `other_currency`, `not_whole`.
    """

    code = "bad_amount"
    shown = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class OtherCurrency(Refusal):
    """Two amounts in different currencies cannot be added or compared."""

    code = "other_currency"
    shown = ("currency", "expected")

    def __init__(self, currency: str, expected: str) -> None:
        self.currency, self.expected = currency, expected
        super().__init__(currency, expected)


def amount_minor(value: object) -> AmountMinor:
    """The value, when it is a whole number from 1 to `MOST_MINOR`.

    Refuses: `bad_amount` with the reason `not_whole` (floats, texts and true are no amounts), `not_positive` or
    `too_large`.
    """
    if type(value) is not int:
        raise BadAmount("not_whole")
    if value < 1:
        raise BadAmount("not_positive")
    if value > MOST_MINOR:
        raise BadAmount("too_large")
    return AmountMinor(value)


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units (may be negative in a difference) and its ISO 4217 letters, held by us or not.

    Refuses: `unknown_currency`; adding and comparing with another currency: `other_currency`.
    """

    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        currency_of(self.currency)
        if type(self.amount_minor) is not int or abs(self.amount_minor) > _MOST_KEPT:
            raise ValueError("money is a whole number of minor units that 64 bits can hold")

    def __str__(self) -> str:
        return money_in_words(self.amount_minor, self.currency)

    def __add__(self, other: "Money") -> "Money":
        return Money(self.amount_minor + self._same(other), self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.amount_minor - self._same(other), self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.amount_minor, self.currency)

    def __lt__(self, other: "Money") -> bool:
        return self.amount_minor < self._same(other)

    def __le__(self, other: "Money") -> bool:
        return self.amount_minor <= self._same(other)

    def __gt__(self, other: "Money") -> bool:
        return self.amount_minor > self._same(other)

    def __ge__(self, other: "Money") -> bool:
        return self.amount_minor >= self._same(other)

    def allot(self, weights: Sequence[int]) -> "tuple[Money, ...]":
        """The amount in shares by weight, in the order of the weights; no unit is lost, and none is made.

        Each share is the exact one rounded down, or one unit more: the units left over go to the largest remainders,
        among equal ones to the first. A negative amount is allotted like the positive one, so that a reversal mirrors
        what it reverses. `weights`: whole numbers from 0, at least one above, at most 10,000. Source: ADR 50.
        """
        total = sum(weights)
        if not 0 < len(weights) <= MOST_SHARES or min(weights) < 0 or total == 0:
            raise ValueError("weights are whole numbers from 0, one to 10,000 of them, not all of them 0")
        amount = abs(self.amount_minor)
        parts = [divmod(amount * weight, total) for weight in weights]
        left = amount - sum(whole for whole, _ in parts)
        lucky = set(sorted(range(len(parts)), key=lambda place: -parts[place][1])[:left])
        sign = -1 if self.amount_minor < 0 else 1
        return tuple(Money(sign * (whole + (place in lucky)), self.currency) for place, (whole, _) in enumerate(parts))

    def _same(self, other: "Money") -> int:
        if other.currency != self.currency:
            raise OtherCurrency(other.currency, self.currency)
        return other.amount_minor

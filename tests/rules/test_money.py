"""Money: currencies of ISO 4217, arithmetic within one, shares that lose nothing, amounts in words."""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from operator import add, ge, gt, le, lt, sub

import pytest
from babel.numbers import format_decimal
from hypothesis import given
from hypothesis import strategies as st

from sahut.bedrock import (
    HELD,
    MOST_MINOR,
    BadAmount,
    Money,
    OtherCurrency,
    UnknownCurrency,
    amount_minor,
    currency_code,
    currency_exponent,
    currency_number,
    currency_of,
    is_held,
    money_in_words,
    number_in_words,
)
from sahut.bedrock.currencies import CURRENCIES
from sahut.bedrock.formats import LOCALES, SIGNS


@pytest.mark.parametrize(
    ("amount_minor", "currency", "words"),
    [
        (5_000_000, "IDR", "Rp50.000"),
        (0, "IDR", "Rp0"),
        (100, "IDR", "Rp1"),
        (1, "IDR", "Rp0,01"),
        (-125_050, "IDR", "−Rp1.250,50"),
        (123_456_789_000, "IDR", "Rp1.234.567.890"),
        (1_250, "CNY", "¥12.50"),
        (123_456_700, "CNY", "¥1,234,567"),
        (-5, "USD", "−US$0.05"),
        (1_500, "JPY", "JP¥1,500"),
    ],
)
def test_money_in_words(amount_minor: int, currency: str, words: str) -> None:
    assert money_in_words(amount_minor, currency) == words
    assert str(Money(amount_minor, currency)) == words


def test_the_rupiah_has_two_decimals_and_the_yen_none() -> None:
    assert currency_exponent("IDR") == 2
    assert currency_exponent("JPY") == 0
    assert currency_code(currency_number("IDR")) == "IDR"


@pytest.mark.parametrize("currency", ["", "idr", "XXX", "IDR ", "I" * 1000])
def test_we_keep_no_money_in_an_unknown_currency(currency: str) -> None:
    with pytest.raises(UnknownCurrency) as refused:
        Money(1, currency)

    assert len(str(refused.value.fields()["currency"])) <= 8


@given(st.integers(-(10**15), 10**15), st.sampled_from(["IDR", "CNY", "JPY"]))
def test_no_unit_is_lost_in_words(amount_minor: int, currency: str) -> None:
    words = money_in_words(amount_minor, currency)

    decimal = "," if currency == "IDR" else "."
    whole, _, rest = words.lstrip("−JPRp¥").partition(decimal)
    digits = "".join(c for c in whole if c.isdigit()) + (rest or "0" * currency_exponent(currency))
    assert int(digits) * (-1 if words.startswith("−") else 1) == amount_minor


ISO_4217 = """
    IDR 360 2 | CNY 156 2 | USD 840 2 | SGD 702 2 | EUR 978 2 | GBP 826 2 | CHF 756 2 | INR 356 2
    MYR 458 2 | THB 764 2 | JPY 392 0 | KRW 410 0 | VND 704 0 | CLP 152 0 | ISK 352 0 | UGX 800 0
    XOF 952 0 | XPF 953 0 | UYI 940 0 | PYG 600 0 | BHD 048 3 | IQD 368 3 | JOD 400 3 | KWD 414 3
    LYD 434 3 | OMR 512 3 | TND 788 3 | CLF 990 4 | UYW 927 4 | HUF 348 2 | ALL 008 2 | AUD 036 2
    ZWG 924 2 | XCG 532 2 | SLE 925 2 | VED 926 2 | VES 928 2 | BYN 933 2 | MRU 929 2 | XAD 396 2
"""


@pytest.mark.parametrize("row", [row.strip() for row in ISO_4217.replace("\n", "|").split("|") if row.strip()])
def test_currencies_are_those_of_the_list(row: str) -> None:
    code, number, exponent = row.split()

    found = currency_of(code)

    assert (found.code, found.number, found.exponent) == (code, int(number), int(exponent))
    assert currency_code(int(number)) == code


def test_the_list_is_whole() -> None:
    exponents = [currency.exponent for currency in CURRENCIES.values()]

    assert {exponent: exponents.count(exponent) for exponent in set(exponents)} == {0: 17, 2: 139, 3: 7, 4: 2}
    assert len({currency.number for currency in CURRENCIES.values()}) == len(CURRENCIES) == 165
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in CURRENCIES)


@pytest.mark.parametrize("gone", ["BGN", "HRK", "ANG", "ZWL", "SLL", "CUC", "DEM", "XAU", "XXX", "XTS", "BYR"])
def test_withdrawn_codes_and_metals_are_no_currencies(gone: str) -> None:
    with pytest.raises(UnknownCurrency):
        currency_of(gone)


def test_what_iso_knows_is_not_yet_held() -> None:
    assert Money(999, "EUR") + Money(1, "EUR") == Money(1_000, "EUR")
    assert not is_held("EUR")
    with pytest.raises(UnknownCurrency):
        currency_number("EUR")
    for code in HELD:
        assert is_held(code)
        assert currency_code(currency_number(code)) == code


AMOUNTS = st.integers(-(10**15), 10**15)
CODES = st.sampled_from(sorted(CURRENCIES))


@given(AMOUNTS, AMOUNTS, CODES)
def test_money_is_added_and_compared_like_its_units(one: int, other: int, currency: str) -> None:
    left, right = Money(one, currency), Money(other, currency)

    assert left + right == right + left == Money(one + other, currency)
    assert left - right == -(right - left) == Money(one - other, currency)
    assert [left < right, left <= right, left > right, left >= right, left == right] == [
        one < other, one <= other, one > other, one >= other, one == other,
    ]  # fmt: skip


@pytest.mark.parametrize("act", [add, sub, lt, le, gt, ge])
def test_two_currencies_are_never_mixed(act: Callable[[Money, Money], object]) -> None:
    with pytest.raises(OtherCurrency) as refused:
        act(Money(1, "IDR"), Money(1, "USD"))

    assert refused.value.fields() == {"currency": "USD", "expected": "IDR"}
    assert Money(1, "IDR") != Money(1, "USD")


@pytest.mark.parametrize("wrong", [1.0, True, "1", None, Decimal(1), 2**63, -(2**63)])
def test_money_is_a_whole_number_that_a_table_can_keep(wrong: object) -> None:
    with pytest.raises(ValueError, match="whole number"):
        Money(wrong, "IDR")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("amount", "weights", "shares"),
    [
        (100, [1, 1, 1], [34, 33, 33]),
        (101, [1, 1, 1], [34, 34, 33]),
        (5, [3, 7], [2, 3]),  # 1.5 and 3.5: equal remainders, the first gets it
        (10, [1, 2, 4], [1, 3, 6]),  # 1.43, 2.86, 5.71: the two largest remainders get it
        (1, [1, 1_000_000], [0, 1]),
        (2, [0, 1, 0, 1, 1], [0, 1, 0, 1, 0]),
        (-100, [1, 1, 1], [-34, -33, -33]),
        (0, [1, 2], [0, 0]),
        (7, [5], [7]),
    ],
)
def test_shares_go_to_the_largest_remainders(amount: int, weights: list[int], shares: list[int]) -> None:
    assert [share.amount_minor for share in Money(amount, "IDR").allot(weights)] == shares


WEIGHTS = st.lists(st.integers(0, 10**12), min_size=1, max_size=40).filter(any)


@given(AMOUNTS, WEIGHTS)
def test_shares_lose_nothing_and_are_fair(amount: int, weights: list[int]) -> None:
    whole = Money(amount, "IDR")

    shares = whole.allot(weights)

    assert len(shares) == len(weights)
    assert sum(share.amount_minor for share in shares) == amount
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share.amount_minor - Fraction(amount * weight, sum(weights))) < 1
        assert weight or share.amount_minor == 0
    assert [-share for share in shares] == list((-whole).allot(weights))


@given(AMOUNTS, st.integers(1, 100))
def test_equal_weights_differ_by_one_unit_and_the_first_get_it(amount: int, parts: int) -> None:
    shares = [abs(share.amount_minor) for share in Money(amount, "IDR").allot([1] * parts)]

    assert shares == sorted(shares, reverse=True)
    assert shares[0] - shares[-1] <= 1


@pytest.mark.parametrize("weights", [[], [0], [0, 0], [1, -1, 1], [1] * 10_001])
def test_shares_need_weights(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="weights"):
        Money(1, "IDR").allot(weights)


@pytest.mark.parametrize("good", [1, 5_000_000, MOST_MINOR])
def test_an_amount_can_be_moved(good: int) -> None:
    assert amount_minor(good) == good


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (0, "not_positive"),
        (-1, "not_positive"),
        (MOST_MINOR + 1, "too_large"),
        (10**30, "too_large"),
        (True, "not_whole"),
        (1.0, "not_whole"),
        (float("nan"), "not_whole"),
        ("1", "not_whole"),
        (None, "not_whole"),
    ],
)
def test_what_cannot_be_moved_is_refused(wrong: object, reason: str) -> None:
    with pytest.raises(BadAmount) as refused:
        amount_minor(wrong)

    assert refused.value.fields() == {"reason": reason}


@pytest.mark.parametrize(
    ("amount", "currency", "language", "words"),
    [
        (5_000_000, "IDR", "en", "Rp50.000"),
        (5_000_000, "IDR", "zh", "Rp50.000"),
        (-123_456_789, "IDR", "en", "−Rp1.234.567,89"),
        (125_050, "USD", "id", "US$1.250,50"),
        (125_050, "USD", "en", "US$1,250.50"),
        (125_050, "CNY", "zh", "¥1,250.50"),
        (1_234_500, "EUR", "id", "EUR\N{NO-BREAK SPACE}12.345"),
        (1_234_567, "KWD", "en", "KWD\N{NO-BREAK SPACE}1,234.567"),
        (12_345, "CLF", "id", "CLF\N{NO-BREAK SPACE}1,2345"),
        (1_000_000, "JPY", "id", "JP¥1.000.000"),
    ],
)
def test_each_language_has_its_separators_and_rupiah_has_one_form(
    amount: int, currency: str, language: str, words: str
) -> None:
    assert money_in_words(amount, currency, language) == words


@given(AMOUNTS, st.sampled_from(sorted(set(CURRENCIES) - {"IDR"})), st.sampled_from(["id", "zh", "en"]))
def test_amounts_have_the_digits_that_babel_gives_them(amount: int, currency: str, language: str) -> None:
    exponent = currency_exponent(currency)
    amount = abs(amount)
    pattern = "#,##0." + "0" * exponent if amount % 10**exponent else "#,##0"

    words = money_in_words(amount, currency, language)

    sign = SIGNS.get(currency, currency + "\N{NO-BREAK SPACE}")
    digits = format_decimal(Decimal(amount).scaleb(-exponent), format=pattern, locale=LOCALES[language])
    assert words == sign + digits
    assert money_in_words(-amount, currency, language) == ("−" + words if amount else words)


@pytest.mark.parametrize(
    ("number", "language", "words"),
    [
        (1_234_567, "id", "1.234.567"),
        (1_234_567, "zh", "1,234,567"),
        (-1_234, "en", "−1,234"),
        (0, "id", "0"),
        (Decimal("-1234.5"), "id", "−1.234,5"),
        (Decimal("0.125"), "en", "0.125"),
    ],
)
def test_numbers_in_words(number: int | Decimal, language: str, words: str) -> None:
    assert number_in_words(number, language) == words

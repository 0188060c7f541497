"""Amounts as people type them: one meaning is taken, two are refused, and nothing is guessed."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sahut.bedrock import HELD, MOST_MINOR, BadAmount, UnknownCurrency, currency_exponent, money_in_words, read_amount

LANGUAGES = ("id", "zh", "en")


def read(text: str, currency: str, language: str) -> int | str:
    """The minor units, or the reason of the refusal."""
    try:
        return read_amount(text, currency, language)
    except BadAmount as refused:
        return refused.reason


@pytest.mark.parametrize(
    ("text", "currency", "expected"),
    [
        # whole rupiah, as they are written all over
        ("50000", "IDR", 5_000_000),
        ("50.000", "IDR", 5_000_000),
        ("50,000", "IDR", 5_000_000),
        ("50 000", "IDR", 5_000_000),
        (" Rp 50.000 ", "IDR", 5_000_000),
        ("rp.50.000", "IDR", 5_000_000),
        ("IDR 50,000", "IDR", 5_000_000),
        ("50.000 rupiah", "IDR", 5_000_000),
        ("50.000,-", "IDR", 5_000_000),
        ("1.234.567", "IDR", 123_456_700),
        ("1,234,567", "IDR", 123_456_700),
        ("007", "IDR", 700),
        ("５００００", "IDR", 5_000_000),
        ("50\N{NO-BREAK SPACE}000", "IDR", 5_000_000),
        # with decimals that are nothing
        ("50.000,00", "IDR", 5_000_000),
        ("50,000.00", "IDR", 5_000_000),
        ("50000.00", "IDR", 5_000_000),
        ("50000,00", "IDR", 5_000_000),
        # with words
        ("50rb", "IDR", 5_000_000),
        ("50 ribu", "IDR", 5_000_000),
        ("Rp50k", "IDR", 5_000_000),
        ("1,5jt", "IDR", 150_000_000),
        ("1.5 juta", "IDR", 150_000_000),
        ("2 miliar", "IDR", 200_000_000_000),
        ("5万", "CNY", 5_000_000),
        ("1.2万元", "CNY", 1_200_000),
        ("3千", "CNY", 300_000),
        ("1.5k", "USD", 150_000),
        ("2 thousand", "USD", 200_000),
        # other currencies
        ("12.50", "CNY", 1_250),
        ("12,50", "CNY", 1_250),
        ("¥12.5", "CNY", 1_250),
        ("￥１２．５０", "CNY", 1_250),
        ("100元", "CNY", 10_000),
        ("$1,500.25", "USD", 150_025),
        ("US$1.500,25", "USD", 150_025),
        ("1 500.25", "USD", 150_025),
        ("S$20", "SGD", 2_000),
        ("1500", "JPY", 1_500),
        ("1,500円", "JPY", 1_500),
        ("1.500", "JPY", 1_500),
        ("KWD 1.5", "KWD", 1_500),
        ("EUR 9,99", "EUR", 999),
        # refused, whoever types
        ("", "IDR", "empty"),
        ("  \t", "IDR", "empty"),
        ("12,50", "IDR", "decimals"),
        ("12.5", "IDR", "decimals"),
        ("50.000,50", "IDR", "decimals"),
        ("50.00", "IDR", "unclear"),
        ("50,00", "IDR", "unclear"),
        ("1.250rb", "IDR", "unclear"),
        ("50.000rb", "IDR", "unclear"),
        ("12.345万", "CNY", "unclear"),
        ("1.500", "KWD", "unclear"),
        ("0.500", "USD", "decimals"),
        ("1234.567", "USD", "decimals"),
        ("12.345678", "USD", "decimals"),
        ("1.5", "JPY", "decimals"),
        ("50,000.000", "IDR", "decimals"),
        ("1.5555rb", "IDR", "decimals"),
        ("0", "IDR", "not_positive"),
        ("0,00", "USD", "not_positive"),
        ("-50000", "IDR", "not_positive"),
        ("−50000", "IDR", "not_positive"),
        ("Rp -50000", "IDR", "not_positive"),
        ("9" * 30, "IDR", "too_large"),
        ("10000000000001", "IDR", "too_large"),
        ("$5", "IDR", "other_currency"),
        ("5元", "IDR", "other_currency"),
        ("Rp5.000", "USD", "other_currency"),
        ("5 USD", "IDR", "other_currency"),
        ("lima ribu", "IDR", "not_a_number"),
        ("1.2.3", "IDR", "not_a_number"),
        ("1,00,000", "IDR", "not_a_number"),
        ("5,0000", "IDR", "decimals"),
        ("1.000.00", "IDR", "not_a_number"),
        ("1.000,000.00", "IDR", "not_a_number"),
        ("1 2", "IDR", "not_a_number"),
        ("5.", "IDR", "not_a_number"),
        (".5", "USD", "not_a_number"),
        ("1e5", "IDR", "not_a_number"),
        ("0x10", "IDR", "not_a_number"),
        ("²", "IDR", "not_a_number"),
        ("٥٠٠", "IDR", "not_a_number"),
        ("5 juta ribu", "IDR", "not_a_number"),
        ("5m", "USD", "not_a_number"),
        ("5" * 41, "IDR", "not_a_number"),
        ("1\n000", "IDR", "not_a_number"),
        ("50_000", "IDR", "not_a_number"),
    ],
)
def test_what_has_one_meaning_is_read_in_every_language(text: str, currency: str, expected: int | str) -> None:
    assert [read(text, currency, language) for language in LANGUAGES] == [expected] * 3


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("1.500", "id", 150_000),
        ("1,500", "id", "unclear"),
        ("1.500", "en", "unclear"),
        ("1,500", "en", 150_000),
        ("1,500", "zh", 150_000),
        ("1.500", "zh", "unclear"),
    ],
)
def test_a_lone_separator_in_dollars_is_thousands_only_in_the_readers_own_way(
    text: str, language: str, expected: int | str
) -> None:
    assert read(text, "USD", language) == expected


def test_no_amount_is_read_in_an_unknown_currency() -> None:
    with pytest.raises(UnknownCurrency):
        read_amount("5", "XXX", "id")


@given(st.integers(1, MOST_MINOR), st.sampled_from([*HELD, "EUR"]), st.sampled_from(LANGUAGES))
def test_what_we_write_we_read(amount: int, currency: str, language: str) -> None:
    if currency == "IDR":
        amount -= amount % 100
    words = money_in_words(amount, currency, language)

    assert read(words, currency, language) == (amount or "not_positive")


@given(st.integers(1, 10**10), st.sampled_from(LANGUAGES), st.sampled_from([",", ".", " ", ""]))
def test_whole_rupiah_are_read_however_they_are_grouped(rupiah: int, language: str, by: str) -> None:
    assert read(f"{rupiah:,}".replace(",", by), "IDR", language) == rupiah * 100


TYPED = st.text(st.sampled_from("0123456789.,  -RpkbjtK万¥$e"), max_size=16)


@given(TYPED, st.sampled_from([*HELD, "KWD"]), st.sampled_from(LANGUAGES))
def test_nothing_is_read_that_the_digits_do_not_say(text: str, currency: str, language: str) -> None:
    amount = read(text, currency, language)

    if isinstance(amount, str):
        return
    assert 1 <= amount <= MOST_MINOR
    # Whatever the separators mean, the digits are those that were typed, and only zeros were added or left out.
    typed = re.sub(r"\D", "", text).strip("0")
    assert str(amount).strip("0") == typed


@given(
    st.integers(1, 999), st.integers(0, 999), st.sampled_from([".", ","]), st.sampled_from(["USD", "CNY", "KWD", "IDR"])
)
def test_a_reading_never_hangs_on_the_language_alone(whole: int, rest: int, mark: str, currency: str) -> None:
    readings = {read(f"{whole}{mark}{rest:03d}", currency, language) for language in LANGUAGES}

    # One language may be sure where another asks; two languages are never sure of different amounts.
    sure = {one for one in readings if isinstance(one, int)}
    assert sure <= {(whole * 1000 + rest) * 10 ** currency_exponent(currency)}

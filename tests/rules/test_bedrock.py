"""Bedrock: numbers with a check digit, money in words, text with bounds, ids that bear their time."""

import unicodedata
from datetime import UTC, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sahut.bedrock import (
    BadText,
    Money,
    SystemClock,
    TimeIds,
    UnknownCurrency,
    bounded_text,
    contact_number,
    currency_code,
    currency_exponent,
    currency_number,
    is_contact_number,
    money_in_words,
    show_number,
)
from sahut.bedrock.ids import FIRST_MS, LAST_MS, millisecond_of

KEY = bytes(range(32))
COUNTS = (0, 1, 2, 9_999, 10_000, 48_219_370, 99_999_998, 99_999_999)


@pytest.mark.parametrize("count", COUNTS)
def test_a_contact_number_is_nine_digits_with_a_good_check_digit(count: int) -> None:
    number = contact_number(count, KEY)

    assert len(number) == 9
    assert number.isdigit()
    assert is_contact_number(number)


@pytest.mark.parametrize("count", COUNTS)
def test_every_single_wrong_digit_is_caught(count: int) -> None:
    number = contact_number(count, KEY)

    wrong = [
        number[:place] + digit + number[place + 1 :]
        for place in range(9)
        for digit in "0123456789"
        if digit != number[place]
    ]

    assert len(wrong) == 81
    assert not any(map(is_contact_number, wrong))


@pytest.mark.parametrize("count", COUNTS)
def test_every_swap_of_neighbours_is_caught(count: int) -> None:
    number = contact_number(count, KEY)

    swapped = [
        number[:place] + number[place + 1] + number[place] + number[place + 2 :]
        for place in range(8)
        if number[place] != number[place + 1]
    ]

    assert not any(map(is_contact_number, swapped))


def test_exactly_one_check_digit_fits() -> None:
    good = [digit for digit in "0123456789" if is_contact_number("57246813" + digit)]

    assert len(good) == 1
    assert is_contact_number("000005724")  # the example of Damm's own page: 572 has the check digit 4


@pytest.mark.parametrize(
    "text", ["", "48219370", "4821937055", "48219370x", "４８２１９３７０５", " 82193705", "+82193705"]
)
def test_what_is_not_nine_plain_digits_is_no_number(text: str) -> None:
    assert not is_contact_number(text)


def test_no_number_is_given_twice() -> None:
    numbers = {contact_number(count, KEY) for count in range(20_000)}

    assert len(numbers) == 20_000


def test_numbers_do_not_tell_how_many_people_wrote() -> None:
    numbers = [int(contact_number(count, KEY)[:8]) for count in range(200)]

    steps = {later - earlier for earlier, later in pairwise(numbers)}

    assert len(steps) > 190
    assert max(numbers) - min(numbers) > 50_000_000


def test_another_key_gives_other_numbers() -> None:
    assert [contact_number(count, KEY) for count in range(9)] != [
        contact_number(count, KEY[::-1]) for count in range(9)
    ]


@pytest.mark.parametrize("count", [-1, 100_000_000])
def test_numbers_end(count: int) -> None:
    with pytest.raises(ValueError, match="given out"):
        contact_number(count, KEY)


def test_a_number_is_shown_in_threes() -> None:
    assert show_number("482193705") == "482 193 705"


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


def test_text_loses_the_space_around_it_and_keeps_all_else() -> None:
    assert bounded_text("  saldo\tsaya 余额 👩‍👩‍👧  \n", "text", at_most=40) == "saldo\tsaya 余额 👩‍👩‍👧"
    assert bounded_text("界" * 10, "text", at_most=10) == "界" * 10


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "too_short"),
        (" \n\t ", "too_short"),
        ("x" * 11, "too_long"),
        ("x" * 1_000_000, "too_long"),
        (" " * 1_000_000, "too_long"),
        ("a\0b", "nul"),
        ("a\ud800b", "not_unicode"),
        ("\udfff", "not_unicode"),
    ],
)
def test_text_that_no_table_keeps_is_refused(text: str, reason: str) -> None:
    with pytest.raises(BadText) as refused:
        bounded_text(text, "note", at_most=10)

    assert refused.value.fields() == {"field": "note", "reason": reason, "at_most": 10}


BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def test_what_nobody_sees_is_not_kept() -> None:
    assert (
        bounded_text("\u202eabc\u0007\u001b[8m\u2068 baris\n\tdua\u2069", "note", at_most=40) == "abc[8m baris\n\tdua"
    )


@given(st.text(max_size=60))
def test_text_is_kept_or_refused_and_what_is_kept_has_its_bounds(text: str) -> None:
    try:
        kept = bounded_text(text, "note", at_most=20)
    except BadText:
        return
    assert 1 <= len(kept) <= 20
    assert "\0" not in kept
    seen = [letter for letter in text if letter in "\t\n\r" or unicodedata.category(letter) != "Cc"]
    assert kept.encode().decode() == kept == "".join(letter for letter in seen if letter not in BIDI).strip()


def test_ids_bear_their_time_and_grow() -> None:
    ids = TimeIds(3, 0)

    drawn = [ids.next(1_700_000_000_000 + step // 3) for step in range(9)]

    assert drawn == sorted(set(drawn))
    assert [millisecond_of(one) - 1_700_000_000_000 for one in drawn] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert {one >> 14 & 63 for one in drawn} == {3}


def test_ids_grow_also_when_the_clock_goes_backwards() -> None:
    last = TimeIds(1, 0).next(1_700_000_060_000)

    after = TimeIds(1, last).next(1_700_000_000_000)

    assert after == last + 1


def test_ids_grow_also_when_a_millisecond_overflows() -> None:
    ids = TimeIds(63, 0)

    drawn = [ids.next(1_700_000_000_000) for _ in range(40_000)]

    assert all(earlier < later for earlier, later in pairwise(drawn))
    assert {one >> 14 & 63 for one in drawn} == {63}
    assert millisecond_of(drawn[-1]) == 1_700_000_000_002
    assert drawn[-1] < 2**63


@given(st.lists(st.integers(FIRST_MS, LAST_MS), min_size=1, max_size=50), st.integers(0, 63))
def test_ids_grow_whatever_the_clock_says(clock: list[int], shard: int) -> None:
    last, drawn = 0, []
    for now_ms in clock:
        last = TimeIds(shard, last).next(now_ms)  # each time as a new process that knows only the last committed id
        drawn.append(last)

    assert drawn == sorted(set(drawn))
    assert all(one >> 14 & 63 == shard for one in drawn)


@pytest.mark.parametrize("shard", [-1, 64])
def test_a_shard_has_six_bits(shard: int) -> None:
    with pytest.raises(ValueError, match="0 to 63"):
        TimeIds(shard, 0)


def test_the_clock_of_the_machine_is_aware_and_in_utc() -> None:
    now = SystemClock().now()

    assert now.tzinfo is UTC
    assert now.utcoffset() == timedelta()

"""Contact numbers: nine digits whose check digit catches slips, that tell no volume and are given once."""

import hmac
from hashlib import sha256
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sahut.bedrock import MOST_NUMBERS, contact_number, is_contact_number, show_number

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


ALL_COUNTS = st.integers(0, MOST_NUMBERS - 1)
KEYS = st.binary(min_size=32, max_size=32)


def count_behind(number: str, key: bytes) -> int:
    """The count that a number was made of: the permutation, written a second time and backwards."""
    left, right = divmod(int(number[:8]), 10**4)
    for turn in reversed(range(8)):
        mixed = hmac.digest(key, b"contact number %d %d" % (turn, left), sha256)
        left, right = (right - int.from_bytes(mixed[:8], "big")) % 10**4, left
    return left * 10**4 + right


@given(ALL_COUNTS, KEYS)
def test_every_count_has_a_number_and_every_number_its_count(count: int, key: bytes) -> None:
    number = contact_number(count, key)

    assert is_contact_number(number)
    assert count_behind(number, key) == count


@given(ALL_COUNTS, KEYS)
def test_every_eight_digits_are_the_number_of_some_count(scrambled: int, key: bytes) -> None:
    count = count_behind(f"{scrambled:08d}0", key)

    assert contact_number(count, key)[:8] == f"{scrambled:08d}"


@given(ALL_COUNTS)
def test_no_slip_of_one_digit_or_of_two_neighbours_passes(count: int) -> None:
    number = contact_number(count, KEY)
    slips = {number[:place] + digit + number[place + 1 :] for place in range(9) for digit in "0123456789"}
    slips |= {number[:place] + number[place + 1] + number[place] + number[place + 2 :] for place in range(8)}

    assert {slip for slip in slips if is_contact_number(slip)} == {number}


def test_no_slip_passes_at_any_place_whatever_stands_before_it() -> None:
    # The check of a text depends on what came before only by one of ten states, so ten beginnings stand for all.
    beginnings = {}
    for prefix in range(1_000):
        check = next(digit for digit in "0123456789" if is_contact_number(f"{prefix:08d}{digit}"))
        beginnings.setdefault(check, f"{prefix:03d}")
    assert len(beginnings) == 10

    for begun in beginnings.values():
        for two in range(100):
            first, second = divmod(two, 10)
            good = {tail for tail in range(10) if is_contact_number(f"000{begun}{first}{second}{tail}")}
            swapped = {tail for tail in range(10) if is_contact_number(f"000{begun}{second}{first}{tail}")}
            assert first == second or good.isdisjoint(swapped)
            for other in range(10):
                slipped = {tail for tail in range(10) if is_contact_number(f"000{begun}{other}{second}{tail}")}
                assert other == first or good.isdisjoint(slipped)


@given(st.sets(st.integers(0, MOST_NUMBERS // 500 - 1), min_size=2, max_size=6), KEYS)
def test_blocks_never_overlap(blocks: set[int], key: bytes) -> None:
    given_out = [contact_number(block * 500 + place, key) for block in blocks for place in range(0, 500, 7)]

    assert len(set(given_out)) == len(given_out)

"""Phones as people write them, and how long one waits after wrong PINs."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sahut.people import TryLater, UnknownPhone, normal_phone
from sahut.people.rules import wait_after
from sahut.wallet.transfers import BadIdempotencyKey, uuid_of_key


@pytest.mark.parametrize(
    "written",
    [
        "+6281200000001", "081200000001", "62 812-0000-0001", "+62 812 0000 0001", " 0812.0000.0001 ",
        "(0812) 0000-0001", "＋６２８１２０００００００１",
    ],
)  # fmt: skip
def test_a_phone_is_one_however_it_is_written(written: str) -> None:
    assert normal_phone(written) == "+6281200000001"


def test_a_phone_abroad_stays_abroad() -> None:
    assert normal_phone("+86 138 0013 8000") == "+8613800138000"


@pytest.mark.parametrize("written", ["", "halo", "12", "+", "0" * 33, "8" * 10_000, "\0", "\ud800", "+999123456789012"])
def test_what_is_no_phone_is_refused(written: str) -> None:
    with pytest.raises(UnknownPhone):
        normal_phone(written)


@given(st.text(max_size=40))
def test_any_text_is_a_phone_the_table_keeps_or_is_refused(written: str) -> None:
    try:
        phone = normal_phone(written)
    except UnknownPhone:
        return
    assert phone[0] == "+"
    assert phone[1:].isascii()
    assert phone[1:].isdigit()


# wrong tries in a row → seconds nobody is heard
WAITS = [(1, 0), (4, 0), (5, 15), (6, 30), (7, 60), (8, 120), (12, 1_920), (13, 3_600), (14, 3_600), (10**9, 3_600)]


@pytest.mark.parametrize(("wrong_tries", "wait_s"), WAITS)
def test_waits_grow_up_to_an_hour_and_never_for_ever(wrong_tries: int, wait_s: int) -> None:
    assert wait_after(wrong_tries) == timedelta(seconds=wait_s)


def test_who_must_wait_is_told_how_long() -> None:
    assert TryLater(15).fields() == {"retry_after_s": 15}


@pytest.mark.parametrize("key", ["12345678", "x" * 64, "8c7a-~!/=+", "0f8fad5b-d9cb-469f-a165-70867728950e"])
def test_an_idempotency_key_is_the_same_each_time(key: str) -> None:
    assert uuid_of_key(key) == uuid_of_key(key)
    assert uuid_of_key(key) != uuid_of_key(key + "x"[: 64 - len(key)] if len(key) < 64 else key[:-1] + "y")


@pytest.mark.parametrize("key", ["", "1234567", "x" * 65, "with space", "kunci-é-123", "null\0null", "line\nline"])
def test_a_bad_idempotency_key_is_refused(key: str) -> None:
    with pytest.raises(BadIdempotencyKey):
        uuid_of_key(key)

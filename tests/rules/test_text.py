"""Text with bounds: kept as it is, or refused by name."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sahut.bedrock import BadText, bounded_text


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


@pytest.mark.parametrize(
    ("text", "at_most_bytes", "kept"),
    [
        ("saldo", 5, True),
        ("saldo", 4, False),
        ("余额", 6, True),
        ("余额", 5, False),
        ("👩‍👩‍👧", 18, True),
        ("👩‍👩‍👧", 17, False),
    ],
)
def test_bytes_are_bounded_where_somebody_outside_counts_them(text: str, at_most_bytes: int, kept: bool) -> None:
    if kept:
        assert bounded_text(text, "note", at_most=40, at_most_bytes=at_most_bytes) == text
        return
    with pytest.raises(BadText) as refused:
        bounded_text(text, "note", at_most=40, at_most_bytes=at_most_bytes)
    assert refused.value.fields() == {"field": "note", "reason": "too_many_bytes", "at_most": at_most_bytes}


# Also what Python's text strategy leaves out: lone surrogates.
ANY_TEXT = st.text(st.characters() | st.characters(categories=["Cs"]), max_size=60)


@given(ANY_TEXT, st.integers(1, 30), st.integers(1, 60))
def test_every_text_is_kept_within_both_bounds_or_refused_by_name(text: str, at_most: int, at_most_bytes: int) -> None:
    try:
        kept = bounded_text(text, "note", at_most=at_most, at_most_bytes=at_most_bytes)
    except BadText as refused:
        told = refused
    else:
        assert 1 <= len(kept) <= at_most
        assert 1 <= len(kept.encode("utf-8")) <= at_most_bytes
        assert bounded_text(kept, "note", at_most=at_most, at_most_bytes=at_most_bytes) == kept
        return
    seen = "".join(letter for letter in text if letter in "\t\n\r\0" or unicodedata.category(letter) != "Cc")
    seen = "".join(letter for letter in seen if letter not in BIDI).strip()
    reasons = {
        "too_short": not seen,
        "too_long": len(seen) > at_most or len(text) > at_most,
        "nul": "\0" in seen,
        "not_unicode": any(unicodedata.category(letter) == "Cs" for letter in seen),
        "too_many_bytes": len(seen.encode("utf-8", "surrogatepass")) > at_most_bytes,
    }
    assert reasons[told.reason]

"""Cookies are read in one pass, by exact names, and only with values that we could have given."""

import time

from sahut.web.cookies import HEADER_AT_MOST, receipt_in, token_in

TOKEN = "Ab-_" * 10 + "abc"


def test_our_cookie_is_found_among_others() -> None:
    assert token_in(f"theme=dark; sahut={TOKEN}; x=y", "sahut") == TOKEN
    assert token_in(f"sahut={TOKEN}", "sahut") == TOKEN
    assert receipt_in(f"sahut-receipt={TOKEN * 20}", "sahut-receipt") == TOKEN * 20


def test_only_the_exact_name_and_the_alphabet_of_tokens_count() -> None:
    for header in (
        "", ";", "=", f"Sahut={TOKEN}", f"sahut-desk={TOKEN}", f"xsahut={TOKEN}", TOKEN, "sahut",
        "sahut=", "sahut=short", f'sahut="{TOKEN}"', f"sahut={TOKEN}\n", f"sahut={TOKEN}é", f"sahut=={TOKEN}",
        f"sahut={TOKEN * 2}", f"sahut=x; sahut={TOKEN}",
    ):  # fmt: skip
        assert token_in(header, "sahut") is None, header


def test_a_header_that_no_browser_sends_costs_nothing() -> None:
    began = time.perf_counter()
    for hostile in ('sahut="' + "\\" * 60_000 + '"', "a=b;" * 15_000, "sahut=" + "x" * 300_000):
        assert token_in(hostile, "sahut") is None
        assert receipt_in(hostile, "sahut") is None
    within_bound = 'sahut="' + "\\" * (HEADER_AT_MOST - 8) + '"'
    assert len(within_bound) == HEADER_AT_MOST
    assert token_in(within_bound, "sahut") is None
    assert token_in(f"sahut={TOKEN}" + ";" * HEADER_AT_MOST, "sahut") is None
    assert time.perf_counter() - began < 0.1

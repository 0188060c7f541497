"""Masking: card numbers, codes and PINs go out of a text before anything keeps it.

A card number is 12 to 19 digits, however spaced or dashed and in whichever script's digits, that begin like one of the
networks' and pass Luhn's check (ISO/IEC 7812-1); the first six and last four stay (PCI DSS 4.0.1, 3.4.1), so that a
person can tell which card is meant. A code is four to eight digits (three for the code on a card) next to a word for
code, PIN or password in one of our languages; all of it goes. Amounts and our own nine-digit numbers stay.
"""

import re
import unicodedata
from dataclasses import dataclass

DOT = "•"

_BETWEEN = r"[\s\u00a0\u2000-\u200b\u2010-\u2015\u2212\u3000\uff0d./_\-]{0,2}"
_RUN = re.compile(rf"\d(?:{_BETWEEN}\d){{11,63}}")
_DIGITS = re.compile(r"\d\D{0,2}\d\D{0,2}\d")  # fewer than three near each other are neither a card nor a code
_GROUPED_AMOUNT = re.compile(r"\d{1,3}(?:\.\d{3})+")
_BEFORE_AMOUNT = re.compile(r"(?:rp|idr|cny|usd|[¥￥$])\.?\s*$", re.IGNORECASE)
# How a network's numbers begin → how long they are (ISO/IEC 7812; most cards first).
_NETWORKS = (
    (re.compile(r"4"), (16, 13, 19)),
    (re.compile(r"5[1-5]|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720)"), (16,)),
    (re.compile(r"3[47]"), (15,)),
    (re.compile(r"3(?:0|6|8|9)"), (14, 16, 19)),
    (re.compile(r"35"), (16, 19)),
    (re.compile(r"1946"), (16,)),  # the Indonesian national scheme has numbers of its own
    (re.compile(r"50|5[6-9]|6"), (16, 19, 18, 17, 15, 14, 13, 12)),
)

_NO_LETTER_BEFORE, _NO_LETTER_AFTER = r"(?<![a-z])", r"(?:nya|ku|mu|s)?(?![a-z])"
_LATIN = "otp|pin|kode|sandi|password|passcode|passwort|code|verifikasi|verification|token"
_CJK = "验证码|驗證碼|密码|密碼|校验码|动态码|口令"
_WORD = rf"(?:{_NO_LETTER_BEFORE}(?:{_LATIN}){_NO_LETTER_AFTER}|{_CJK})"
_CARD_WORD = rf"(?:{_NO_LETTER_BEFORE}(?:cvv2?|cvc2?|cid){_NO_LETTER_AFTER}|安全码)"
_GAP = r"[^\d\n]{0,24}?"
_NO_MONEY = r"(?<!rp)(?<!rp )(?<!rp\.)(?<!idr)(?<!idr )(?<![¥￥$])"
_CODE, _END = r"(?<![\d.,])\d(?:[ \-]?\d){3,7}", r"(?![ \-]?\d)(?![.,]\d)"
# Each blank belongs to one word and is bounded, or a text of blanks would be tried in all its divisions.
_LINK = r"(?:\s{0,3}(?:itu|adalah|is|是|为))?(?:\s{0,3}(?:my|saya|我的))?\s{0,3}"
_CODES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_WORD}{_GAP}{_NO_MONEY}(?P<code>{_CODE}){_END}",
        rf"{_CARD_WORD}{_GAP}(?P<code>(?<!\d)\d{{3,4}}(?!\d))",
        rf"{_NO_MONEY}(?P<code>{_CODE}){_END}{_LINK}{_WORD}",
    )
)


@dataclass(frozen=True, slots=True)
class Masked:
    """The text that may be kept, and how many of each it had."""

    text: str
    cards: int
    codes: int


def mask_secrets(text: str) -> Masked:
    """The text without card numbers and codes."""
    if not _DIGITS.search(text):
        return Masked(text, 0, 0)
    text, cards = _mask_cards(text)
    codes = 0
    for pattern in _CODES:
        text, found = pattern.subn(_hide_code, text)
        codes += found
    return Masked(text, cards, codes)


def _mask_cards(text: str) -> tuple[str, int]:
    kept, cards, end = list(text), 0, 0
    for run in _RUN.finditer(text):
        if _BEFORE_AMOUNT.search(text, max(0, run.start() - 8), run.start()) or _GROUPED_AMOUNT.fullmatch(run[0]):
            continue
        places = [place for place in range(run.start(), run.end()) if text[place].isdecimal()]
        starts = [i for i, place in enumerate(places) if i == 0 or places[i - 1] != place - 1]
        for start in starts:
            length = 0 if places[start] < end else _card_length(text, places, start)
            if length:
                for place in places[start + 6 : start + length - 4]:
                    kept[place] = DOT
                cards, end = cards + 1, places[start + length - 1] + 1
    return "".join(kept), cards


def _card_length(text: str, places: list[int], start: int) -> int:
    """How many digits from `start` are a card number; 0 when none are."""
    digits = "".join(str(unicodedata.digit(text[place])) for place in places[start : start + 19])
    for begins, lengths in _NETWORKS:
        if begins.match(digits):
            for length in lengths:
                if length <= len(digits) and _passes_luhn(digits[:length]):
                    return length
    return 0


def _hide_code(found: re.Match[str]) -> str:
    first, last = found.start("code") - found.start(), found.end("code") - found.start()
    hidden = "".join(DOT if c.isdecimal() else c for c in found["code"])
    return found[0][:first] + hidden + found[0][last:]


def _passes_luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0

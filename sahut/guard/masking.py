"""Masking: card numbers, codes and PINs go out of a text before anything keeps it.

A card number is 12 to 19 digits, however spaced or dashed and in whichever script's digits, that pass Luhn's check
(ISO/IEC 7812-1); its first six and last four stay (PCI DSS 4.0.1, 3.4.1), so that a person can tell which card is
meant. A code is three to eight digits next to a word for code, PIN or password in one of our languages; all of it goes.
"""

import re
import unicodedata
from dataclasses import dataclass

DOT = "•"

# Digits of any script, with at most two separators between them.
_LONG = re.compile(r"(?<![\d.,])\d(?:[ \u00a0\-‐‑–./_]{0,2}\d){11,18}(?!\d)")
_WORDS = (
    "otp|pin|kode|sandi|password|passcode|passwort|code|cvv|cvc|verifikasi|verification|token"
    "|验证码|驗證碼|密码|密碼|校验码|动态码|口令|安全码"
)
_GAP = r"[^\d\n]{0,24}?"
_AFTER_WORD = re.compile(
    rf"(?P<said>(?:{_WORDS}){_GAP})(?P<code>(?<!\d)\d(?:[ \-]?\d){{2,7}})(?!\d)(?![.,]\d)", re.IGNORECASE
)
_BEFORE_WORD = re.compile(
    rf"(?<![\d.,])(?P<code>\d(?:[ \-]?\d){{3,7}})"
    rf"(?P<said>\s*(?:itu|adalah|is|是|为)?\s*(?:my|saya|我的)?\s*(?:{_WORDS}))",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Masked:
    """The text that may be kept, and how many of each it had."""

    text: str
    cards: int
    codes: int


def mask_secrets(text: str) -> Masked:
    """The text without card numbers and codes. Amounts and our own nine-digit numbers stay."""
    cards = codes = 0

    def card(found: re.Match[str]) -> str:
        nonlocal cards
        digits = [str(unicodedata.digit(c)) for c in found[0] if c.isdigit()]
        if not _passes_luhn(digits):
            return found[0]
        cards += 1
        return "".join(digits[:6]) + DOT * (len(digits) - 10) + "".join(digits[-4:])

    def code(found: re.Match[str]) -> str:
        nonlocal codes
        codes += 1
        hidden = "".join(DOT if c.isdigit() else c for c in found["code"])
        return found[0].replace(found["code"], hidden)

    text = _LONG.sub(card, text)
    text = _AFTER_WORD.sub(code, text)
    text = _BEFORE_WORD.sub(code, text)
    return Masked(text, cards, codes)


def _passes_luhn(digits: list[str]) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0

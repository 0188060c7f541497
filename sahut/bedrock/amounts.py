"""Amounts as people type them: 50.000, 50,000, Rp 50rb, 1,5 juta, ¥12.50, 5万.

Points and commas mean thousands to some and decimals to others. Where only one meaning is possible it is taken,
whoever types; where two are, the amount is refused and the person asked, because a guess moves a thousandfold sum.
The rules are in ADR 51.
"""

import re

from sahut.bedrock.currencies import currency_of
from sahut.bedrock.money import AmountMinor, BadAmount, amount_minor

TYPED_AT_MOST = 40
# Currencies whose decimals exist in the books, but not in anybody's hand.
_WHOLE = frozenset({"IDR"})
# The separator of thousands that a reader of the language expects.
_GROUP = {"id": ".", "zh": ",", "en": ","}

_SIGNS = {
    "IDR": ("rp.", "rp", "idr", "rupiah"),
    "CNY": ("cny", "rmb", "cn¥", "¥", "元", "块", "人民币"),
    "USD": ("us$", "usd", "$"),
    "SGD": ("s$", "sgd", "$"),
    "JPY": ("jp¥", "jpy", "¥", "円", "日元"),
}
_ALL_SIGNS = tuple(sorted({sign for signs in _SIGNS.values() for sign in signs}, key=len, reverse=True))
_TIMES = {
    "rb": 3, "ribu": 3, "jt": 6, "juta": 6, "miliar": 9,
    "k": 3, "thousand": 3, "million": 6,
    "千": 3, "万": 4, "十万": 5, "百万": 6, "千万": 7, "亿": 8,
}  # fmt: skip
_TYPED = re.compile(r"(?P<digits>[0-9][0-9., ]*)(?P<times>[a-z]+|[十百千万亿]+)?")
_GROUPED = re.compile(r"[1-9][0-9]{0,2}(?:(?P<by>[., ])[0-9]{3})(?:(?P=by)[0-9]{3})*")
# What is typed by input methods of Chinese, and the spaces that come along when a number is copied.
_PLAIN = str.maketrans("０１２３４５６７８９，．￥\u00a0\u202f\u2009'’", "0123456789,.¥     ")


def read_amount(text: str, currency: str, language: str) -> AmountMinor:
    """The minor units of an amount that somebody typed.

    `language`: of the person; it decides only what a lone separator before three digits means where both meanings are
    possible, and then only in favour of thousands. In rupiah such a separator is always thousands: sen are not typed.
    Refuses: `bad_amount` with its reason, `unknown_currency`.
    """
    exponent = currency_of(currency).exponent
    if not text.strip():
        raise BadAmount("empty")
    if len(text) > TYPED_AT_MOST:
        raise BadAmount("not_a_number")
    typed = _without_sign(text.translate(_PLAIN).lower().strip(), currency)
    if typed[:1] in {"-", "−"}:
        raise BadAmount("not_positive")
    found = _TYPED.fullmatch(typed)
    if found is None:
        raise BadAmount("not_a_number")
    decimals = 0 if currency in _WHOLE else exponent
    if found["times"] is None:
        whole, rest = _plain_number(found["digits"].strip(), decimals, _GROUP.get(language, ","))
    else:
        whole, rest = _before_word(found["digits"].strip(), found["times"])
    if len(rest) > decimals:
        if rest.strip("0") or len(rest) > 2:
            raise BadAmount("decimals")
        rest = ""
    return amount_minor(int(whole + rest.ljust(exponent, "0")))


def _without_sign(typed: str, currency: str) -> str:
    """The number without its currency before or after it, and without the `,-` of Indonesian price tags."""
    typed = typed.removesuffix(",-").strip()
    for sign in (*_SIGNS.get(currency, ()), currency.lower()):
        if typed.startswith(sign):
            return typed.removeprefix(sign).strip()
        if typed.endswith(sign):
            return typed.removesuffix(sign).strip()
    if typed.startswith(_ALL_SIGNS) or typed.endswith(_ALL_SIGNS):
        raise BadAmount("other_currency")
    return typed


def _plain_number(digits: str, decimals: int, group: str) -> tuple[str, str]:
    """Digits before and after the decimal separator. `decimals`: how many people type in this currency."""
    if digits.isdigit():
        return digits, ""
    head, mark, tail = _last_separator(digits)
    if len(tail) == 3 and _GROUPED.fullmatch(digits):
        # Every separator is the same, and all groups are right.
        alone = digits.count(mark) == 1
        if alone and mark != " " and (decimals >= 3 or (decimals and mark != group)):
            raise BadAmount("unclear")  # $1.500 by an English reader, or a dinar with its three decimals
        return re.sub("[., ]", "", digits), ""
    if mark == " " or mark in head or not tail:
        raise BadAmount("not_a_number")
    if not head.isdigit() and not _GROUPED.fullmatch(head):
        raise BadAmount("not_a_number")
    if head.isdigit() and len(head) <= 3 and len(tail) == 2 and not decimals:
        raise BadAmount("unclear" if tail == "00" else "decimals")  # Rp50.00: a zero forgotten, or fifty rupiah?
    return re.sub("[., ]", "", head), tail


def _before_word(digits: str, word: str) -> tuple[str, str]:
    """The same for a number before ribu, juta, k, 万 …: 1,5 juta is 1500000."""
    if word not in _TIMES:
        raise BadAmount("not_a_number")
    if digits.isdigit():
        return digits + "0" * _TIMES[word], ""
    head, mark, tail = _last_separator(digits)
    if not head.isdigit() or mark == " " or not tail:
        raise BadAmount("not_a_number")
    if len(tail) == 3:
        raise BadAmount("unclear")  # 1.250rb: a million and a quarter, or one thousand two hundred and fifty?
    moved = tail.ljust(_TIMES[word], "0")
    return head + moved[: _TIMES[word]], moved[_TIMES[word] :]


def _last_separator(digits: str) -> tuple[str, str, str]:
    place = max(digits.rfind(mark) for mark in "., ")
    return digits[:place], digits[place], digits[place + 1 :]

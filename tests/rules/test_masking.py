"""Masking: what must never be kept goes; what people write about money and cases stays."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sahut.guard import mask_secrets

CARDS = {
    "visa": "4111111111111111",
    "mastercard": "5555555555554444",
    "mastercard of the two series": "2223003122003222",
    "american express": "378282246310005",
    "jcb": "3530111333300000",
    "union pay": "6200000000000005",
    "union pay of nineteen": "6205500000000000004",
    "discover": "6011111111111117",
    "diners": "30569309025904",
    "gpn debit of bni": "1946340123456787",
    "maestro of twelve": "501800000009",
    "gpn debit": "6013014200987652",
}
FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")
ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")


def grouped(digits: str, between: str) -> str:
    return between.join(re.findall(".{1,4}", digits) if len(digits) != 15 else (digits[:4], digits[4:10], digits[10:]))


def signs(text: str) -> str:
    """Digits, in western ones, and dots; nothing that stands between them."""
    return "".join(str(int(c)) if c.isdecimal() else c for c in text if c.isdecimal() or c == "•")


def western_digits(text: str) -> str:
    return "".join(str(int(c)) for c in text if c.isdecimal())


def assert_no_card(kept: str, digits: str) -> None:
    """Only the first six and the last four digits are left of it, in whatever script."""
    assert digits not in western_digits(kept)
    assert f"{digits[:6]}{'•' * (len(digits) - 10)}{digits[-4:]}" in signs(kept)


@pytest.mark.parametrize("between", ["", " ", "-", ".", "/", "_", "\u00a0", "\u2009", "\u3000", "－", "—", " ‐"])
@pytest.mark.parametrize("digits", CARDS.values(), ids=CARDS)
def test_a_card_number_goes_however_it_is_spelled(digits: str, between: str) -> None:
    masked = mask_secrets(f"kartu saya {grouped(digits, between)} terima kasih")

    assert masked.cards == 1
    assert_no_card(masked.text, digits)
    assert western_digits(masked.text) == digits[:6] + digits[-4:]
    assert masked.text.startswith("kartu saya ")
    assert masked.text.endswith(" terima kasih")


@pytest.mark.parametrize("script", [FULL_WIDTH, ARABIC], ids=["full width", "arabic"])
@pytest.mark.parametrize("between", ["", " ", "\u3000", "－"])
def test_a_card_number_goes_in_whichever_digits(script: dict[int, int], between: str) -> None:
    digits = CARDS["visa"]

    masked = mask_secrets("卡号：" + grouped(digits, between).translate(script) + "。谢谢")

    assert masked.cards == 1
    assert_no_card(masked.text, digits)


@pytest.mark.parametrize(
    "text",
    [
        "no.{}",
        "kartu,{}",
        "kartu:{};",
        "({})",
        "{} 12/27",
        "{} 12/27 123",
        "{} 123",
        "{} exp 12/27",
        "081200000001 {}",
        "1 {}",
        "12/27 {}",
        "482 193 705 {}",
        "卡号{}，谢谢",
        "kartu {}\nsaldo 50.000",
        "x{}x",
    ],
)
@pytest.mark.parametrize("between", ["", " ", "-"])
def test_a_card_number_goes_whatever_stands_beside_it(text: str, between: str) -> None:
    digits = CARDS["visa"]

    masked = mask_secrets(text.format(grouped(digits, between)))

    assert masked.cards == 1
    assert_no_card(masked.text, digits)


def test_of_several_cards_each_goes() -> None:
    text = " dan ".join(CARDS.values())

    masked = mask_secrets(text)

    assert masked.cards == len(CARDS)
    for digits in CARDS.values():
        assert digits not in masked.text


def test_two_cards_side_by_side_both_go() -> None:
    masked = mask_secrets("4111 1111 1111 1111 5555 5555 5555 4444")

    assert masked.cards == 2
    assert western_digits(masked.text) == "4111111111" + "5555554444"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("otp 123456", "otp ••••••"),
        ("OTP: 12 34 56", "OTP: •• •• ••"),
        ("kode OTP-nya 9911", "kode OTP-nya ••••"),
        ("PIN saya 246813", "PIN saya ••••••"),
        ("pinku 246813 ya", "pinku •••••• ya"),
        ("kata sandi saya 12345678", "kata sandi saya ••••••••"),
        ("kode verifikasi 4821", "kode verifikasi ••••"),
        ("123456 adalah kode saya", "•••••• adalah kode saya"),
        ("pin saya 123456, otp 654321", "pin saya ••••••, otp ••••••"),
        ("验证码是 123456", "验证码是 ••••••"),
        ("我的验证码：１２３４５６", "我的验证码：••••••"),
        ("验证码123456请勿告诉别人", "验证码••••••请勿告诉别人"),
        ("123456是我的验证码", "••••••是我的验证码"),
        ("密码 246813", "密码 ••••••"),
        ("驗證碼 246813", "驗證碼 ••••••"),
        ("my password is 1234", "my password is ••••"),
        ("verification code: 1234-5678", "verification code: ••••-••••"),
        ("passcode=99887766", "passcode=••••••••"),
        ("cvv 123", "cvv •••"),
        ("CVC: 1234", "CVC: ••••"),
        ("安全码 123", "安全码 •••"),
    ],
)
def test_a_code_goes_next_to_a_word_for_it(text: str, kept: str) -> None:
    assert mask_secrets(text).text == kept


@pytest.mark.parametrize(
    "text",
    [
        "saya kirim Rp50.000 kemarin",
        "saldo kurang Rp1.234.567.890",
        "Rp1.234.567.890.128",
        "IDR 4111111111111111",
        "¥12,500.00",
        "transfer 50000 gagal",
        "saya pinjam 500000 dari teman",
        "pinjaman 2000000 belum cair",
        "shopping 50000",
        "barcode 12345",
        "PIN salah, lalu transfer Rp50000",
        "PIN salah, lalu transfer Rp 500000",
        "otp tidak datang, saldo Rp1.250.000",
        "nomor kontak 482193705",
        "kode kontak 482193705",
        "kode kontak 482 193 705",
        "关于 482 193 705 的问题",
        "hubungi 081200000001",
        "+62 812-0000-0001",
        "2026-11-22 12:30",
        "余额少了50000卢比",
        "1234567890123456",
        "4111 1111 1111 1112",
        "",
        "halo 👋",
    ],
)
def test_amounts_our_numbers_and_all_else_stays(text: str) -> None:
    masked = mask_secrets(text)

    assert masked.text == text
    assert (masked.cards, masked.codes) == (0, 0)


@given(st.text(max_size=200))
def test_masking_only_ever_hides_digits(text: str) -> None:
    masked = mask_secrets(text).text

    assert len(masked) == len(text)
    assert all(now == was or (now == "•" and was.isdecimal()) for now, was in zip(masked, text, strict=True))


@pytest.mark.parametrize(
    "family",
    ["1234{}x", "1234{}itu{}x", "{}otp", "pin {} 1", "4111{}", "1{}2", "cvv{}12", "{}验证码"],
)
@pytest.mark.parametrize("filling", [" ", "\t", "-", "1", "1 ", " saya", "otp ", "．"])
def test_no_text_takes_long(family: str, filling: str) -> None:
    """Counted in steps of the processor's clock for this thread, so that a busy machine does not matter."""
    text = family.replace("{}", filling * 4000)[:4000]

    began = time.thread_time()
    mask_secrets(text)

    assert time.thread_time() - began < 0.5  # the worst takes some 20 ms; what is cubic takes minutes

"""Contact numbers: nine digits that a person can read aloud, with a check digit, scrambled.

The check digit is Damm's (2004): it catches every single wrong digit and every pair of swapped neighbours.
The eight digits before it are a counter sent through a keyed permutation, so that two numbers do not tell how many
people wrote between them, and no number is ever given twice.
"""

import hmac
from hashlib import sha256

MOST_NUMBERS = 10**8

# A totally anti-symmetric quasigroup of order ten (H. M. Damm, 2004).
_DAMM = (
    (0, 3, 1, 7, 5, 9, 8, 6, 4, 2),
    (7, 0, 9, 2, 1, 5, 4, 8, 6, 3),
    (4, 2, 0, 6, 8, 7, 1, 3, 5, 9),
    (1, 7, 5, 0, 9, 8, 3, 4, 2, 6),
    (6, 1, 2, 3, 0, 4, 5, 9, 7, 8),
    (3, 6, 7, 4, 2, 0, 9, 5, 8, 1),
    (5, 8, 6, 9, 7, 2, 0, 1, 3, 4),
    (8, 9, 4, 5, 3, 6, 2, 0, 1, 7),
    (9, 4, 3, 8, 6, 1, 7, 2, 0, 5),
    (2, 5, 8, 1, 4, 3, 6, 7, 9, 0),
)
_HALF = 10**4
_ROUNDS = 8  # NIST SP 800-38G asks at least eight for small domains


def contact_number(count: int, key: bytes) -> str:
    """The nine digits of the `count`-th contact (0 to 99,999,999) under the deployment's key of 32 bytes."""
    if not 0 <= count < MOST_NUMBERS:
        raise ValueError("all contact numbers of this deployment are given out")
    left, right = divmod(count, _HALF)
    for turn in range(_ROUNDS):
        mixed = hmac.digest(key, b"contact number %d %d" % (turn, right), sha256)
        left, right = right, (left + int.from_bytes(mixed[:8], "big")) % _HALF
    digits = f"{left * _HALF + right:08d}"
    return digits + str(_check_state(digits))


def is_contact_number(text: str) -> bool:
    """Whether the text is nine ASCII digits whose check digit is right."""
    return len(text) == 9 and text.isascii() and text.isdigit() and _check_state(text) == 0


def show_number(number: str) -> str:
    """The number as it is shown and said: 482 193 705."""
    return f"{number[:3]} {number[3:6]} {number[6:]}"


def _check_state(digits: str) -> int:
    state = 0
    for digit in digits:
        state = _DAMM[state][int(digit)]
    return state

"""Cursors of lists: opaque, signed, bound to the list and the person they were given for. Pure."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256

from sahut.web.rules import WrongField

_MARK_BYTES = 12


def write_cursor(key: bytes, purpose: str, person_id: int, position: int) -> str:
    """The cursor that goes on after `position` (0 to 2^63 - 1) in the list `purpose` of this person."""
    raw = position.to_bytes(8, "big")
    return urlsafe_b64encode(raw + _mark(key, purpose, person_id, raw)).decode().rstrip("=")


def read_cursor(key: bytes, purpose: str, person_id: int, cursor: str | None) -> int | None:
    """The position in a cursor that we gave; None without a cursor. Refuses: `wrong_field`."""
    if cursor is None or cursor == "":
        return None
    try:
        given = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
    except ValueError:
        given = b""
    raw, mark = given[:8], given[8:]
    if len(cursor) > 64 or len(raw) != 8 or not hmac.compare_digest(mark, _mark(key, purpose, person_id, raw)):
        raise WrongField("cursor", "a cursor from the page before")
    return int.from_bytes(raw, "big")


def _mark(key: bytes, purpose: str, person_id: int, raw: bytes) -> bytes:
    return hmac.digest(key, f"cursor {purpose} {person_id} ".encode() + raw, sha256)[:_MARK_BYTES]

"""Rows that other rooms write in their own commit: what happened, and what is to be done next."""

from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode


class EventRow(msgspec.Struct, frozen=True, gc=False):
    """What happened, past tense. Ids, amounts and salted commitments only, never personal data.

    `topic`: whose books (wallet, care, ledger, staff, deadline, alarm). `subject`: the person's id, or 0; for ledger
    the batch, for deadline the clock.
    """

    topic: str
    subject: int
    kind: str
    body: dict[str, Any]


class JobRow(msgspec.Struct, frozen=True, gc=False):
    """What is to be done, an imperative. `key`: under which doing it twice is doing it once, at most 200 characters."""

    kind: str
    key: str
    body: dict[str, Any]


def as_json(body: dict[str, Any]) -> str:
    """The body as PostgreSQL takes it."""
    return _encode(body).decode()

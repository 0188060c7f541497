"""One batch while it is decided: what will be written, column by column. Pure, but for the ids' counter."""

import struct
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from sahut.bedrock import Refusal, TimeIds
from sahut.ledger.rules import REFUSALS, LockedBalance, Posted, Transfer, check_transfer, move
from sahut.work import EventRow, KeyReused, as_json

PrincipalKey = tuple[int, UUID]
_ROW = struct.Struct("<qqqqhhqqqqq")

SINGLE = 1


class Batch:
    """Decides commands one after the other and collects the rows.

    `known`: (principal, key) → (body hash, answer) of commands that were answered before.
    """

    def __init__(
        self,
        ids: TimeIds,
        now: datetime,
        known: dict[PrincipalKey, tuple[bytes, Posted | Refusal]],
        balances: dict[int, LockedBalance],
    ) -> None:
        self._ids, self._now, self._now_ms = ids, now, int(now.timestamp() * 1000)
        self._known, self.balances = known, balances
        self._hash = sha256()
        self.transfers: list[tuple[Any, ...]] = []
        self.attempts: list[tuple[Any, ...]] = []
        self.keys: list[tuple[Any, ...]] = []
        self.events: list[tuple[str, int, str, str]] = []
        self.jobs: list[tuple[str, str, str]] = []

    def answer(self, command: Transfer) -> Posted | Refusal:
        """Decide one command; a repetition gets the answer of the first."""
        body_hash = command.body_hash()
        known = self._known.get((command.principal, command.key))
        if known is not None:
            return known[1] if known[0] == body_hash else KeyReused()
        number = self._ids.next(self._now_ms)
        payer, payee = self.balances.get(command.debit), self.balances.get(command.credit)
        refused = check_transfer(command, payer, payee)
        answer: Posted | Refusal
        if refused is not None:
            answer = self._refuse(number, command, *refused)
            self.keys.append((command.principal, command.key, body_hash, number, refused[0].reason))
        else:
            assert payer is not None
            assert payee is not None
            answer = self._post(number, command, payer, payee)
            self.keys.append((command.principal, command.key, body_hash, number, None))
        self._known[command.principal, command.key] = (body_hash, answer)  # the same key twice in one batch
        return answer

    def close(self) -> tuple[int, bytes]:
        """End the batch: its id, above all others of the commit, and the hash over its transfers. Adds its event."""
        number, digest = self._ids.next(self._now_ms), self._hash.digest()
        told = EventRow("ledger", number, "batch_posted", {"hash": digest.hex(), "size": len(self.transfers)})
        self.events.append((told.topic, told.subject, told.kind, as_json(told.body)))
        return number, digest

    def _refuse(self, number: int, command: Transfer, refusal: type[Any], had: int, bound: int) -> Refusal:
        self.attempts.append(
            (number, command.principal, command.key, command.debit, command.credit, _storable(command.amount_minor),
             refusal.reason, _storable(had), bound)
        )  # fmt: skip
        made: Refusal = refusal(number, _storable(had), bound)
        return made

    def _post(self, number: int, command: Transfer, payer: LockedBalance, payee: LockedBalance) -> Posted:
        move(command.amount_minor, payer, payee)
        row = (
            number, command.debit, command.credit, command.amount_minor, command.currency, int(command.kind),
            payer.seq, payee.seq, payer.posted, payee.posted,
        )  # fmt: skip
        self._hash.update(hashed_row(*row))
        self.transfers.append((*row, command.memo))
        told = {"transfer": str(number)}  # as text: readers of JSON keep 53 bits of a number
        for event in command.events:
            self.events.append((event.topic, event.subject, event.kind, as_json(event.body | told)))
        for job in command.jobs:
            self.jobs.append((job.kind, job.key, as_json(job.body | told)))
        return Posted(number, payer.seq, payer.posted, self._now)


def hashed_row(
    number: int, debit: int, credit: int, amount_minor: int, currency: int, kind: int,
    debit_seq: int, credit_seq: int, debit_after: int, credit_after: int,
) -> bytes:  # fmt: skip
    """The bytes of one transfer in the hash of its batch; the auditor makes them again from the table."""
    return _ROW.pack(
        number, debit, credit, amount_minor, currency, kind, debit_seq, credit_seq, debit_after, credit_after, SINGLE
    )


def answer_again(
    refusal: str | None, number: int | None, posted: tuple[int, int, datetime] | None, refused: tuple[int, int] | None
) -> Posted | Refusal:
    """The answer that was given to a command before, out of its rows; None is the number of what was no transfer."""
    if number is None:
        return KeyReused()
    if refusal is None:
        assert posted is not None, "a posted answer has its transfer"
        return Posted(number, *posted)
    assert refused is not None, "a refused answer has its attempt"
    return REFUSALS[refusal](number, *refused)


def _storable(value: int) -> int:
    """What a client sent may be beyond 64 bits; the evidence keeps the nearest that the table can."""
    return max(-(2**63), min(2**63 - 1, value))

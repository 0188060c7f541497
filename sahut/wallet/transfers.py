"""A transfer to a person, found by phone."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from uuid import UUID

from sahut.bedrock import Refusal, bounded_text, currency_number
from sahut.db import Pool, connection, named
from sahut.guard import mask_secrets
from sahut.ledger import Ledger, Transfer, TransferKind, customer_account
from sahut.people import Actor, normal_phone, person_by_phone
from sahut.work import EventRow

NOTE_AT_MOST = 140
_KEY_AT_LEAST, _KEY_AT_MOST = 8, 64


class UnknownRecipient(Refusal):
    """Nobody with this phone can get money in this currency here."""

    code = "unknown_recipient"


class NoWallet(Refusal):
    """The person has no account in this currency."""

    code = "no_wallet"
    shown = ("currency",)

    def __init__(self, currency: str) -> None:
        self.currency = currency
        super().__init__(currency)


class BadIdempotencyKey(Refusal):
    """The key must be 8 to 64 visible ASCII characters, new for each new transfer and the same for its repetition."""

    code = "bad_idempotency_key"


@dataclass(frozen=True, slots=True)
class Transferred:
    """What the payer is told; the same for each repetition. `balance_minor`: the payer's, just after."""

    transfer: int
    amount_minor: int
    currency: str
    to_name: str
    balance_minor: int
    recorded_at: datetime


class Transfers:
    """Sends transfers for one process."""

    def __init__(self, pool: Pool, ledger: Ledger) -> None:
        self._pool, self._ledger = pool, ledger

    async def send(
        self, actor: Actor, *, to_phone: str, amount_minor: int, currency: str, note: str | None, key: str
    ) -> Transferred:
        """Send money to the person with this phone.

        `note`: at most 140 characters, or None; card numbers and codes in it are masked. `key`: see
        `bad_idempotency_key`.
        Refuses: `bad_phone`, `unknown_recipient`, `no_wallet`, `unknown_currency`, `bad_text`, `bad_idempotency_key`,
        and all that `Ledger.post` refuses. Writes: what `Ledger.post` writes; events `transfer_sent`,
        `transfer_received`.
        """
        ledger_key = uuid_of_key(key)
        memo = (
            None
            if note is None or not note.strip()
            else mask_secrets(bounded_text(note, "note", at_most=NOTE_AT_MOST)).text
        )
        number = currency_number(currency)
        phone = normal_phone(to_phone)
        with named():
            async with connection(self._pool) as held:
                payee = await person_by_phone(held, phone)
                debit = await customer_account(held, actor.person_id, currency)
                credit = None if payee is None else await customer_account(held, payee.person_id, currency)
        if debit is None:
            raise NoWallet(currency)
        if payee is None or credit is None:
            raise UnknownRecipient
        money = {"amount_minor": amount_minor, "currency": currency}
        posted = await self._ledger.post(
            Transfer(
                principal=actor.person_id,
                key=ledger_key,
                debit=debit,
                credit=credit,
                amount_minor=amount_minor,
                currency=number,
                kind=TransferKind.PERSON,
                memo=memo,
                events=(
                    EventRow("wallet", actor.person_id, "transfer_sent", money),
                    EventRow("wallet", payee.person_id, "transfer_received", money),
                ),
            )
        )
        return Transferred(posted.transfer, amount_minor, currency, payee.name, posted.debit_after, posted.recorded_at)


def uuid_of_key(key: str) -> UUID:
    """An `Idempotency-Key` as the tables keep it. Refuses: `bad_idempotency_key`."""
    if not (_KEY_AT_LEAST <= len(key) <= _KEY_AT_MOST and key.isascii() and key.isprintable() and " " not in key):
        raise BadIdempotencyKey
    return UUID(bytes=blake2b(key.encode(), digest_size=16).digest())

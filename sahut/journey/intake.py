"""Receiving: whatever reached us, stored once, with its event and its first job, in one commit; then the receipt.

Nothing else happens before the answer. Numbers are reserved ahead and the wait comes from the last estimate, so a
receipt needs no further question to the database.
"""

import asyncio
import hmac
import secrets
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from hashlib import sha256

import asyncpg
import msgspec
import structlog

from sahut.bedrock import MOST_NUMBERS, Clock, Refusal, contact_number
from sahut.care import (
    ANSWER,
    ContactRow,
    FirstContact,
    first_contacts,
    receive_contacts,
    reserve_number_blocks,
    wait_estimate_s,
)
from sahut.db import (
    AWAY,
    CONFLICT,
    Connection,
    Contended,
    DatabaseAway,
    OutcomeUnknown,
    Pool,
    again_after_conflict,
    connection,
    give_up,
    is_away,
)
from sahut.journey.metrics import acknowledged
from sahut.journey.receipts import ContactKeyReused, Promise, Receipt, commitment_to, rfc3339, sign_receipts
from sahut.work import Batcher, Busy, CannotBeWritten, Policy, Signer, policy_in_force

BLOCK, BLOCKS_AHEAD = 500, 4
_ESTIMATE_EVERY_S, _RETRY_S = 15.0, 0.5

_log = structlog.get_logger()


class Inbound(msgspec.Struct, frozen=True, gc=False):
    """A message as every channel hands it in.

    `channel_account`, `provider_key`: together the key under which it is received once. `person_id`: 0 when unknown.
    `text`: masked, 1 to 4,000 characters. `original`: as it was sent; it is compared, never kept.
    """

    channel_account: str
    provider_key: str
    person_id: int
    language: str
    text: str
    original: str


class Intake:
    """Receives for one process. `number_key`: 32 secret bytes, the same for all processes of a deployment."""

    def __init__(self, pool: Pool, signer: Signer, number_key: bytes, clock: Clock) -> None:
        self._pool, self._signer, self._number_key, self._clock = pool, signer, number_key, clock
        self._original_key = hmac.digest(number_key, b"original text", sha256)
        self._numbers: deque[int] = deque()
        self._low = asyncio.Event()
        self._wait_s, self._wait_as_of = 0, clock.now()
        self._answer: Policy | None = None  # as it was at the last estimate
        self._keeping: asyncio.Task[None] | None = None
        self.batcher: Batcher[ContactRow, Receipt] = Batcher(self._write, name="intake")

    @property
    def is_ready(self) -> bool:
        """Whether there are numbers to give."""
        return bool(self._numbers)

    async def start(self) -> None:
        """Begin to keep numbers reserved and the estimate fresh."""
        self._keeping = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Write what waits, take nothing new."""
        await self.batcher.close()
        if self._keeping is not None:
            self._keeping.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeping

    async def receive(self, inbound: Inbound) -> Receipt:
        """Keep a message and give its receipt. A repetition gets the number of the first.

        Refuses: `contact_key_reused`, `busy`, `contended`, `database_away`, `outcome_unknown`; after the last
        four the same message with the same key is received, once.
        Writes: `care.contact`, event `contact_received`, job `find_case`, in one commit.
        """
        for _ in range(BLOCKS_AHEAD + 1):
            count = self._next_number()
            row = self._row(inbound, count)
            try:
                receipt = await self.batcher.submit(row)
            except (Busy, Contended, DatabaseAway, ContactKeyReused, CannotBeWritten) as refused:
                if _is_taken(refused):
                    self._forget_block(count)
                    continue
                self._numbers.append(count)  # no row bears it and nobody was told: repetitions must not use numbers up
                raise
            if receipt.number != row.number:
                self._numbers.append(count)
            acknowledged(inbound.channel_account, repeated=receipt.number != row.number)
            return receipt
        raise Busy

    def _next_number(self) -> int:
        if not self._numbers:
            self._low.set()
            raise Busy
        count = self._numbers.popleft()
        if len(self._numbers) < BLOCK * (BLOCKS_AHEAD - 1):
            self._low.set()
        return count

    def _forget_block(self, count: int) -> None:
        """A standby that took over without the last commits has given a block of ours to somebody else too."""
        _log.error("contact_numbers_are_given_twice", block=count // BLOCK)
        self._numbers = deque(one for one in self._numbers if one // BLOCK != count // BLOCK)
        self._low.set()

    def _row(self, inbound: Inbound, count: int) -> ContactRow:
        now = self._clock.now()
        assert self._answer is not None, "numbers are there only once the policy is"
        return ContactRow(
            number=contact_number(count, self._number_key),
            channel_account=inbound.channel_account,
            provider_key=inbound.provider_key,
            person_id=inbound.person_id,
            language=inbound.language,
            text=inbound.text,
            original_hash=hmac.digest(self._original_key, inbound.original.encode(), sha256),
            salt=secrets.token_bytes(16),
            received_at=now,
            answer_due_at=self._answer.due_at(now),
        )

    async def _write(self, rows: list[ContactRow]) -> Sequence[Receipt | Refusal]:
        # In order of their keys: two processes that get the same messages lock them in the same order.
        ordered = sorted(rows, key=lambda row: (row.channel_account, row.provider_key))
        new, first = await again_after_conflict(lambda: self._write_once(ordered))
        return self._answers(rows, new, first)

    async def _write_once(self, rows: list[ContactRow]) -> tuple[set[str], dict[tuple[str, str], FirstContact]]:
        async with connection(self._pool) as held:
            try:
                new = await receive_contacts(held, rows)
                again = [(row.channel_account, row.provider_key) for row in rows if row.number not in new]
                return new, await first_contacts(held, again) if again else {}
            except CONFLICT as error:  # nothing was written
                raise Contended from error
            except AWAY as error:
                if not is_away(error):
                    raise
                give_up(held)
                raise OutcomeUnknown from error

    def _answers(
        self, rows: list[ContactRow], new: set[str], first: dict[tuple[str, str], FirstContact]
    ) -> list[Receipt | Refusal]:
        unsigned: dict[int, Receipt] = {}
        for index, row in enumerate(rows):
            known = None if row.number in new else first[row.channel_account, row.provider_key]
            if known is None:
                unsigned[index] = self._receipt(row.number, row.received_at, row.answer_due_at, row.salt, row.text)
            elif hmac.compare_digest(known.original_hash, row.original_hash):
                unsigned[index] = self._receipt(
                    known.number, known.received_at, known.answer_due_at, known.salt, known.text
                )
        signed = (
            dict(zip(unsigned, sign_receipts(self._signer, list(unsigned.values())), strict=True)) if unsigned else {}
        )
        return [signed.get(index) or ContactKeyReused() for index in range(len(rows))]

    def _receipt(self, number: str, received_at: datetime, due_at: datetime, salt: bytes, text: str) -> Receipt:
        return Receipt(
            number=number,
            received_at=rfc3339(received_at),
            wait_s=self._wait_s,
            wait_as_of=rfc3339(self._wait_as_of),
            promises=(Promise(ANSWER, rfc3339(due_at)),),
            commitment=commitment_to(salt, text).hex(),
            salt=salt.hex(),
            key_id=self._signer.key_id,
        )

    async def _keep(self) -> None:
        """Reserve numbers when they run low, and look every few seconds how long people wait."""
        while True:
            self._low.clear()
            try:
                await self._reserve_and_estimate()
            except Exception as error:  # noqa: BLE001 (without numbers nobody is heard, so this never ends)
                _log.warning("numbers_are_reserved_again", error=type(error).__name__)
                await asyncio.sleep(_RETRY_S)
                continue
            with suppress(TimeoutError):
                # Not `wait_for`: until Python 3.12 it forgets a cancellation that comes just when the event is set.
                async with asyncio.timeout(_ESTIMATE_EVERY_S):
                    await self._low.wait()

    async def _reserve_and_estimate(self) -> None:
        missing = BLOCKS_AHEAD - len(self._numbers) // BLOCK
        async with connection(self._pool) as held:
            if self._answer is None:
                await self._estimate(held)
            if missing > 0:
                for block in await reserve_number_blocks(held, missing):
                    if (block + 1) * BLOCK > MOST_NUMBERS:
                        _log.critical("contact_numbers_are_used_up")
                        break
                    self._numbers.extend(range(block * BLOCK, (block + 1) * BLOCK))
            if (self._clock.now() - self._wait_as_of).total_seconds() >= _ESTIMATE_EVERY_S:
                await self._estimate(held)

    async def _estimate(self, held: Connection) -> None:
        """How long an answer takes now, and how long it may: what every receipt says until the next look."""
        now = self._clock.now()
        self._answer = await policy_in_force(held, ANSWER, now)
        estimate = await wait_estimate_s(held)
        self._wait_s = int((self._answer.due_at(now) - now).total_seconds()) if estimate is None else estimate
        self._wait_as_of = now


def _is_taken(refused: Exception) -> bool:
    """Whether a contact bears the number already."""
    cause = refused.__cause__
    return isinstance(cause, asyncpg.UniqueViolationError) and cause.constraint_name == "contact_number_key"

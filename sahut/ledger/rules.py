"""What may be posted: the command, the locked balance, and the reasons to refuse. Pure."""

from datetime import date, datetime
from enum import IntEnum
from hashlib import blake2b
from typing import Any, ClassVar
from uuid import UUID

import msgspec

from sahut.bedrock import MOST_MINOR, Refusal
from sahut.work import EventRow, JobRow


class TransferKind(IntEnum):
    """What a transfer is for."""

    PERSON = 1
    """From one person to another."""
    TOP_UP = 2
    """Money that a customer brought in."""
    DEMO_OPENING = 3
    """The first money of a demo world; never in a real one."""


class AccountState(IntEnum):
    """What an account may do."""

    OPEN = 0
    """Pay and get."""
    NO_DEBIT = 1
    """Get only."""
    NO_CREDIT = 2
    """Pay only."""
    FROZEN = 3
    """Neither, until somebody with the right lifts it."""
    CLOSED = 4
    """Neither, for ever."""


_MAY_PAY = (AccountState.OPEN, AccountState.NO_CREDIT)
_MAY_GET = (AccountState.OPEN, AccountState.NO_DEBIT)


class Transfer(msgspec.Struct, frozen=True, gc=False):
    """One command to post.

    `principal`: who asks (a person's id, or 0 for the house); `key`: their key for this command, the same for every
    repetition. `debit`, `credit`: the accounts that pay and get. `amount_minor`: 1 to 10^15, of `currency` (ISO 4217
    number). `memo`: 1 to 140 characters or None. `events`, `jobs`: riders, written in the same commit if and only if
    the transfer is posted; each body gets the field `transfer` with its id as text.
    """

    principal: int
    key: UUID
    debit: int
    credit: int
    amount_minor: int
    currency: int
    kind: TransferKind
    memo: str | None = None
    events: tuple[EventRow, ...] = ()
    jobs: tuple[JobRow, ...] = ()

    def body_hash(self) -> bytes:
        """16 bytes over all that decides what the command does; the same key with another hash is another command."""
        said = f"{self.debit} {self.credit} {self.amount_minor} {self.currency} {self.kind:d} {self.memo or ''}"
        return blake2b(said.encode(), digest_size=16).digest()


class Posted(msgspec.Struct, frozen=True, gc=False):
    """The answer to a posted command, the same for every repetition.

    `debit_seq`, `debit_after`: the payer's own count of entries, and the posted balance after this one.
    """

    transfer: int
    debit_seq: int
    debit_after: int
    recorded_at: datetime


class PostingRefused(Refusal):
    """The books refused it. `attempt`: the id under which the reason is kept; `had` and `bound`: what decided."""

    code: ClassVar[str] = "posting_refused"
    reason: ClassVar[str] = "posting_refused"

    def __init__(self, attempt: int, had: int, bound: int) -> None:
        self.attempt, self.had, self.bound = attempt, had, bound
        super().__init__(attempt, had, bound)


class NoSuchAccount(PostingRefused):
    """One of the accounts does not exist."""

    code = reason = "no_such_account"


class SameAccount(PostingRefused):
    """Payer and payee are the same account."""

    code = reason = "same_account"


class AmountOutOfBounds(PostingRefused):
    """The amount is zero, negative or beyond what one transfer may move."""

    code = reason = "amount_out_of_bounds"


class WrongCurrency(PostingRefused):
    """An account keeps another currency than the transfer names."""

    code = reason = "wrong_currency"


class AccountStopped(PostingRefused):
    """An account is frozen, closed, or may not pay or get. `had`: the payer's state, `bound`: the payee's."""

    code = reason = "account_stopped"


class InsufficientFunds(PostingRefused):
    """The payer has not got so much. `had`: posted less held; `bound`: the lowest balance allowed."""

    code = reason = "insufficient_funds"
    shown = ("available_minor",)

    @property
    def available_minor(self) -> int:
        """What could be spent, in minor units."""
        return self.had - self.bound


class BalanceCeiling(PostingRefused):
    """The payee may not hold so much. The payer is not told how much the payee has."""

    code = reason = "balance_ceiling"


class DailyLimit(PostingRefused):
    """The payer's daily limit. `had`: paid out today; `bound`: the limit."""

    code = reason = "daily_limit"
    shown = ("used_minor", "limit_minor")

    @property
    def used_minor(self) -> int:
        """Paid out today, in the zone of the account."""
        return self.had

    @property
    def limit_minor(self) -> int:
        """The limit for a day."""
        return self.bound


class MonthlyLimit(PostingRefused):
    """The payee may not get so much in a month. The payer is not told how much the payee got."""

    code = reason = "monthly_limit"


REFUSALS: dict[str, type[PostingRefused]] = {
    refusal.reason: refusal
    for refusal in (
        NoSuchAccount,
        SameAccount,
        AmountOutOfBounds,
        WrongCurrency,
        AccountStopped,
        InsufficientFunds,
        BalanceCeiling,
        DailyLimit,
        MonthlyLimit,
    )
}


class LockedBalance:
    """A balance under its lock, with the counters of the day it is now. Changed by `move` only."""

    __slots__ = (
        "account_id", "ceiling", "currency", "day", "day_out", "day_out_cap", "floor", "held",
        "month_in", "month_in_cap", "posted", "seq", "state", "was",
    )  # fmt: skip

    def __init__(self, row: tuple[Any, ...], today: date) -> None:
        """`row`: the balance in the query `look_up_and_lock`, in its order. `today`: in the zone of the account."""
        (
            self.account_id, self.currency, self.posted, self.held, self.floor, self.ceiling, self.seq, self.state,
            counted_day, self.day_out, self.day_out_cap, self.month_in, self.month_in_cap, _,
        ) = row  # fmt: skip
        self.was = self.seq
        # A clock that goes backwards does not give a used limit back.
        self.day = max(today, counted_day)
        if self.day != counted_day:
            self.day_out = 0
            if (self.day.year, self.day.month) != (counted_day.year, counted_day.month):
                self.month_in = 0


def check_transfer(
    command: Transfer, payer: LockedBalance | None, payee: LockedBalance | None
) -> tuple[type[PostingRefused], int, int] | None:
    """Why the transfer may not be posted: the refusal, what was there, what bounds it. None when it may."""
    amount = command.amount_minor
    if not 0 < amount <= MOST_MINOR:
        return AmountOutOfBounds, amount, MOST_MINOR
    if command.debit == command.credit:
        return SameAccount, command.debit, command.credit
    if payer is None or payee is None:
        return NoSuchAccount, 0, 0
    if payer.currency != command.currency or payee.currency != command.currency:
        return WrongCurrency, payer.currency, payee.currency
    if payer.state not in _MAY_PAY or payee.state not in _MAY_GET:
        return AccountStopped, payer.state, payee.state
    if payer.posted - payer.held - amount < payer.floor:
        return InsufficientFunds, payer.posted - payer.held, payer.floor
    if payee.posted + amount > payee.ceiling:
        return BalanceCeiling, payee.posted, payee.ceiling
    if payer.day_out + amount > payer.day_out_cap:
        return DailyLimit, payer.day_out, payer.day_out_cap
    if payee.month_in + amount > payee.month_in_cap:
        return MonthlyLimit, payee.month_in, payee.month_in_cap
    return None


def move(amount_minor: int, payer: LockedBalance, payee: LockedBalance) -> None:
    """Take from one and give to the other, once `check_transfer` has said yes."""
    payer.posted -= amount_minor
    payer.day_out += amount_minor
    payer.seq += 1
    payee.posted += amount_minor
    payee.month_in += amount_minor
    payee.seq += 1

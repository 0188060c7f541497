"""What may be posted: tables that an accountant can read. Each bound refuses one unit more, and the last one passes.

Amounts in minor units; an account is written as what it has and how it is bound.
"""

import json
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sahut.bedrock import TimeIds
from sahut.ledger import (
    AccountStopped,
    AmountOutOfBounds,
    BalanceCeiling,
    DailyLimit,
    InsufficientFunds,
    MonthlyLimit,
    NoSuchAccount,
    Posted,
    PostingRefused,
    SameAccount,
    Transfer,
    TransferKind,
    WrongCurrency,
)
from sahut.ledger.batch import Batch, hashed_row
from sahut.ledger.posting import local_day
from sahut.ledger.rules import REFUSALS, AccountState, LockedBalance, check_transfer, move
from sahut.work import EventRow, JobRow, KeyReused

TODAY = date(2026, 11, 22)
NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
MOST = 10**15
IDR, CNY = 360, 156


@dataclass(frozen=True)
class Account:
    """An account as an accountant notes it down."""

    has: int = 1_000
    held: int = 0
    floor: int = 0
    ceiling: int = 10**18
    state: AccountState = AccountState.OPEN
    currency: int = IDR
    out_today: int = 0
    out_cap: int = 10**18
    in_month: int = 0
    in_cap: int = 10**18
    counted_on: date = TODAY

    def locked(self, number: int, today: date = TODAY) -> LockedBalance:
        row = (
            number, self.currency, self.has, self.held, self.floor, self.ceiling, 7, int(self.state),
            self.counted_on, self.out_today, self.out_cap, self.in_month, self.in_cap, "Asia/Jakarta",
        )  # fmt: skip
        return LockedBalance(row, today)


PLAIN = Account()


def command(amount_minor: int, **changed: Any) -> Transfer:
    plain = Transfer(1, UUID(int=1), 1, 2, amount_minor, IDR, TransferKind.PERSON)
    return msgspec.structs.replace(plain, **changed)


# payer, payee, amount, refusal, what was there, what bounds it
BOUNDS = [
    (PLAIN, PLAIN, 1_001, InsufficientFunds, 1_000, 0),
    (PLAIN, PLAIN, 1_000, None, 0, 0),
    (Account(has=0), PLAIN, 1, InsufficientFunds, 0, 0),
    (Account(held=400), PLAIN, 601, InsufficientFunds, 600, 0),
    (Account(held=400), PLAIN, 600, None, 0, 0),
    (Account(floor=100), PLAIN, 901, InsufficientFunds, 1_000, 100),
    (Account(floor=100), PLAIN, 900, None, 0, 0),
    (Account(has=0, floor=-500), PLAIN, 501, InsufficientFunds, 0, -500),
    (Account(has=0, floor=-500), PLAIN, 500, None, 0, 0),
    (PLAIN, Account(ceiling=1_499), 500, BalanceCeiling, 1_000, 1_499),
    (PLAIN, Account(ceiling=1_500), 500, None, 0, 0),
    (Account(out_today=700, out_cap=1_000), PLAIN, 301, DailyLimit, 700, 1_000),
    (Account(out_today=700, out_cap=1_000), PLAIN, 300, None, 0, 0),
    (PLAIN, Account(in_month=9_000, in_cap=9_400), 401, MonthlyLimit, 9_000, 9_400),
    (PLAIN, Account(in_month=9_000, in_cap=9_400), 400, None, 0, 0),
    (PLAIN, Account(currency=CNY), 1, WrongCurrency, IDR, CNY),
    (Account(currency=CNY), PLAIN, 1, WrongCurrency, CNY, IDR),
    (Account(currency=CNY), Account(currency=CNY), 1, WrongCurrency, CNY, CNY),
    (PLAIN, PLAIN, 0, AmountOutOfBounds, 0, MOST),
    (PLAIN, PLAIN, -1, AmountOutOfBounds, -1, MOST),
    (Account(has=10**17), PLAIN, MOST + 1, AmountOutOfBounds, MOST + 1, MOST),
    (Account(has=10**17), PLAIN, MOST, None, 0, 0),
    (PLAIN, None, 1, NoSuchAccount, 0, 0),
    (None, PLAIN, 1, NoSuchAccount, 0, 0),
    (None, None, 1, NoSuchAccount, 0, 0),
]


@pytest.mark.parametrize(("payer", "payee", "amount", "refusal", "had", "bound"), BOUNDS)
def test_each_bound_refuses_one_unit_beyond_and_nothing_before(
    payer: Account | None,
    payee: Account | None,
    amount: int,
    refusal: type[PostingRefused] | None,
    had: int,
    bound: int,
) -> None:
    refused = check_transfer(command(amount), payer and payer.locked(1), payee and payee.locked(2))

    assert refused == (None if refusal is None else (refusal, had, bound))


@pytest.mark.parametrize(
    ("state", "may_pay", "may_get"),
    [
        (AccountState.OPEN, True, True),
        (AccountState.NO_DEBIT, False, True),
        (AccountState.NO_CREDIT, True, False),
        (AccountState.FROZEN, False, False),
        (AccountState.CLOSED, False, False),
    ],
)
def test_what_an_account_may_do_in_each_state(state: AccountState, may_pay: bool, may_get: bool) -> None:
    pays = check_transfer(command(1), Account(state=state).locked(1), PLAIN.locked(2))
    gets = check_transfer(command(1), PLAIN.locked(1), Account(state=state).locked(2))

    assert pays == (None if may_pay else (AccountStopped, state, AccountState.OPEN))
    assert gets == (None if may_get else (AccountStopped, AccountState.OPEN, state))


def test_nobody_pays_the_own_account() -> None:
    balance = PLAIN.locked(1)

    assert check_transfer(command(1, credit=1), balance, balance) == (SameAccount, 1, 1)


def test_the_first_reason_in_the_list_names_itself() -> None:
    """Payer has nothing, is frozen, has used the day; payee is full: what the payer can do least about comes first."""
    payer = Account(has=0, state=AccountState.FROZEN, out_cap=0, currency=CNY)

    refusals = []
    for better in ({}, {"currency": IDR}, {"state": AccountState.OPEN}, {"has": 1}, {"out_cap": 1}):
        payer = replace(payer, **better)
        refused = check_transfer(command(1), payer.locked(1), Account(in_cap=0).locked(2))
        refusals.append(refused and refused[0])

    assert refusals == [WrongCurrency, AccountStopped, InsufficientFunds, DailyLimit, MonthlyLimit]


# counted on, today → what is still counted of the day's 700 out and the month's 9,000 in
@pytest.mark.parametrize(
    ("counted_on", "today", "day_out", "month_in", "day"),
    [
        (date(2026, 11, 22), date(2026, 11, 22), 700, 9_000, date(2026, 11, 22)),
        (date(2026, 11, 22), date(2026, 11, 23), 0, 9_000, date(2026, 11, 23)),
        (date(2026, 11, 30), date(2026, 12, 1), 0, 0, date(2026, 12, 1)),
        (date(2026, 12, 31), date(2027, 1, 1), 0, 0, date(2027, 1, 1)),
        (date(2026, 1, 15), date(2027, 1, 15), 0, 0, date(2027, 1, 15)),
        (date(2026, 12, 1), date(2026, 11, 30), 700, 9_000, date(2026, 12, 1)),
    ],
    ids=["same day", "next day", "next month", "next year", "same month a year later", "a clock that went backwards"],
)
def test_limits_begin_anew_with_the_day_and_the_month(
    counted_on: date, today: date, day_out: int, month_in: int, day: date
) -> None:
    balance = Account(out_today=700, in_month=9_000, counted_on=counted_on).locked(1, today)

    assert (balance.day_out, balance.month_in, balance.day) == (day_out, month_in, day)


@pytest.mark.parametrize(
    ("moment", "zone", "day"),
    [
        ("2026-11-22T16:59:59+00:00", "Asia/Jakarta", date(2026, 11, 22)),
        ("2026-11-22T17:00:00+00:00", "Asia/Jakarta", date(2026, 11, 23)),
        ("2026-11-22T15:00:00+00:00", "Asia/Jayapura", date(2026, 11, 23)),
        ("2026-11-30T17:00:00+00:00", "Asia/Jakarta", date(2026, 12, 1)),
        ("2026-11-22T23:59:59+00:00", "UTC", date(2026, 11, 22)),
    ],
)
def test_the_day_is_that_of_the_accounts_zone(moment: str, zone: str, day: date) -> None:
    assert local_day(datetime.fromisoformat(moment), zone) == day


def test_a_move_takes_from_one_gives_to_the_other_and_counts() -> None:
    payer, payee = Account(has=1_000).locked(1), Account(has=50).locked(2)

    move(300, payer, payee)

    assert (payer.posted, payer.day_out, payer.month_in, payer.seq, payer.was) == (700, 300, 0, 8, 7)
    assert (payee.posted, payee.day_out, payee.month_in, payee.seq, payee.was) == (350, 0, 300, 8, 7)


def test_every_reason_has_a_code_of_its_own_and_tells_nothing_of_the_payee() -> None:
    assert len(REFUSALS) == 9
    assert all(refusal.code == reason for reason, refusal in REFUSALS.items())
    assert InsufficientFunds(1, 600, 100).fields() == {"available_minor": 500}
    assert DailyLimit(1, 700, 1_000).fields() == {"used_minor": 700, "limit_minor": 1_000}
    assert BalanceCeiling(1, 123, 456).fields() == MonthlyLimit(1, 123, 456).fields() == {}


def batch_of(*accounts: Account, last: int = 0) -> Batch:
    return Batch(TimeIds(1, last), NOW, {}, {i: account.locked(i) for i, account in enumerate(accounts, start=1)})


def test_a_batch_decides_one_after_the_other() -> None:
    batch = batch_of(Account(has=1_000), Account(has=0))

    answers = [
        batch.answer(command(amount, key=uuid4(), debit=debit, credit=credit))
        for debit, credit, amount in [(1, 2, 900), (1, 2, 200), (2, 1, 300), (1, 2, 400), (2, 1, 1_001)]
    ]

    said = [answer.debit_after if isinstance(answer, Posted) else type(answer) for answer in answers]
    assert said == [100, InsufficientFunds, 600, 0, InsufficientFunds]
    assert [batch.balances[account].posted for account in (1, 2)] == [0, 1_000]
    assert [len(rows) for rows in (batch.transfers, batch.attempts, batch.keys)] == [3, 2, 5]


def test_a_repetition_in_one_batch_gets_the_same_answer_and_moves_nothing_twice() -> None:
    batch = batch_of(Account(has=1_000), PLAIN)
    posted, refused = command(600, key=UUID(int=1)), command(5_000, key=UUID(int=2))

    answers = [batch.answer(one) for one in (posted, refused, posted, refused)]

    assert answers[0] is answers[2]
    assert answers[1] is answers[3]
    assert batch.balances[1].posted == 400


@pytest.mark.parametrize(
    "other",
    [
        {"amount_minor": 601},
        {"credit": 3},
        {"debit": 3},
        {"currency": CNY},
        {"kind": TransferKind.TOP_UP},
        {"memo": "sewa"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_the_same_key_for_another_command_is_told(other: dict[str, Any]) -> None:
    batch = batch_of(Account(has=10_000), PLAIN, PLAIN)
    first = batch.answer(command(600))

    again = batch.answer(command(600, **other) if "amount_minor" not in other else command(**other))

    assert isinstance(first, Posted)
    assert isinstance(again, KeyReused)
    assert (len(batch.transfers), len(batch.attempts)) == (1, 0)


def test_the_same_key_of_another_principal_is_another_command() -> None:
    batch = batch_of(Account(has=10_000), PLAIN)

    answers = [batch.answer(command(600, principal=principal)) for principal in (1, 2)]

    assert [type(answer) for answer in answers] == [Posted, Posted]
    assert batch.balances[1].posted == 8_800


def test_riders_ride_with_what_is_posted_only_and_know_its_id() -> None:
    batch = batch_of(PLAIN, PLAIN)
    riders: dict[str, Any] = {
        "events": (EventRow("wallet", 5, "transfer_sent", {"amount_minor": 1}),),
        "jobs": (JobRow("deliver_notice", "notice 1", {}),),
    }

    posted = batch.answer(command(600, key=uuid4(), **riders))
    refused = batch.answer(command(600, key=uuid4(), **riders))

    assert isinstance(posted, Posted)
    assert isinstance(refused, InsufficientFunds)
    (told,), (queued,) = batch.events, batch.jobs
    assert told[:3] == ("wallet", 5, "transfer_sent")
    assert json.loads(told[3]) == {"amount_minor": 1, "transfer": str(posted.transfer)}  # JSON readers keep 53 bits
    assert queued[:2] == ("deliver_notice", "notice 1")
    assert json.loads(queued[2]) == {"transfer": str(posted.transfer)}


def test_ids_of_a_batch_grow_above_the_last_and_the_batch_itself_is_the_highest() -> None:
    batch = batch_of(Account(has=10_000), PLAIN, last=TimeIds(1, 0).next(int(NOW.timestamp() * 1000) + 5_000))
    answers = [batch.answer(command(amount, key=uuid4())) for amount in (1, 10**6, 2)]

    number, digest = batch.close()

    ids = [answer.transfer if isinstance(answer, Posted) else answer.attempt for answer in answers]  # type: ignore[union-attr]
    assert sorted({*ids, number}) == [*ids, number]
    assert ids[0] >> 20 == int(NOW.timestamp() * 1000) + 5_000  # the clock was behind: ids go on from the last
    assert batch.events[-1][:3] == ("ledger", number, "batch_posted")
    assert digest.hex() in batch.events[-1][3]
    assert len(hashed_row(*batch.transfers[0][:-1])) == 8 * 9 + 4


@pytest.mark.parametrize("amount", [2**63, -(2**63) - 1, 10**30, -(10**30)])
def test_an_amount_beyond_64_bits_is_kept_as_near_as_the_table_can(amount: int) -> None:
    batch = batch_of(PLAIN, PLAIN)

    refused = batch.answer(command(amount))

    assert isinstance(refused, AmountOutOfBounds)
    assert -(2**63) <= batch.attempts[0][5] < 2**63
    assert -(2**63) <= refused.had < 2**63


MOVES = st.lists(
    st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(-5, 2_000), st.integers(0, 12)), max_size=40
)


@given(MOVES)
def test_whatever_is_asked_the_books_sum_to_the_same_and_no_bound_is_crossed(
    asked: list[tuple[int, int, int, int]],
) -> None:
    accounts = [Account(has=1_000, ceiling=2_500, out_cap=3_000, in_cap=4_000) for _ in range(3)]
    batch = batch_of(*accounts)

    answers = {
        key: batch.answer(command(amount, key=UUID(int=key), debit=debit, credit=credit))
        for debit, credit, amount, key in asked
    }

    balances = batch.balances.values()
    assert sum(balance.posted for balance in balances) == 3_000
    assert all(0 <= balance.posted <= 2_500 for balance in balances)
    assert all(balance.day_out <= 3_000 and balance.month_in <= 4_000 for balance in balances)
    assert sum(balance.seq - balance.was for balance in balances) == 2 * len(batch.transfers)
    assert len(batch.keys) == len({key for *_, key in asked})
    assert len(answers) == len(batch.keys)

"""Posting through the door: what is posted, what is refused and why, and that asking again changes nothing."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from sahut.db import Pool, open_pool, transaction
from sahut.ledger import (
    DailyLimit,
    InsufficientFunds,
    Ledger,
    MonthlyLimit,
    Posted,
    PostingRefused,
    TransferKind,
    balance_of,
    customer_account,
    entries,
    open_account,
    owners,
)
from sahut.work import CannotBeWritten, EventRow, JobRow, KeyReused
from tests.rooms.world import World, outcome

MOST = 10**15
# reason; the payer's account and balance row, the payee's; what is asked; what is kept as had and bound
PAYER: dict[str, Any] = {"has": 1_000}
REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any], int, int]] = {
    "insufficient_funds": (PAYER, {}, {"amount_minor": 1_001}, 1_000, 0),
    "balance_ceiling": (PAYER, {"ceiling_minor": 999}, {"amount_minor": 1_000}, 0, 999),
    "daily_limit": ({**PAYER, "day_out_cap_minor": 99}, {}, {"amount_minor": 100}, 0, 99),
    "monthly_limit": (PAYER, {"month_in_cap_minor": 99}, {"amount_minor": 100}, 0, 99),
    "amount_out_of_bounds": (PAYER, {}, {"amount_minor": MOST + 1}, MOST + 1, MOST),
    "wrong_currency": (PAYER, {}, {"amount_minor": 1, "currency": 156}, 360, 360),
    "account_stopped": (PAYER, {"state": 3}, {"amount_minor": 1}, 0, 3),
    "no_such_account": (PAYER, {}, {"amount_minor": 1, "credit": 999_999}, 0, 0),
}


async def an_account(world: World, said: dict[str, Any]) -> int:
    said = dict(said)
    state = said.pop("state", 0)
    account = await world.open(**said)
    await world.pool.execute("update ledger.balance set state = $2 where account_id = $1", account, state)
    return account


@pytest.mark.parametrize("reason", REFUSED)
async def test_a_refusal_is_named_kept_and_the_same_next_time(world: World, reason: str) -> None:
    payer_said, payee_said, asked, had, bound = REFUSED[reason]
    payer, payee = await an_account(world, payer_said), await an_account(world, payee_said)
    plain = world.command(1, debit=payer, credit=await world.open())
    asked_for = world.command(**{"debit": payer, "credit": payee} | asked)

    refused, again = await outcome(world.ledger.post(asked_for)), await outcome(world.ledger.post(asked_for))
    posted = await world.ledger.post(plain)

    assert isinstance(refused, PostingRefused)
    assert (refused.reason, refused.had, refused.bound) == (reason, had, bound)
    assert (type(again), again.args) == (type(refused), refused.args)
    kept = await world.pool.fetch("select id, principal, key, reason, had, bound, at from ledger.attempt")
    assert [tuple(row) for row in kept] == [
        (refused.attempt, asked_for.principal, asked_for.key, reason, had, bound, world.clock.now())
    ]
    assert posted.debit_after == 999  # nothing else stands in the payer's way
    assert await world.balance(payee) == 0


async def test_nobody_pays_the_own_account(world: World) -> None:
    account = await world.open(has=1_000)

    refused = await outcome(world.ledger.post(world.command(1, debit=account, credit=account)))

    assert refused.reason == "same_account"
    assert await world.balance(account) == 1_000


async def test_what_is_posted_is_one_row_that_is_both_legs(world: World) -> None:
    payer, payee = await world.open(has=1_000), await world.open(has=50)

    posted = await world.ledger.post(world.command(300, debit=payer, credit=payee, memo="makan siang"))

    row = await world.pool.fetchrow(
        "select debit, credit, amount_minor, currency, kind, phase, debit_seq, credit_seq, debit_after, credit_after,"
        " recorded_at, memo from ledger.transfer where id = $1",
        posted.transfer,
    )
    assert tuple(row) == (payer, payee, 300, 360, 1, 1, 2, 2, 700, 350, world.clock.now(), "makan siang")
    assert posted == Posted(posted.transfer, 2, 700, world.clock.now())
    async with world.pool.acquire() as connection:
        of_payer = await entries(connection, payer, before=None, at_most=5)
        of_payee = await entries(connection, payee, before=None, at_most=1)
        assert await balance_of(connection, 999_999) is None
    assert [(e.seq, e.amount_minor, e.balance_after) for e in of_payer] == [(2, -300, 700), (1, 1_000, 1_000)]
    assert [(e.amount_minor, e.other_account_id, e.memo) for e in of_payee] == [(300, payer, "makan siang")]


async def test_the_day_and_the_month_are_those_of_the_account(world: World) -> None:
    """Midnight in Jakarta is 17:00 UTC. The payer may pay 1,000 a day, the payee may get 1,500 a month."""
    payer = await world.open(has=100_000, day_out_cap_minor=1_000)
    payee = await world.open(month_in_cap_minor=1_500)
    table = [
        ("2031-03-30T12:00", 1_000, None),
        ("2031-03-30T16:59", 1, DailyLimit),
        ("2031-03-30T17:00", 501, MonthlyLimit),
        ("2031-03-30T17:00", 500, None),
        ("2031-03-31T16:59", 1, MonthlyLimit),
        ("2031-03-31T17:00", 1_000, None),
        ("2031-03-31T17:01", 1, DailyLimit),
        ("2031-04-01T17:00", 500, None),
        ("2031-04-30T16:59", 1, MonthlyLimit),
        ("2031-04-30T17:00", 1, None),
    ]

    for moment, amount, expected in table:
        world.clock.set(datetime.fromisoformat(moment + "+00:00"))
        answer = await outcome(world.ledger.post(world.command(amount, debit=payer, credit=payee)))
        assert isinstance(answer, expected or Posted), (moment, amount, answer)

    assert await world.balance(payee) == 1_000 + 500 + 1_000 + 500 + 1


async def test_a_clock_that_goes_backwards_gives_no_limit_back_and_ids_still_grow(world: World) -> None:
    payer = await world.open(has=100_000, day_out_cap_minor=1_000)
    payee = await world.open()
    first = await world.ledger.post(world.command(1_000, debit=payer, credit=payee))

    world.clock.advance(timedelta(days=-1))
    refused = await outcome(world.ledger.post(world.command(1, debit=payer, credit=payee)))
    other = await world.ledger.post(world.command(1))

    assert isinstance(refused, DailyLimit)
    assert other.transfer > refused.attempt > first.transfer


async def test_the_same_key_gets_the_same_answer_in_one_batch_and_later(world: World, app_dsn: str) -> None:
    good, bad = world.command(600), world.command(10**12)
    asked = [good, bad, good, bad, good]

    together = await asyncio.gather(*(world.ledger.post(one) for one in asked), return_exceptions=True)
    world.clock.advance(timedelta(days=40))
    later = [await outcome(world.ledger.post(one)) for one in asked]
    other_pool = await open_pool(app_dsn, size=1, name="sahut-other")
    elsewhere = [await outcome(Ledger(other_pool, world.clock).post(one)) for one in asked]
    await other_pool.close()

    for answers in (together, later, elsewhere):
        assert [type(answer) for answer in answers] == [Posted, InsufficientFunds, Posted, InsufficientFunds, Posted]
        assert {answer for answer in answers if isinstance(answer, Posted)} == {together[0]}
        assert {(a.attempt, a.had, a.bound) for a in answers[1::2]} == {(together[1].attempt, 1_000_000 - 600, 0)}
    assert await world.pool.fetchval("select count(*) from ledger.transfer where amount_minor = 600") == 1
    assert await world.pool.fetchval("select count(*) from ledger.attempt") == 1


async def test_a_refused_key_stays_refused_when_the_money_has_come(world: World) -> None:
    payer, payee = await world.open(), await world.open()
    asked = world.command(500, debit=payer, credit=payee)
    refused = await outcome(world.ledger.post(asked))
    await world.fill(payer, 500)

    again = await outcome(world.ledger.post(asked))
    anew = await world.ledger.post(msgspec.structs.replace(asked, key=uuid4()))

    assert again.attempt == refused.attempt
    assert anew.debit_after == 0


async def test_the_same_key_for_another_command_is_told_and_writes_nothing(world: World) -> None:
    key = uuid4()
    first = await world.ledger.post(world.command(600, key=key))
    others = [
        world.command(601, key=key),
        world.command(600, key=key, memo="lain"),
        world.command(600, key=key, kind=TransferKind.TOP_UP),
        world.command(600, key=key, credit=world.safeguarding),
    ]

    answers = [await outcome(world.ledger.post(other)) for other in others]

    assert [type(answer) for answer in answers] == [KeyReused] * len(others)
    assert await world.ledger.post(world.command(600, key=key)) == first
    assert await world.pool.fetchval("select count(*) from work.idempotency where key = $1", key) == 1


async def test_the_same_key_of_two_principals_is_two_commands(world: World) -> None:
    key = uuid4()
    of_budi = world.command(
        600,
        key=key,
        principal=world.budi.person_id,
        debit=world.accounts[world.budi.person_id],
        credit=world.accounts[world.sari.person_id],
    )

    posted = await asyncio.gather(world.ledger.post(world.command(600, key=key)), world.ledger.post(of_budi))

    assert posted[0].transfer != posted[1].transfer
    assert {await world.balance(account) for account in world.accounts.values()} == {1_000_000}


async def test_riders_are_written_with_what_is_posted_and_only_then(world: World) -> None:
    def with_riders(amount: int, name: str) -> Any:
        return world.command(
            amount,
            events=(EventRow("wallet", world.sari.person_id, name, {"amount_minor": amount}),),
            jobs=(JobRow("deliver_notice", name, {"to": 1}),),
        )

    posted = await world.ledger.post(with_riders(600, "transfer_sent"))
    await outcome(world.ledger.post(with_riders(10**12, "never_sent")))

    events = await world.pool.fetch("select kind, body from work.event where topic = 'wallet'")
    jobs = await world.pool.fetch("select key, body from work.job")
    assert [(row[0], msgspec.json.decode(row[1])) for row in events] == [
        ("transfer_sent", {"amount_minor": 600, "transfer": str(posted.transfer)})
    ]
    assert [(row[0], msgspec.json.decode(row[1])) for row in jobs] == [
        ("transfer_sent", {"to": 1, "transfer": str(posted.transfer)})
    ]


async def test_one_command_that_no_table_keeps_harms_none_of_the_others(world: World) -> None:
    commands = {
        "good": world.command(1),
        "amount beyond 64 bits": world.command(2**63),
        "amount far beyond": world.command(10**30),
        "negative beyond": world.command(-(10**30)),
        "account beyond 64 bits": world.command(1, credit=2**63),
        "unknown account": world.command(1, debit=-5),
        "principal beyond 64 bits": world.command(1, principal=2**64),
        "nul in the memo": world.command(1, memo="a\0b"),
        "lone surrogate in the memo": world.command(1, memo="a\ud800"),
        "memo too long": world.command(1, memo="x" * 141),
        "currency beyond 16 bits": world.command(1, currency=2**40),
        "also good": world.command(1),
    }

    answers = await asyncio.gather(*(world.ledger.post(one) for one in commands.values()), return_exceptions=True)

    named = {
        name: answer.reason if isinstance(answer, PostingRefused) else type(answer).__name__
        for name, answer in zip(commands, answers, strict=True)
    }
    assert named == {
        "good": "Posted",
        "amount beyond 64 bits": "amount_out_of_bounds",
        "amount far beyond": "amount_out_of_bounds",
        "negative beyond": "amount_out_of_bounds",
        "account beyond 64 bits": "CannotBeWritten",
        "unknown account": "no_such_account",
        "principal beyond 64 bits": "CannotBeWritten",
        "nul in the memo": "CannotBeWritten",
        "lone surrogate in the memo": "CannotBeWritten",
        "memo too long": "CannotBeWritten",
        "currency beyond 16 bits": "wrong_currency",
        "also good": "Posted",
    }
    assert await world.balance(world.accounts[world.sari.person_id]) == 1_000_000 - 2


async def test_a_job_key_that_is_there_already_refuses_its_own_command_only(world: World) -> None:
    job = (JobRow("deliver_notice", "once", {}),)

    answers = await asyncio.gather(
        *(world.ledger.post(world.command(amount, jobs=job if amount < 3 else ())) for amount in (1, 2, 3)),
        return_exceptions=True,
    )

    assert [type(answer) for answer in answers] == [Posted, CannotBeWritten, Posted]
    assert await world.balance(world.accounts[world.sari.person_id]) == 1_000_000 - 4


async def test_an_account_is_opened_once_however_often_it_is_asked_for(pool: Pool) -> None:
    async def open_it() -> int:
        async with transaction(pool) as connection:
            return await open_account(connection, kind="customer", currency="IDR", owner=7)

    numbers = await asyncio.gather(*(open_it() for _ in range(8)))

    assert len(set(numbers)) == 1
    async with pool.acquire() as connection:
        assert await customer_account(connection, 7, "IDR") == numbers[0]
        assert await customer_account(connection, 8, "IDR") is None
        assert await owners(connection, [numbers[0], 999]) == {numbers[0]: 7}
        assert await balance_of(connection, numbers[0]) is not None


async def test_nothing_asked_twice_is_written_twice_in_a_thousand(world: World) -> None:
    """1,000 callers share 100 keys; each key moves its money once."""
    asked = [world.command(1 + number % 100, key=UUID(int=number % 100)) for number in range(1_000)]

    answers = await asyncio.gather(*(world.ledger.post(one) for one in asked))

    assert len({answer.transfer for answer in answers}) == 100
    assert await world.balance(world.accounts[world.sari.person_id]) == 1_000_000 - sum(range(1, 101))

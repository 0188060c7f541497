"""The books under pressure: many at once, two processes, cut connections; what a batch costs; what nobody changes."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from sahut.db import DatabaseAway, OutcomeUnknown, Pool
from sahut.db.locks import TURN
from sahut.ledger import InsufficientFunds, Ledger, Posted
from sahut.work import EventRow, JobRow
from tests.rooms.conftest import Connect
from tests.rooms.world import CountingPool, World, outcome, until_somebody_waits


async def test_of_200_spends_of_one_balance_exactly_one_is_posted(world: World, other_pool: Pool) -> None:
    payer = await world.open(has=1_000)
    payees = [await world.open() for _ in range(5)]
    ledgers = [world.ledger, Ledger(other_pool, world.clock)]

    answers = await asyncio.gather(
        *(ledgers[i % 2].post(world.command(1_000, debit=payer, credit=payees[i % 5])) for i in range(200)),
        return_exceptions=True,
    )

    assert sorted(type(answer).__name__ for answer in answers) == ["InsufficientFunds"] * 199 + ["Posted"]
    assert await world.balance(payer) == 0
    assert sum([await world.balance(payee) for payee in payees]) == 1_000


async def test_two_ledgers_that_post_at_once_stay_exact(world: World, other_pool: Pool) -> None:
    """Each account's balance is the sum of what was answered; entries count 1, 2, 3 …; all together is zero."""
    dice = random.Random(5)
    accounts = [await world.open(has=2_000) for _ in range(6)]
    expected = dict.fromkeys(accounts, 2_000)
    ledgers = [world.ledger, Ledger(other_pool, world.clock), Ledger(other_pool, world.clock)]

    async def customer(number: int) -> None:
        for _ in range(12):
            debit, credit = dice.sample(accounts, 2)
            amount = dice.randrange(1, 900)
            answer = await outcome(ledgers[number % 3].post(world.command(amount, debit=debit, credit=credit)))
            assert isinstance(answer, Posted | InsufficientFunds), answer
            if isinstance(answer, Posted):
                expected[debit] -= amount
                expected[credit] += amount

    await asyncio.gather(*(customer(number) for number in range(40)))

    assert {account: await world.balance(account) for account in accounts} == expected
    assert await world.pool.fetchval("select sum(posted) from ledger.balance") == 0
    counted = await world.pool.fetch(
        "select count(*), min(seq), max(seq), count(distinct seq) from ledger.entry group by account_id"
    )
    assert all(row[0] == row[2] == row[3] and row[1] == 1 for row in counted)
    ids = await world.pool.fetch("select id, xmin::text::bigint as by from ledger.batch order by id")
    assert [row["by"] for row in ids] == sorted(row["by"] for row in ids)  # ids grow in the order of the commits


async def test_batches_of_a_shard_take_turns_and_a_repetition_sees_the_first(
    world: World, other_pool: Pool, connect: Connect, app_dsn: str
) -> None:
    """Two processes get the same command at once, while a third holds the turn: both answer from one posting."""
    asked = world.command(700)
    holder = await connect(app_dsn)
    async with holder.transaction():
        await holder.execute("select pg_advisory_xact_lock($1, 1)", TURN)
        posting = [asyncio.ensure_future(one.post(asked)) for one in (world.ledger, Ledger(other_pool, world.clock))]
        await until_somebody_waits(world.pool, 2)
        assert not any(one.done() for one in posting)

    first, second = await asyncio.gather(*posting)

    assert first == second
    assert await world.balance(world.accounts[world.sari.person_id]) == 1_000_000 - 700


async def test_another_shard_does_not_wait_for_the_turn(world: World, connect: Connect, app_dsn: str) -> None:
    payer, payee = await world.open(has=10), await world.open()
    holder = await connect(app_dsn)
    async with holder.transaction():
        await holder.execute("select pg_advisory_xact_lock($1, 1)", TURN)

        posted = await Ledger(world.pool, world.clock, shard=2).post(world.command(10, debit=payer, credit=payee))

    assert posted.transfer >> 14 & 63 == 2


async def test_posting_waits_for_the_row_of_a_balance_and_then_decides_on_what_is_there(
    world: World, connect: Connect, app_dsn: str
) -> None:
    account = await world.open(has=1_000)
    holder = await connect(app_dsn)
    async with holder.transaction():
        await holder.execute("update ledger.balance set state = 3 where account_id = $1", account)
        posting = asyncio.ensure_future(world.ledger.post(world.command(1, debit=account)))
        await until_somebody_waits(world.pool)

    refused = await outcome(posting)

    assert refused.reason == "account_stopped"


async def test_a_connection_that_is_cut_before_the_commit_leaves_nothing_and_the_key_may_be_asked_again(
    world: World, connect: Connect, app_dsn: str, database: Any
) -> None:
    asked = world.command(700)
    holder = await connect(app_dsn)
    above = await connect(database.superuser_dsn)
    async with holder.transaction():
        await holder.execute("select pg_advisory_xact_lock($1, 1)", TURN)
        posting = asyncio.ensure_future(world.ledger.post(asked))
        await until_somebody_waits(world.pool)
        await above.execute(
            "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and not granted"
        )
        cut = await outcome(posting)

    posted = await world.ledger.post(asked)

    assert isinstance(cut, DatabaseAway)
    assert posted.debit_after == 1_000_000 - 700


class LosesTheAnswer:
    """A pool whose connection breaks just after the server has committed, once."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection, self.broken = connection, False

    async def acquire(self, **_: float) -> "LosesTheAnswer":
        return self

    async def release(self, _: Any) -> None:
        pass

    async def execute(self, statement: str, *arguments: Any) -> str:
        status = await self._connection.execute(statement, *arguments)
        if statement == "commit" and not self.broken:
            self.broken = True
            raise ConnectionResetError
        return status

    async def fetch(self, *arguments: Any) -> Any:
        return await self._connection.fetch(*arguments)

    def terminate(self) -> None:
        pass


async def test_when_the_answer_to_the_commit_is_lost_that_is_said_and_the_same_key_tells_what_happened(
    world: World, connect: Connect, app_dsn: str
) -> None:
    connection = await connect(app_dsn)
    ledger = Ledger(LosesTheAnswer(connection), world.clock)  # type: ignore[arg-type]
    asked = world.command(700)

    lost = await outcome(ledger.post(asked))
    told = await ledger.post(asked)

    assert isinstance(lost, OutcomeUnknown)
    assert told.debit_after == 1_000_000 - 700
    assert await world.balance(world.accounts[world.sari.person_id]) == 1_000_000 - 700


async def test_a_batch_costs_four_round_trips_and_one_commit_however_large(
    world: World, connect: Connect, app_dsn: str
) -> None:
    connection = await connect(app_dsn)
    counted = CountingPool(connection)
    ledger = Ledger(counted, world.clock)  # type: ignore[arg-type]
    rider = {"events": (EventRow("wallet", 1, "transfer_sent", {}),)}
    commands = [world.command(1 + i % 7, jobs=(JobRow("deliver_notice", f"{i}", {}),), **rider) for i in range(500)]
    commands += [world.command(10**12) for _ in range(50)]
    await ledger.post(world.command(100))  # a new connection asks once which types there are
    counted.statements.clear()

    await asyncio.gather(*(ledger.post(one) for one in commands), return_exceptions=True)

    sent = [statement.split(" ")[0] for statement in counted.statements]
    assert len(sent) == 4, counted.statements
    assert (sent[0], sent[-1]) == ("begin;", "commit")
    written_by = await world.pool.fetch(
        "select xmin::text from ledger.transfer where amount_minor < 8 union select xmin::text from ledger.attempt"
        " union select xmin::text from work.event where topic = 'wallet' union select xmin::text from work.job"
        " union select xmin::text from ledger.batch where size = 500"
        " union select xmin::text from ledger.balance where account_id = any($1::bigint[])",
        list(world.accounts.values()),
    )
    assert len(written_by) == 1  # one transaction id: all of it is one commit
    assert await world.pool.fetchval("select count(*) from ledger.transfer where amount_minor < 8") == 500


async def test_the_books_go_by_the_clock_of_the_database(world: World, connect: Connect, database: Any) -> None:
    """A process whose clock is a day ahead would move everybody's daily limit to tomorrow, and no clock goes back."""
    owner = await connect(database.owner_dsn)
    ledger = Ledger(world.pool)
    account = await world.open(has=1_000, day_out_cap_minor=100)
    noon = datetime.now(UTC).replace(hour=5, minute=0, second=0, microsecond=0) + timedelta(days=2)
    clock = "create or replace function work.clock() returns timestamptz language sql as 'select {}'"

    await owner.execute(clock.format(f"timestamptz ''{noon}''"))
    first = await ledger.post(world.command(100, debit=account))
    refused = await outcome(ledger.post(world.command(1, debit=account)))
    await owner.execute(clock.format(f"timestamptz ''{noon + timedelta(days=1)}''"))
    next_day = await ledger.post(world.command(100, debit=account))

    assert first.recorded_at == noon
    assert refused.reason == "daily_limit"
    assert next_day.recorded_at == noon + timedelta(days=1)


APPEND_ONLY = [
    "work.event", "work.seal", "work.tile", "work.signed_head",
    "ledger.transfer", "ledger.attempt", "ledger.batch", "ledger.account",
    "care.contact", "care.message",
]  # fmt: skip
KEPT_FOR_EVER = [*APPEND_ONLY, "work.idempotency", "work.head", "work.deadline", "ledger.balance", "people.person"]


async def test_the_application_cannot_change_or_remove_what_was_written(world: World) -> None:
    await outcome(world.ledger.post(world.command(10**12)))
    wrong: list[str] = []

    async def must_fail(statement: str) -> None:
        answer = await outcome(world.pool.execute(statement))
        if not isinstance(answer, asyncpg.InsufficientPrivilegeError):
            wrong.append(f"{statement}: {answer!r}")

    for table in APPEND_ONLY:
        column = await world.pool.fetchval(
            "select attname from pg_attribute where attrelid = $1::text::regclass and attnum > 0 and attidentity = ''",
            table,
        )
        await must_fail(f"update {table} set {column} = {column}")
    for table in KEPT_FOR_EVER:
        await must_fail(f"delete from {table}")
        await must_fail(f"truncate {table} cascade")
        await must_fail(f"alter table {table} disable trigger all")
        await must_fail(f"drop table {table}")
        await must_fail(f"drop trigger append_only on {table}") if table in APPEND_ONLY else None
    await must_fail("update ledger.balance set floor = -1000000")
    await must_fail("update ledger.balance set ceiling = 0")
    await must_fail("update ledger.balance set day_out_cap = 9")
    await must_fail("update work.idempotency set answer = 1")
    await must_fail("update people.person set pin_hash = ''")
    await must_fail("set session_replication_role = replica")
    await must_fail("drop schema ledger cascade")
    await must_fail("create table work.mine (id int)")
    await must_fail("set role sahut_owner")

    assert wrong == []


async def test_even_the_owner_is_stopped_before_he_has_said_that_he_means_it(
    world: World, connect: Connect, owner_dsn: str
) -> None:
    owner = await connect(owner_dsn)

    for change in ("update ledger.transfer set amount_minor = 1", "delete from ledger.transfer_2026"):
        answer = await outcome(owner.execute(change))

        assert isinstance(answer, asyncpg.InsufficientPrivilegeError)
        assert "append-only" in str(answer)


async def test_the_tables_check_once_more_what_the_rules_decide(world: World) -> None:
    account = world.accounts[world.sari.person_id]
    changes = (
        "posted = -1",
        "posted = ceiling + 1",
        "held = posted + 1",
        "held = -1",
        "day_out = -1",
        "month_in = -1",
        "state = 5",
    )

    for change in changes:
        answer = await outcome(world.pool.execute(f"update ledger.balance set {change} where account_id = $1", account))

        assert isinstance(answer, asyncpg.CheckViolationError), change


@pytest.mark.books_may_be_wrong("somebody changes a balance beside the ledger")
async def test_a_balance_that_moved_beside_the_ledger_is_not_hidden(world: World, database: Any) -> None:
    from sahut.app.audit import audit

    account = world.accounts[world.sari.person_id]
    assert await audit(database.owner_dsn) == []

    await world.pool.execute("update ledger.balance set posted = posted + 1 where account_id = $1", account)

    found = await audit(database.owner_dsn)
    assert any("sum to 1 instead of zero" in finding for finding in found)
    assert any(f"Account {account} holds" in finding for finding in found)

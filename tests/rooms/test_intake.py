"""Receiving: one contact for each key, whatever happens at once; a receipt that proves it; one commit."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from sahut.bedrock import BadText, is_contact_number
from sahut.care import contact_state, messages
from sahut.channels import chat_inbound
from sahut.db import OutcomeUnknown, Pool, open_pool
from sahut.journey import (
    ContactKeyReused,
    Inbound,
    Intake,
    Receipt,
    job_kinds,
    proof_of_contact,
    receipt_is_good,
    verify_contact_file,
)
from sahut.people import Actor
from sahut.work import Busy, CannotBeWritten, JobRunner, Sealer, Signer
from tests.rooms.conftest import Connect
from tests.rooms.desk import NUMBER_KEY, ready
from tests.rooms.world import SOON_S, CountingPool, World, outcome, until_somebody_waits

SARI = Actor(1, "Sari Wulandari", "+6281200000001", "id", "customer")


@pytest.fixture
async def intake(world: World, signer: Signer) -> AsyncIterator[Intake]:
    opened = await ready(Intake(world.pool, signer, NUMBER_KEY, world.clock))
    yield opened
    await opened.close()


@pytest.fixture
async def other_intake(world: World, signer: Signer, app_dsn: str) -> AsyncIterator[Intake]:
    """A second process with its own pool."""
    pool = await open_pool(app_dsn, size=4, name="sahut-other")
    opened = await ready(Intake(pool, signer, NUMBER_KEY, world.clock))
    yield opened
    await opened.close()
    await asyncio.wait_for(pool.close(), 10)


def chat(actor: Actor | None, key: str = "message-1", text: str = "saldo saya kurang") -> Inbound:
    return chat_inbound(actor, client_message_id=key if actor else f"{key:_<22}", text=text)


async def contacts(pool: Pool) -> list[asyncpg.Record]:
    rows: list[asyncpg.Record] = await pool.fetch(
        "select number, person_id, text, event_id from care.contact order by id"
    )
    return rows


async def test_a_message_becomes_a_contact_an_event_a_job_and_a_receipt(
    world: World, intake: Intake, signer: Signer
) -> None:
    receipt = await intake.receive(chat(world.sari))

    assert is_contact_number(receipt.number)
    assert receipt_is_good(signer.public_key, receipt)
    assert datetime.fromisoformat(receipt.received_at) == world.clock.now()
    assert [(p.kind, datetime.fromisoformat(p.due_at)) for p in receipt.promises] == [
        ("answer", world.clock.now() + timedelta(minutes=15))
    ]
    (contact,) = await contacts(world.pool)
    assert (contact["person_id"], contact["text"]) == (world.sari.person_id, "saldo saya kurang")
    event = await world.pool.fetchrow(
        "select topic, subject, kind, body from work.event where id = $1", contact["event_id"]
    )
    assert tuple(event)[:3] == ("care", world.sari.person_id, "contact_received")
    assert msgspec.json.decode(event["body"])["commitment"] == receipt.commitment
    assert await world.pool.fetchval("select count(*) from work.job where kind = 'find_case'") == 1


async def test_a_contact_is_one_statement_and_one_commit_also_with_many(
    world: World, signer: Signer, connect: Connect, app_dsn: str
) -> None:
    counted = CountingPool(await connect(app_dsn))
    intake = await ready(Intake(world.pool, signer, NUMBER_KEY, world.clock))
    intake._pool = counted  # type: ignore[assignment]
    await intake.receive(chat(world.budi))  # a new connection asks once which types there are
    counted.statements.clear()

    await asyncio.gather(*(intake.receive(chat(world.sari, f"message-{i}")) for i in range(200)))

    assert len(counted.statements) == 1, counted.statements
    written_by = await world.pool.fetch(
        "select xmin::text from care.contact where person_id = $1 union"
        " select xmin::text from work.event where kind = 'contact_received' and subject = $1 union"
        " select xmin::text from work.job where (body ->> 'person')::bigint = $1",
        world.sari.person_id,
    )
    assert len(written_by) == 1  # one transaction id: all of it is one commit
    assert len(await contacts(world.pool)) == 201
    await intake.close()


async def test_of_50_repetitions_at_once_there_is_one_contact(
    world: World, intake: Intake, other_intake: Intake, signer: Signer
) -> None:
    receipts = await asyncio.gather(*((intake, other_intake)[i % 2].receive(chat(world.sari)) for i in range(50)))
    world.clock.advance(timedelta(minutes=5))
    later = [await intake.receive(chat(world.sari)), await other_intake.receive(chat(world.sari))]

    assert len({(r.number, r.received_at, r.commitment, r.salt, r.promises) for r in [*receipts, *later]}) == 1
    assert all(receipt_is_good(signer.public_key, receipt) for receipt in [*receipts, *later])
    assert len(await contacts(world.pool)) == 1
    assert await world.pool.fetchval("select count(*) from work.event where kind = 'contact_received'") == 1
    assert await world.pool.fetchval("select count(*) from work.job") == 1


async def test_a_repetition_waits_for_the_first_that_is_still_being_written(
    world: World, intake: Intake, connect: Connect, app_dsn: str
) -> None:
    """The first is written by another process that has not committed yet, and then never does."""
    await intake.receive(chat(world.sari, "message-0"))
    holder = await connect(app_dsn)
    in_the_way = holder.transaction()
    await in_the_way.start()
    await holder.execute(
        "insert into care.contact (number, channel_account, provider_key, person_id, language, text, original_hash,"
        " salt, received_at, answer_due_at) select 1, channel_account, $1, person_id, language, text, original_hash,"
        " salt, received_at, answer_due_at from care.contact",
        f"{world.sari.person_id}:message-1",
    )
    receiving = asyncio.ensure_future(intake.receive(chat(world.sari)))
    await until_somebody_waits(world.pool)
    assert not receiving.done()

    await in_the_way.rollback()
    receipt = await receiving

    assert [row["number"] for row in await contacts(world.pool)][1:] == [int(receipt.number)]


async def test_another_text_under_the_same_key_is_refused_and_the_first_is_kept(world: World, intake: Intake) -> None:
    first = await intake.receive(chat(world.sari, text="saldo saya kurang"))

    refused = await outcome(intake.receive(chat(world.sari, text="saldo saya lebih")))
    together = await asyncio.gather(
        *(intake.receive(chat(world.sari, "message-2", text)) for text in ("satu", "dua", "satu")),
        return_exceptions=True,
    )
    anew = await intake.receive(chat(world.sari, "message-3", "saldo saya lebih"))

    assert isinstance(refused, ContactKeyReused)
    assert [type(answer) for answer in together] == [Receipt, ContactKeyReused, Receipt]
    assert anew.number != first.number
    assert [row["text"] for row in await contacts(world.pool)] == ["saldo saya kurang", "satu", "saldo saya lebih"]


async def test_texts_that_differ_only_in_what_was_masked_are_told_apart(world: World, intake: Intake) -> None:
    await intake.receive(chat(world.sari, text="otp saya 123456"))

    refused = await outcome(intake.receive(chat(world.sari, text="otp saya 654321")))

    assert isinstance(refused, ContactKeyReused)


async def test_nothing_of_a_secret_is_kept_anywhere(world: World, intake: Intake) -> None:
    await intake.receive(chat(world.sari, text="kartu 4111 1111 1111 1111 12/27, pin 246813"))

    (contact,) = await contacts(world.pool)
    assert contact["text"] == "kartu 4111 11•• •••• 1111 12/27, pin ••••••"
    everything = str(
        await world.pool.fetch("select c::text, e::text, j::text from care.contact c, work.event e, work.job j")
    )
    assert "246813" not in everything
    assert "1111 1111 1111" not in everything
    assert "saldo" not in str(await world.pool.fetch("select body::text from work.event"))


async def test_ids_of_different_senders_never_meet(world: World, intake: Intake) -> None:
    key = "message-1-of-everybody"

    receipts = await asyncio.gather(*(intake.receive(chat(who, key)) for who in (world.sari, world.budi, None)))

    assert len({receipt.number for receipt in receipts}) == 3
    assert [row["person_id"] for row in await contacts(world.pool)] == [world.sari.person_id, world.budi.person_id, 0]


async def test_a_key_cannot_be_made_to_look_like_anothers(world: World, intake: Intake) -> None:
    """Person 1 with the id `1:…` is not person 11, and signed out is not person 0 of the chat."""
    first = await intake.receive(chat(world.sari, f"{world.budi.person_id}:message-1"))
    second = await intake.receive(chat(world.budi, "message-1"))

    assert first.number != second.number


@pytest.mark.parametrize(
    ("signed_in", "key", "text"),
    [
        (True, "short", "halo"),
        (True, "x" * 65, "halo"),
        (False, "message-1", "halo"),
        (True, "message-1", ""),
        (True, "message-1", "  "),
        (True, "message-1", "x" * 4_001),
        (True, "message-1", "a\0b"),
        (True, "message-1", "\ud800"),
        (True, "mess\0age-1", "halo"),
    ],
)
def test_what_no_table_keeps_is_refused_before_anything_is_written(signed_in: bool, key: str, text: str) -> None:
    with pytest.raises(BadText):
        chat_inbound(SARI if signed_in else None, client_message_id=key, text=text)


def test_the_longest_text_in_any_script_is_taken_and_a_strange_language_is_ours() -> None:
    inbound = chat_inbound(SARI, client_message_id="message-1", text="界" * 4_000, language="fr")

    assert (len(inbound.text), inbound.language) == (4_000, "id")
    assert chat_inbound(replace(SARI, language="en"), client_message_id="message-1", text="hi").language == "en"


async def test_one_inbound_that_no_table_keeps_harms_none_of_the_others(world: World, intake: Intake) -> None:
    good = [chat(world.sari, f"message-{i}") for i in range(9)]
    bad = [
        Inbound("chat", "1:nul", 1, "id", "a\0b", "a"),
        Inbound("chat", "1:language", 1, "fr", "halo", "halo"),
        Inbound("chat", "1:person", 2**70, "id", "halo", "halo"),
        Inbound("chat", "", 1, "id", "halo", "halo"),
        Inbound("chat", "1:long", 1, "id", "x" * 4_001, "x"),
    ]

    answers = await asyncio.gather(*(intake.receive(one) for one in good[:5] + bad + good[5:]), return_exceptions=True)

    assert [type(answer) for answer in answers] == [Receipt] * 5 + [CannotBeWritten] * 5 + [Receipt] * 4
    assert len(await contacts(world.pool)) == 9


async def test_numbers_of_two_processes_never_meet_and_go_on(
    world: World, intake: Intake, other_intake: Intake
) -> None:
    """More than a block each, so both have to reserve anew."""
    asked = [(one, i) for i in range(700) for one in (intake, other_intake)]

    receipts = await asyncio.gather(
        *(one.receive(chat(world.sari, f"message-{i}-{id(one)}")) for one, i in asked), return_exceptions=True
    )

    numbers = {receipt.number for receipt in receipts if isinstance(receipt, Receipt)}
    assert len(numbers) == 1_400
    assert all(is_contact_number(number) for number in numbers)


async def test_blocks_that_two_processes_have_are_given_up_and_nobody_is_turned_away(
    world: World, intake: Intake, signer: Signer, owner: Any
) -> None:
    """As after a standby took over that did not know yet which blocks were given."""
    await owner.execute("alter sequence care.number_block restart with 0")
    other = await ready(Intake(world.pool, signer, NUMBER_KEY, world.clock))

    receipts = [
        await one.receive(chat(world.sari, f"message-{i}-{id(one)}")) for i in range(3) for one in (intake, other)
    ]

    assert len({receipt.number for receipt in receipts}) == 6
    assert len(await contacts(world.pool)) == 6
    await other.close()


@pytest.mark.parametrize("rounds", range(4))
async def test_closing_ends_although_numbers_run_low_at_that_moment(world: World, signer: Signer, rounds: int) -> None:
    """Python 3.11's `wait_for` forgets a cancellation that comes when what it waits for has just happened."""
    closing = await ready(Intake(world.pool, signer, NUMBER_KEY, world.clock))
    await asyncio.sleep(0.05)  # it waits for numbers to run low
    closing._low.set()
    for _ in range(rounds):
        await asyncio.sleep(0)

    ended, _ = await asyncio.wait({asyncio.create_task(closing.close())}, timeout=SOON_S)

    assert ended


async def test_without_numbers_the_sender_is_told_to_come_back(world: World, signer: Signer) -> None:
    not_started = Intake(world.pool, signer, NUMBER_KEY, world.clock)

    assert not not_started.is_ready
    assert isinstance(await outcome(not_started.receive(chat(world.sari))), Busy)


async def test_a_connection_that_is_cut_in_the_middle_is_said_and_the_same_message_is_received_once(
    world: World, intake: Intake, connect: Connect, database: Any
) -> None:
    above, holder = await connect(database.superuser_dsn), await connect(database.owner_dsn)
    async with holder.transaction():
        await holder.execute("lock table care.contact in exclusive mode")
        receiving = asyncio.ensure_future(intake.receive(chat(world.sari)))
        await until_somebody_waits(world.pool)
        await above.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and wait_event_type = 'Lock'",
            database.name,
        )
        cut = await outcome(receiving)

    receipt = await intake.receive(chat(world.sari))

    assert isinstance(cut, OutcomeUnknown)
    assert [row["number"] for row in await contacts(world.pool)] == [int(receipt.number)]


async def test_closing_receives_what_waits_and_takes_nothing_new(world: World, signer: Signer) -> None:
    intake = await ready(Intake(world.pool, signer, NUMBER_KEY, world.clock))
    receiving = intake.receive(chat(world.sari))
    waiting = asyncio.ensure_future(receiving)
    await asyncio.sleep(0)

    await intake.close()

    assert isinstance(await waiting, Receipt)
    assert isinstance(await outcome(intake.receive(chat(world.sari, "message-2"))), Busy)


async def test_the_whole_way_of_a_message_ends_in_a_file_that_verifies_offline(
    world: World, intake: Intake, sealer: Sealer, signer: Signer
) -> None:
    receipts = await asyncio.gather(*(intake.receive(chat(world.sari, f"message-{i}")) for i in range(5)))
    runner = JobRunner(world.pool, job_kinds(world.clock))
    while await runner.run_due():
        pass
    await sealer.tick()

    async with world.pool.acquire() as connection:
        states = [await contact_state(connection, receipt.number) for receipt in receipts]
        assert states[0] is not None
        assert await proof_of_contact(connection, states[0]) is None  # no head has been signed yet
        await sealer.sign(world.clock.now())
        for receipt, state in zip(receipts, states, strict=True):
            assert state is not None
            proof = await proof_of_contact(connection, state)
            good = msgspec.json.encode({"receipt": receipt, "proof": proof})
            others = msgspec.json.encode({"receipt": receipts[receipts[0] is receipt], "proof": proof})
            assert verify_contact_file(good, signer.public_key).good
            assert not verify_contact_file(others, signer.public_key).good
            assert not verify_contact_file(good, Signer.from_seed(b"x" * 32).public_key).good
            assert state.case_number == receipts[0].number
        assert await contact_state(connection, "000000000") is None


async def test_an_id_is_as_good_as_a_uuid(world: World, intake: Intake) -> None:
    receipt = await intake.receive(chat_inbound(None, client_message_id=str(uuid4()), text="tolong"))

    async with world.pool.acquire() as connection:
        state = await contact_state(connection, receipt.number)
        assert state is not None
        assert (state.person_id, state.case_number) == (0, None)
        assert await messages(connection, 1, after=0) == []

"""Cases and their conversations: each contact in one, in order; a reply sees what it answers; a promise always runs."""

import asyncio
from datetime import timedelta

from sahut.bedrock import BadText
from sahut.care import (
    ANSWER,
    FOLLOW_UP,
    PROMISES,
    CaseClosed,
    ConversationMoved,
    MessageKeyReused,
    NoSuchCase,
    add_contacts,
    cases,
    wait_estimate_s,
)
from sahut.channels import chat_inbound
from sahut.db import open_pool, transaction
from sahut.journey import job_kinds
from sahut.work import JobRunner, deadlines_of
from tests.rooms.conftest import Connect
from tests.rooms.desk import Desk
from tests.rooms.world import outcome, until_somebody_waits


async def test_the_first_contact_opens_a_case_and_the_next_ones_join_it_in_order(desk: Desk) -> None:
    numbers = await desk.write(desk.world.sari, "saldo saya kurang", "sejak kemarin")
    await desk.find_cases()
    numbers += await desk.write(desk.world.sari, "halo?")
    await desk.find_cases()

    async with desk.world.pool.acquire() as connection:
        (line,) = await cases(connection, person_id=desk.world.sari.person_id)
        assert await cases(connection, person_id=desk.world.budi.person_id) == []
    assert (line.case.number, line.case.state, line.case.last_seq) == (numbers[0], "open", 3)
    assert (line.promise, line.last_author, line.excerpt) == (ANSWER, "customer", "halo?")
    assert await desk.conversation(numbers[0]) == [
        (1, "customer", "saldo saya kurang"),
        (2, "customer", "sejak kemarin"),
        (3, "customer", "halo?"),
    ]
    assert await desk.conversation(numbers[0], after=2) == [(3, "customer", "halo?")]
    assert [told["case"] for told in await desk.told("case_opened")] == [numbers[0]]
    assert [(told["seq"], told["author"]) for told in await desk.told("message_added")] == [
        (seq, "customer") for seq in (1, 2, 3)
    ]


async def test_many_contacts_of_one_person_at_once_are_one_case(desk: Desk, app_dsn: str) -> None:
    """Two processes run the jobs, each with several at once."""
    await asyncio.gather(
        *(
            desk.intake.receive(chat_inbound(actor, client_message_id=f"message-{i}", text=f"pesan {i}"))
            for i in range(30)
            for actor in (desk.world.sari, desk.world.budi)
        )
    )
    other = await open_pool(app_dsn, size=8, name="sahut-other")
    runners = [JobRunner(pool, job_kinds(desk.world.clock)) for pool in (desk.world.pool, other)]

    for _ in range(5):
        await asyncio.gather(*(runner.run_due() for runner in runners))
    await other.close()

    rows = await desk.world.pool.fetch(
        "select c.person_id, c.last_seq, array_agg(m.seq order by m.contact_id) as seqs from care.case c"
        " join care.message m on m.case_id = c.id group by c.id order by c.person_id"
    )
    assert [(row["person_id"], row["last_seq"]) for row in rows] == [
        (desk.world.sari.person_id, 30),
        (desk.world.budi.person_id, 30),
    ]
    assert all(row["seqs"] == list(range(1, 31)) for row in rows)
    assert await desk.world.pool.fetchval("select count(*) from work.job") == 0


async def test_who_finds_a_case_waits_for_who_is_just_opening_one(desk: Desk) -> None:
    world = desk.world
    await desk.write(world.sari, "satu")
    arguments = {"contact_id": 1, "person_id": world.sari.person_id, "now": world.clock.now()}

    async def second() -> None:
        async with transaction(world.pool) as connection:
            await add_contacts(connection, **arguments | {"contact_id": 2})

    async with transaction(world.pool) as first:
        await add_contacts(first, **arguments)
        waiting = asyncio.create_task(second())
        await until_somebody_waits(world.pool)
        await desk.write(world.sari, "dua")  # received although a case is being opened
    await waiting

    number = await world.pool.fetchval("select number from care.case")
    assert await desk.conversation(f"{number:09d}") == [(1, "customer", "satu"), (2, "customer", "dua")]
    await desk.find_cases()


async def test_a_job_that_runs_twice_changes_nothing(desk: Desk) -> None:
    (number,) = await desk.write(desk.world.sari, "satu")
    await desk.find_cases()
    before = await desk.world.pool.fetchval("select count(*) from work.event")

    for _ in range(3):
        async with transaction(desk.world.pool) as connection:
            await add_contacts(
                connection, contact_id=1, person_id=desk.world.sari.person_id, now=desk.world.clock.now()
            )

    assert await desk.conversation(number) == [(1, "customer", "satu")]
    assert await desk.world.pool.fetchval("select count(*) from work.event") == before
    assert len(await desk.promises()) == 1


async def test_who_is_not_signed_in_has_a_case_for_each_contact(desk: Desk) -> None:
    numbers = await desk.write(None, "tolong", "tolong")
    await desk.find_cases()
    async with transaction(desk.world.pool) as connection:
        await add_contacts(connection, contact_id=1, person_id=0, now=desk.world.clock.now())

    assert [await desk.conversation(number) for number in numbers] == [[(1, "customer", "tolong")]] * 2
    async with desk.world.pool.acquire() as connection:
        assert len(await cases(connection, person_id=None)) == 2


async def test_a_reply_is_added_keeps_the_promise_and_makes_the_next(desk: Desk) -> None:
    (number,) = await desk.write(desk.world.sari, "saldo saya kurang")
    await desk.find_cases()
    assert await desk.promises() == [(ANSWER, 15)]
    desk.world.clock.advance(timedelta(minutes=4))

    sent = await desk.answer(number, "  kami periksa ", seen=1)

    assert (sent.seq, sent.author, sent.author_id, sent.text) == (2, "agent", desk.world.bima.person_id, "kami periksa")
    assert (await desk.conversation(number))[1:] == [(2, "agent", "kami periksa")]
    assert await desk.promises() == [(FOLLOW_UP, 24 * 60)]
    assert await desk.told("promise_kept") == [{"case": number, "promise": ANSWER}]
    async with desk.world.pool.acquire() as connection:
        kept = next(clock for clock in await deadlines_of(connection, 1, kinds=PROMISES) if clock.kind == ANSWER)
    assert (kept.kept_at, kept.broken_at) == (desk.world.clock.now(), None)


async def test_when_the_customer_writes_again_an_answer_is_promised_again(desk: Desk) -> None:
    (number,) = await desk.write(desk.world.sari, "satu")
    await desk.find_cases()
    await desk.answer(number, seen=1)
    desk.world.clock.advance(timedelta(minutes=10))

    await desk.write(desk.world.sari, "dua")
    await desk.find_cases()

    assert await desk.promises() == [(ANSWER, 15), (FOLLOW_UP, 24 * 60 - 10)]
    assert (await desk.answer(number, seen=3, key="reply-2")).seq == 4


async def test_a_reply_to_what_was_not_seen_is_not_sent(desk: Desk) -> None:
    (number,) = await desk.write(desk.world.sari, "saldo kurang")
    await desk.find_cases()
    await desk.write(desk.world.sari, "sudah ketemu, terima kasih")
    await desk.find_cases()

    moved = await outcome(desk.answer(number, seen=1))
    ahead = await outcome(desk.answer(number, seen=99))
    sent = await desk.answer(number, seen=2)

    assert isinstance(moved, ConversationMoved)
    assert moved.fields() == {"seen_seq": 1, "last_seq": 2}
    assert isinstance(ahead, ConversationMoved)
    assert sent.seq == 3


async def test_the_same_reply_again_is_the_same_message_also_when_the_conversation_moved(desk: Desk) -> None:
    (number,) = await desk.write(desk.world.sari, "satu")
    await desk.find_cases()
    first = await desk.answer(number, seen=1)
    await desk.write(desk.world.sari, "dua")
    await desk.find_cases()

    again = await asyncio.gather(*(desk.answer(number, seen=1) for _ in range(10)))
    other_text = await outcome(desk.answer(number, "lain", seen=3))

    assert set(again) == {first}
    assert isinstance(other_text, MessageKeyReused)
    assert len(await desk.conversation(number)) == 3
    assert len(await desk.told("promise_kept")) == 1


async def test_of_two_agents_that_reply_at_once_one_is_told_that_it_moved(desk: Desk) -> None:
    (number,) = await desk.write(desk.world.sari, "satu")
    await desk.find_cases()

    answers = await asyncio.gather(
        *(desk.answer(number, seen=1, key=f"reply-{i}") for i in range(6)), return_exceptions=True
    )

    assert sorted(type(answer).__name__ for answer in answers) == ["ConversationMoved"] * 5 + ["Message"]
    assert len(await desk.conversation(number)) == 2


async def test_a_reply_waits_for_a_message_that_is_just_being_added(desk: Desk, connect: Connect, app_dsn: str) -> None:
    (number,) = await desk.write(desk.world.sari, "satu")
    await desk.find_cases()
    await desk.write(desk.world.sari, "dua")

    async with transaction(desk.world.pool) as adding:
        await add_contacts(adding, contact_id=2, person_id=desk.world.sari.person_id, now=desk.world.clock.now())
        answering = asyncio.ensure_future(desk.answer(number, seen=1))
        await until_somebody_waits(desk.world.pool)

    assert isinstance(await outcome(answering), ConversationMoved)
    await desk.find_cases()


async def test_a_reply_may_be_refused_for_its_case_or_its_text(desk: Desk) -> None:
    (number,) = await desk.write(desk.world.sari, "satu")
    await desk.find_cases()

    assert isinstance(await outcome(desk.answer("000000000", seen=1)), NoSuchCase)
    for text in ("", " ", "x" * 4_001, "a\0b", "\ud800"):
        assert isinstance(await outcome(desk.answer(number, text, seen=1)), BadText)
    await desk.world.pool.execute("update care.case set state = 'solved'")
    assert isinstance(await outcome(desk.answer(number, seen=1)), CaseClosed)
    assert len(await desk.conversation(number)) == 1


async def test_after_a_solved_case_the_next_message_opens_a_new_one(desk: Desk) -> None:
    (first,) = await desk.write(desk.world.sari, "satu")
    await desk.find_cases()
    await desk.world.pool.execute("update care.case set state = 'solved'")

    (second,) = await desk.write(desk.world.sari, "dua")
    await desk.find_cases()

    assert await desk.conversation(first) == [(1, "customer", "satu")]
    assert await desk.conversation(second) == [(1, "customer", "dua")]


async def test_cases_that_wait_for_an_answer_come_first_soonest_due_first(desk: Desk) -> None:
    (answered,) = await desk.write(desk.world.sari, "satu")
    await desk.find_cases()
    await desk.answer(answered, seen=1)
    desk.world.clock.advance(timedelta(minutes=1))
    (earlier,) = await desk.write(desk.world.budi, "dua")
    desk.world.clock.advance(timedelta(minutes=1))
    (later,) = await desk.write(None, "tiga" + "!" * 300)
    await desk.find_cases()

    async with desk.world.pool.acquire() as connection:
        lines = await cases(connection, person_id=None)
        assert len(await cases(connection, person_id=None, at_most=2)) == 2

    assert [line.case.number for line in lines] == [earlier, later, answered]
    assert [line.promise for line in lines] == [ANSWER, ANSWER, FOLLOW_UP]
    assert [line.last_author for line in lines] == ["customer", "customer", "agent"]
    assert len(lines[1].excerpt) == 120


async def test_the_wait_is_the_median_of_the_last_answers_and_unknown_while_they_are_few(desk: Desk) -> None:
    async with desk.world.pool.acquire() as connection:
        for minutes in (1, 2, 3, 4):
            await _answered_after(desk, minutes)
        assert await wait_estimate_s(connection) is None
        await _answered_after(desk, 30)

        assert await wait_estimate_s(connection) == 3 * 60


async def _answered_after(desk: Desk, minutes: int) -> None:
    (number,) = await desk.write(None, "tolong")
    await desk.find_cases()
    desk.world.clock.advance(timedelta(minutes=minutes))
    await desk.answer(number, seen=1)

"""Promises that were not kept: recorded, renewed, and never two at once."""

import asyncio
from datetime import timedelta

from sahut.care import (
    ANSWER,
    reply,
)
from sahut.db import transaction
from sahut.journey import clock_handlers
from sahut.work import DeadlineWatch
from tests.rooms.desk import Desk
from tests.rooms.world import until


async def test_a_promise_that_was_not_kept_is_recorded_as_broken_and_a_sooner_one_is_made(desk: Desk) -> None:
    """Sooner than the broken one; and longer after each further one, so that an empty desk does not fill the log."""
    (number,) = await desk.write(desk.world.sari, "satu")
    await desk.find_cases()
    table = [(14, 0, [(ANSWER, 1)]), (2, 1, [(ANSWER, 5)]), (0, 0, [(ANSWER, 5)]), (6, 1, [(ANSWER, 10)])]

    for minutes, broken, running in table:
        desk.world.clock.advance(timedelta(minutes=minutes))
        assert await desk.renew() == broken
        assert await desk.promises() == running

    assert await desk.told("promise_broken") == [{"case": number, "promise": ANSWER}] * 2
    assert await desk.world.pool.fetchval("select risk from care.case") == 2
    assert (await desk.answer(number, seen=1)).seq == 2


async def test_a_follow_up_that_was_forgotten_becomes_an_answer_that_is_due(desk: Desk) -> None:
    (number,) = await desk.write(desk.world.sari, "satu")
    await desk.find_cases()
    await desk.answer(number, seen=1)
    desk.world.clock.advance(timedelta(hours=24, minutes=1))

    await desk.renew()

    assert await desk.promises() == [(ANSWER, 15)]


async def test_a_case_that_somebody_is_answering_is_not_said_to_be_broken(desk: Desk) -> None:
    """The reply was there first: the watch leaves the case for its next look, and then there is nothing to break."""
    (number,) = await desk.write(desk.world.sari, "satu")
    await desk.find_cases()
    desk.world.clock.advance(timedelta(minutes=16))

    async with transaction(desk.world.pool) as answering:
        await reply(
            answering,
            desk.world.bima,
            number=number,
            client_message_id="reply-1",
            text="kami periksa",
            seen_seq=1,
            now=desk.world.clock.now(),
        )
        assert await asyncio.wait_for(desk.renew(), 5) == 0

    assert await desk.renew() == 0
    assert await desk.told("promise_broken") == []
    assert len(await desk.told("promise_kept")) == 1


async def test_a_solved_case_gets_no_new_promise(desk: Desk) -> None:
    await desk.write(desk.world.sari, "satu")
    await desk.find_cases()
    await desk.world.pool.execute("update care.case set state = 'solved'")
    desk.world.clock.advance(timedelta(hours=1))

    assert await desk.renew() == 1
    assert await desk.promises() == []


async def test_processes_that_look_for_broken_promises_at_once_record_each_once(desk: Desk) -> None:
    for actor in (desk.world.sari, desk.world.budi):
        await desk.write(actor, "satu")
    await desk.write(None, "tolong", "tolong")
    await desk.find_cases()
    desk.world.clock.advance(timedelta(minutes=16))

    broken = await asyncio.gather(*(desk.renew() for _ in range(5)))

    assert sum(broken) == 4
    assert len(await desk.told("promise_broken")) == 4


async def test_the_watch_records_by_itself(desk: Desk) -> None:
    await desk.write(desk.world.sari, "satu")
    await desk.find_cases()
    desk.world.clock.advance(timedelta(minutes=16))
    watching = asyncio.create_task(DeadlineWatch(desk.world.pool, clock_handlers(), clock=desk.world.clock).run())

    async def told() -> bool:
        return bool(await desk.told("promise_broken"))

    assert await until(told)
    watching.cancel()
    await asyncio.wait([watching])

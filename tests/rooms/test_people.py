"""Signing in: who is let in, who must wait, and that nobody locks out somebody else."""

import asyncio
import threading
from datetime import timedelta

import pytest

from sahut.db import Pool, transaction
from sahut.people import (
    Actor,
    SignIn,
    TryLater,
    UnknownPhone,
    WrongPhoneOrPin,
    add_person,
    add_session,
    names_of,
    person,
    person_by_phone,
    running_sessions,
    sign_out,
    token_hash,
    who,
)
from sahut.people.rules import SESSION_LASTS
from sahut.work import Busy
from tests.rooms.conftest import Connect
from tests.rooms.world import PIN, World, outcome, pin_hash, until_somebody_waits


@pytest.fixture
def sign_in(world: World) -> SignIn:
    return SignIn(world.pool, world.clock)


async def who_is(world: World, token: str) -> Actor | None:
    async with world.pool.acquire() as connection:
        return await who(connection, token, world.clock.now())


async def test_phone_and_pin_open_a_session_that_ends(world: World, sign_in: SignIn) -> None:
    token, ends_at, actor = await sign_in.sign_in("0812-0000-0001", PIN)

    assert actor == world.sari
    assert ends_at == world.clock.now() + SESSION_LASTS
    assert await who_is(world, token) == world.sari
    world.clock.set(ends_at - timedelta(microseconds=1))
    assert await who_is(world, token) == world.sari
    world.clock.set(ends_at)
    assert await who_is(world, token) is None


async def test_only_a_hash_of_the_token_and_of_the_pin_is_kept(world: World, sign_in: SignIn) -> None:
    token, _, _ = await sign_in.sign_in(world.sari.phone, PIN)

    kept = str(await world.pool.fetch("select s::text, p::text from people.session s, people.person p"))

    assert token not in kept
    assert PIN not in kept
    assert token_hash(token).hex() in kept
    assert len(token) >= 43  # 256 bits


async def test_signing_out_ends_the_session_at_once_and_only_this_one(world: World) -> None:
    now = world.clock.now()
    async with transaction(world.pool) as connection:
        first, _ = await add_session(connection, world.sari.person_id, now)
        second, _ = await add_session(connection, world.sari.person_id, now)

        await sign_out(connection, first, now)
        await sign_out(connection, first, now + timedelta(hours=1))
        running = await running_sessions(connection, [token_hash(first), token_hash(second), b"x" * 32], now)

    assert running == {token_hash(second)}
    assert await who_is(world, first) is None
    assert await who_is(world, second) == world.sari


async def test_garbage_is_nobodys_token(world: World) -> None:
    for token in ("", "x", "x" * 43, "x" * 10_000, "é" * 43, "\0" * 43):
        assert await who_is(world, token) is None


async def test_a_wrong_pin_and_an_unknown_phone_get_the_same_answer(world: World, sign_in: SignIn) -> None:
    wrong_pin = await outcome(sign_in.sign_in(world.sari.phone, "000000"))
    unknown = await outcome(sign_in.sign_in("+6281299999999", PIN))

    assert type(wrong_pin) is type(unknown) is WrongPhoneOrPin
    assert wrong_pin.fields() == unknown.fields() == {}
    assert await world.pool.fetchval("select count(*) from people.session") == 0


async def test_odd_pins_are_wrong_and_odd_phones_no_phones_and_nothing_worse(world: World, sign_in: SignIn) -> None:
    for pin in ("", "\0", "\ud800", "9" * 10_000):
        assert isinstance(await outcome(sign_in.sign_in(world.sari.phone, pin)), WrongPhoneOrPin)
    for phone in ("halo", "", "\0", "\ud800"):
        assert isinstance(await outcome(sign_in.sign_in(phone, PIN)), UnknownPhone)


async def test_waits_grow_after_wrong_tries_are_told_and_end(world: World, sign_in: SignIn) -> None:
    """After five wrong tries nobody is heard for 15 s, then for 30 s; the right PIN is not heard either."""
    told: list[str] = []
    for passed_s, pin in [(0, "0")] * 5 + [
        (0, "0"),
        (0, PIN),
        (14, PIN),
        (2, "0"),
        (29, PIN),
        (1.1, PIN),
        (0, "0"),
        (0, PIN),
    ]:
        world.clock.advance(timedelta(seconds=passed_s))
        answer = await outcome(sign_in.sign_in(world.sari.phone, pin))
        told.append(f"wait {answer.retry_after_s}" if isinstance(answer, TryLater) else type(answer).__name__)

    wrong, good = "WrongPhoneOrPin", "tuple"
    assert told == [wrong] * 5 + ["wait 16", "wait 16", "wait 2", wrong, "wait 2", good, wrong, good]


async def test_nobody_locks_out_somebody_else(world: World, sign_in: SignIn) -> None:
    await world.pool.execute(
        "update people.person set wrong_tries = 9, try_again_at = $2 where id = $1",
        world.sari.person_id,
        world.clock.now() + timedelta(seconds=240),
    )

    _, _, actor = await sign_in.sign_in(world.budi.phone, PIN)

    assert actor == world.budi
    assert isinstance(await outcome(sign_in.sign_in(world.sari.phone, PIN)), TryLater)


async def test_of_many_wrong_tries_at_once_each_is_counted(
    world: World, sign_in: SignIn, connect: Connect, app_dsn: str
) -> None:
    """Both have looked, and wait for the row; each must see what the one before it wrote."""
    holder = await connect(app_dsn)
    async with holder.transaction():
        await holder.execute("update people.person set wrong_tries = 4 where id = $1", world.sari.person_id)
        tries = [asyncio.ensure_future(sign_in.sign_in(world.sari.phone, "0")) for _ in range(2)]
        await until_somebody_waits(world.pool, 2)

    answers = await asyncio.gather(*tries, return_exceptions=True)

    assert sorted(type(answer).__name__ for answer in answers) == ["TryLater", "WrongPhoneOrPin"]
    assert await world.pool.fetchval("select wrong_tries from people.person where id = $1", world.sari.person_id) == 5


async def test_a_flood_of_tries_at_one_phone_keeps_nobody_else_waiting(world: World, sign_in: SignIn) -> None:
    flood = [asyncio.ensure_future(sign_in.sign_in(world.budi.phone, "0")) for _ in range(40)]
    flood += [asyncio.ensure_future(sign_in.sign_in(f"+62812999{i:05}", "0")) for i in range(40)]

    _, _, actor = await sign_in.sign_in(world.sari.phone, PIN)
    answers = await asyncio.gather(*flood, return_exceptions=True)

    assert actor.person_id == world.sari.person_id
    assert {type(answer) for answer in answers} <= {Busy, WrongPhoneOrPin, TryLater}
    assert sum(isinstance(answer, Busy) for answer in answers) > 40


async def test_an_unknown_phone_is_told_to_wait_like_a_known_one(world: World, sign_in: SignIn) -> None:
    async def told(phone: str) -> list[str]:
        answers = [await outcome(sign_in.sign_in(phone, "0")) for _ in range(7)]
        return [type(answer).__name__ for answer in answers]

    assert await told(world.sari.phone) == await told("+6281299999999") == ["WrongPhoneOrPin"] * 5 + ["TryLater"] * 2


async def test_while_the_pool_is_full_a_try_is_neither_heard_nor_forgotten(world: World, sign_in: SignIn) -> None:
    unknown, gate = "+6281299999999", threading.Event()
    before = [await outcome(sign_in.sign_in(unknown, "0")) for _ in range(4)]
    flood = [asyncio.ensure_future(sign_in._unknown.run(gate.wait, 10)) for _ in range(20)]
    await asyncio.sleep(0)

    turned_away = await outcome(sign_in.sign_in(unknown, "0"))
    gate.set()
    await asyncio.gather(*flood, return_exceptions=True)
    after = [await outcome(sign_in.sign_in(unknown, "0")) for _ in range(2)]

    assert isinstance(turned_away, Busy)
    assert [type(answer) for answer in (*before, *after)] == [WrongPhoneOrPin] * 5 + [TryLater]


async def test_people_are_found_by_phone_and_number_and_entered_once(pool: Pool) -> None:
    async def enter() -> int:
        async with transaction(pool) as connection:
            return await add_person(
                connection, name="Li Na", phone="+6281200000003", language="zh", role="customer", pin_hash=pin_hash()
            )

    numbers = await asyncio.gather(*(enter() for _ in range(6)))

    assert len(set(numbers)) == 1
    async with pool.acquire() as connection:
        li_na = Actor(numbers[0], "Li Na", "+6281200000003", "zh", "customer")
        assert await person(connection, numbers[0]) == await person_by_phone(connection, "+6281200000003") == li_na
        assert await person(connection, 999) is None
        assert await person_by_phone(connection, "+6281200000004") is None
        assert await names_of(connection, [numbers[0], 999]) == {numbers[0]: "Li Na"}

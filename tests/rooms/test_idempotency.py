"""Keys and answers: the same key again gets the same, at the same time a no, and what is old is forgotten."""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sahut.bedrock import Refusal
from sahut.db import Connection, Pool, Queries, open_connection, transaction
from sahut.work import (
    KeptAnswer,
    KeyReused,
    RequestInFlight,
    Sealer,
    claim,
    command_hash,
    forget_answers,
    keep_answer,
)
from tests.rooms.conftest import Connect
from tests.rooms.log import set_clock
from tests.rooms.world import World, outcome, until_somebody_waits

KEY = UUID(int=7)
FREEZE = command_hash("freeze", b'{"why":"lost"}')
FROZEN = KeptAnswer(200, b'{"state":"frozen","amount":1e5}')


async def act(pool: Pool, key: UUID = KEY, body_hash: bytes = FREEZE, principal: int = 1) -> KeptAnswer:
    """An action of the API as a view does it, with an event for its effect."""
    async with transaction(pool) as connection:
        kept = await claim(connection, principal=principal, key=key, body_hash=body_hash)
        if kept is not None:
            return kept
        await effect(connection)
        await keep_answer(connection, principal=principal, key=key, body_hash=body_hash, answer=FROZEN)
        return FROZEN


async def effect(connection: Connection) -> None:
    await connection.execute("insert into work.event (topic, subject, kind, body) values ('staff', 1, 'done', '{}')")


async def effects(pool: Pool) -> int:
    return await pool.fetchval("select count(*) from work.event where kind = 'done'")


async def age(connect: Connect, owner_dsn: str, by: timedelta, count: int = 1) -> None:
    """Answers that were given so long ago."""
    owner = await connect(owner_dsn)
    await owner.execute(
        "insert into work.idempotency (principal, key, body_hash, status, body, at)"
        " select 1, md5($1::interval::text || n)::uuid, $2, 200, '{}', clock_timestamp() - $1::interval"
        "       - n * interval '1 ms'"
        "   from generate_series(1, $3::int) n",
        by, FREEZE, count,
    )  # fmt: skip


async def test_the_same_key_again_gets_the_same_bytes_and_nothing_is_done_twice(pool: Pool) -> None:
    first = await act(pool)
    again = await act(pool)

    assert first == again == FROZEN
    assert await effects(pool) == 1


async def test_another_command_under_the_same_key_is_refused(pool: Pool) -> None:
    await act(pool)

    for other in (command_hash("freeze", b'{"why":"stolen"}'), command_hash("unfreeze", b'{"why":"lost"}')):
        assert isinstance(await outcome(act(pool, body_hash=other)), KeyReused)
    assert await effects(pool) == 1


async def test_keys_of_different_people_are_different_keys(pool: Pool) -> None:
    await act(pool, principal=1)
    await act(pool, principal=2, body_hash=command_hash("other", b""))

    assert await effects(pool) == 2


async def test_a_claim_that_is_rolled_back_leaves_the_key_fresh(pool: Pool) -> None:
    async with pool.acquire() as connection:
        undone = connection.transaction()
        await undone.start()
        assert await claim(connection, principal=1, key=KEY, body_hash=FREEZE) is None
        await effect(connection)
        await keep_answer(connection, principal=1, key=KEY, body_hash=FREEZE, answer=FROZEN)
        await undone.rollback()

    assert await act(pool) == FROZEN
    assert await effects(pool) == 1


async def test_while_a_key_is_worked_on_others_are_told_at_once_whatever_they_ask(pool: Pool) -> None:
    async with transaction(pool) as working:
        assert await claim(working, principal=1, key=KEY, body_hash=FREEZE) is None
        told = [
            await asyncio.wait_for(outcome(act(pool)), 5),
            await asyncio.wait_for(outcome(act(pool, body_hash=command_hash("x", b""))), 5),
        ]
        await asyncio.wait_for(act(pool, key=UUID(int=8)), 5)
        await keep_answer(working, principal=1, key=KEY, body_hash=FREEZE, answer=FROZEN)

    assert [type(one) for one in told] == [RequestInFlight, RequestInFlight]
    assert told[0].fields() == {"retry_after_s": 1}
    assert await act(pool) == FROZEN


async def test_who_asks_while_the_first_commits_gets_its_answer_or_is_told_to_wait_never_a_second_effect(
    pool: Pool,
) -> None:
    """The moment between a look and the lock: the look must come after the lock, with a snapshot of its own."""
    for number in range(40):
        key = UUID(int=1000 + number)
        found = await asyncio.gather(*(act(pool, key) for _ in range(5)), return_exceptions=True)
        assert {type(one) for one in found} <= {KeptAnswer, RequestInFlight}
        assert FROZEN in found

    assert await effects(pool) == 40


async def test_a_claim_sees_what_was_committed_between_its_transactions_begin_and_itself(pool: Pool) -> None:
    async with transaction(pool) as late:
        await late.fetchval("select count(*) from work.idempotency")
        await act(pool)
        assert await claim(late, principal=1, key=KEY, body_hash=FREEZE) == FROZEN


async def test_a_claim_looks_with_a_snapshot_of_its_own_after_it_has_the_key(
    pool: Pool, connect: Connect, app_dsn: str
) -> None:
    """The statement began before the first answer was committed, and came to its key after that."""
    gate, late = await connect(app_dsn), await connect(app_dsn)
    await gate.execute("select pg_advisory_lock(99, 1)")
    asked = asyncio.create_task(
        late.fetchrow(
            "with held as materialized (select pg_advisory_lock(99, 1))"
            " select c.status, c.body from held cross join lateral work.claim_key(1, $1) as c",
            KEY,
        )
    )
    await until_somebody_waits(pool)
    await act(pool)
    await gate.execute("select pg_advisory_unlock(99, 1)")

    assert tuple(await asked) == (FROZEN.status, FROZEN.body)


async def test_a_transfer_and_an_action_never_share_a_key(world: World) -> None:
    sari = world.sari.person_id
    posted, acted = uuid4(), uuid4()
    await world.ledger.post(world.command(100, key=posted))
    await act(world.pool, acted, principal=sari)

    assert isinstance(await outcome(act(world.pool, posted, principal=sari)), KeyReused)
    others = await asyncio.gather(
        world.ledger.post(world.command(100, key=acted)), world.ledger.post(world.command(100)), return_exceptions=True
    )
    assert isinstance(others[0], KeyReused)
    assert not isinstance(others[1], Refusal)


async def test_a_transfer_that_takes_a_claimed_key_first_undoes_the_action(world: World) -> None:
    sari = world.sari.person_id

    async def act_meanwhile() -> None:
        async with transaction(world.pool) as connection:
            assert await claim(connection, principal=sari, key=KEY, body_hash=FREEZE) is None
            await effect(connection)
            await world.ledger.post(world.command(100, key=KEY))
            await keep_answer(connection, principal=sari, key=KEY, body_hash=FREEZE, answer=FROZEN)

    assert isinstance(await outcome(act_meanwhile()), KeyReused)
    assert await effects(world.pool) == 0


async def test_an_answer_has_a_bound_and_a_status(pool: Pool) -> None:
    most = KeptAnswer(599, b"x" * 16_384)
    async with transaction(pool) as connection:
        await keep_answer(connection, principal=1, key=KEY, body_hash=FREEZE, answer=most)
        assert await claim(connection, principal=1, key=KEY, body_hash=FREEZE) == most
        with pytest.raises(AssertionError):
            await keep_answer(
                connection, principal=1, key=UUID(int=9), body_hash=FREEZE, answer=KeptAnswer(200, b"x" * 16_385)
            )
    async with pool.acquire() as connection:
        with pytest.raises(asyncpg.CheckViolationError):
            await keep_answer(connection, principal=1, key=UUID(int=9), body_hash=FREEZE, answer=KeptAnswer(99, b"{}"))


async def test_what_is_older_than_thirty_days_is_forgotten_and_nothing_younger(
    pool: Pool, connect: Connect, owner_dsn: str
) -> None:
    """At the border: 29 days and 23 hours are kept, 30 days and a second are not."""
    await age(connect, owner_dsn, timedelta(days=29, hours=23), 25)
    await age(connect, owner_dsn, timedelta(days=30, seconds=1), 25)
    await act(pool)

    forgotten = [await forget_answers(pool, at_once=10), await forget_answers(pool, at_once=10)]

    assert forgotten == [25, 0]
    assert await pool.fetchval("select count(*) from work.idempotency") == 26
    assert await act(pool) == FROZEN


async def test_forgetting_is_bounded_and_takes_the_oldest_first(pool: Pool, connect: Connect, owner_dsn: str) -> None:
    for days in (50, 40, 60):
        await age(connect, owner_dsn, timedelta(days=days), 10)

    assert await forget_answers(pool, at_once=5, batches_at_most=3) == 15
    left = await pool.fetch("select extract(day from clock_timestamp() - at)::int from work.idempotency order by at")
    assert [row[0] for row in left] == [50] * 5 + [40] * 10


async def test_after_it_was_forgotten_a_key_is_new(pool: Pool, connect: Connect, owner_dsn: str) -> None:
    await act(pool)
    owner = await connect(owner_dsn)
    await owner.execute("update work.idempotency set at = at - interval '31 days'")
    still = await act(pool)  # nobody has looked yet, so the answer is still known
    await forget_answers(pool)

    await act(pool, body_hash=command_hash("other", b""))

    assert still == FROZEN
    assert await effects(pool) == 2


@pytest.mark.books_may_be_wrong("the clock is days ahead of the events")
async def test_a_clock_that_has_jumped_ahead_makes_nobody_forget(
    pool: Pool, connect: Connect, owner_dsn: str, sealer: Sealer
) -> None:
    owner = await connect(owner_dsn)
    await act(pool)
    now: datetime = await pool.fetchval("select clock_timestamp()")
    await sealer.sign(now)
    await set_clock(owner, now + timedelta(days=40))
    await sealer.sign(now + timedelta(days=40))

    assert await forget_answers(pool) == 0
    assert await act(pool) == FROZEN
    assert await effects(pool) == 1

    await set_clock(owner, now + timedelta(days=41, hours=12))
    assert await forget_answers(pool) == 1


async def test_an_answer_that_is_just_being_forgotten_is_still_the_answer(
    pool: Pool, connect: Connect, app_dsn: str, owner_dsn: str
) -> None:
    await act(pool)
    await (await connect(owner_dsn)).execute("update work.idempotency set at = at - interval '31 days'")
    forgetting = await connect(app_dsn)
    async with forgetting.transaction():
        assert await forgetting.fetchval("select work.forget_answers(10)") == 1
        during = await asyncio.wait_for(act(pool), 5)
        other = await asyncio.wait_for(act(pool, key=UUID(int=8)), 5)  # nobody is locked out of inserting
        beside = await asyncio.wait_for(forget_answers(pool), 5)

    assert (during, other, beside) == (FROZEN, FROZEN, 0)
    assert await effects(pool) == 2
    await act(pool)
    assert await effects(pool) == 3


async def test_the_application_can_forget_nothing_by_itself(pool: Pool) -> None:
    await act(pool)

    for change in (
        "delete from work.idempotency",
        "update work.idempotency set at = at - interval '31 days'",
        "truncate work.idempotency",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(change)


async def test_forgetting_reads_the_oldest_end_of_an_index(pool: Pool, connect: Connect, owner_dsn: str) -> None:
    await age(connect, owner_dsn, timedelta(days=10), 20_000)
    await (await connect(owner_dsn)).execute("vacuum analyze work.idempotency")
    async with pool.acquire() as connection:
        rows = await connection.fetch(
            "explain (costs off) select ctid from work.idempotency"
            " where at < (select work.clock()) - interval '30 days' order by at limit 1000"
        )

    plan = "\n".join(row[0] for row in rows)
    assert "Index Scan using idempotency_at" in plan
    assert "Sort" not in plan


async def test_a_claim_is_one_statement_and_keeping_is_one(app_dsn: str) -> None:
    connection = await open_connection(app_dsn, name="sahut-test-counting")
    sent: list[str] = []
    try:
        await claim(connection, principal=1, key=UUID(int=1), body_hash=FREEZE)  # the driver learns the types
        await connection.execute("begin")
        connection.add_query_logger(lambda query: sent.append(query.query))
        await claim(connection, principal=1, key=KEY, body_hash=FREEZE)
        await keep_answer(connection, principal=1, key=KEY, body_hash=FREEZE, answer=FROZEN)
        await connection.execute("commit")
    finally:
        await connection.close()

    texts = {query.text: query.name for query in Queries.load("sahut.work.idempotency")}
    assert [texts[query] for query in sent if query in texts] == ["claim_key", "keep_answer"]
    assert len(sent) <= 3  # the commit may be noted down or not, since the connection is closed after it


_STEPS = st.lists(
    st.tuples(
        st.integers(1, 2),  # whose key
        st.integers(1, 3),  # which key
        st.sampled_from(["freeze", "unfreeze"]),  # what for
        st.sampled_from(["commit", "roll back", "hold", "let go"]),  # what becomes of it
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_STEPS)
async def test_any_order_of_claims_says_what_a_simple_model_says(
    pool: Pool, steps: list[tuple[int, int, str, str]]
) -> None:
    """The model: a dictionary of answers, and a set of keys that somebody holds."""
    salt = uuid4().int
    known: dict[tuple[int, int], str] = {}
    held: dict[tuple[int, int], Connection] = {}
    try:
        for number, (principal, key, action, end) in enumerate(steps):
            name, body_hash = (principal, key), command_hash(action, b"")
            if end == "let go":
                if name in held:
                    await _let_go(pool, held.pop(name))
                continue
            given = {"principal": principal, "key": UUID(int=salt ^ key), "body_hash": body_hash}
            connection = await pool.acquire()
            await connection.execute("begin")
            answer = await outcome(claim(connection, **given))
            if name in held:
                assert isinstance(answer, RequestInFlight)
            elif name in known and not known[name].startswith(f"{action} "):
                assert isinstance(answer, KeyReused)
            elif name in known:
                assert answer == KeptAnswer(200, known[name].encode())
            else:
                assert answer is None
                if end == "hold":
                    held[name] = connection
                    continue
                said = f"{action} {number}"
                await keep_answer(connection, **given, answer=KeptAnswer(200, said.encode()))
                if end == "commit":
                    known[name] = said
            await connection.execute("commit" if end == "commit" else "rollback")
            await pool.release(connection)
    finally:
        for connection in held.values():
            await _let_go(pool, connection)


async def _let_go(pool: Pool, connection: Connection) -> None:
    await connection.execute("rollback")
    await pool.release(connection)

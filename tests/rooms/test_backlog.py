"""A person who writes faster than we work, and two processes that get the same messages in opposite order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sahut.bedrock import SystemClock
from sahut.db import Pool, open_pool
from sahut.journey import Inbound, Intake, Receipt, job_kinds
from sahut.work import JobRunner, Signer
from tests.rooms.world import until

MANY = 1_200
PERSON = 77


@asynccontextmanager
async def opened(pool: Pool, signer: Signer) -> AsyncIterator[Intake]:
    intake = Intake(pool, signer, b"n" * 32, SystemClock())
    await intake.start()

    async def is_ready() -> bool:
        return intake.is_ready

    await until(is_ready)
    try:
        yield intake
    finally:
        await intake.close()


def message(key: str) -> Inbound:
    return Inbound("chat", f"{PERSON}:{key}", PERSON, "id", "halo", "halo")


async def test_no_contact_is_left_behind_a_backlog(pool: Pool, signer: Signer) -> None:
    async with opened(pool, signer) as intake:
        for part in range(2):
            await asyncio.gather(*(intake.receive(message(f"{part}-{i:04}")) for i in range(MANY // 2)))

    runner = JobRunner(pool, job_kinds(SystemClock()))
    # The newest first: its own job ends with it, so it must not end before it is in a case.
    await pool.execute("update work.job set run_at = now() - make_interval(secs => id)")
    while await runner.run_due():
        pass

    assert await pool.fetchval("select count(*) from care.message where author_id = $1", PERSON) == MANY
    assert await pool.fetchval("select count(*) from care.case where person_id = $1", PERSON) == 1


async def test_two_processes_that_get_the_same_messages_in_opposite_order_answer_all(
    pool: Pool, app_dsn: str, signer: Signer
) -> None:
    other = await open_pool(app_dsn, size=4, name="the other process")
    keys = [f"key-{i:04}" for i in range(300)]

    async with opened(pool, signer) as one, opened(other, signer) as two:
        answers = await asyncio.gather(
            *(one.receive(message(key)) for key in keys),
            *(two.receive(message(key)) for key in reversed(keys)),
            return_exceptions=True,
        )
    await other.close()

    receipts = [answer for answer in answers if isinstance(answer, Receipt)]
    assert len(receipts) == len(answers)
    assert len({receipt.number for receipt in receipts}) == len(keys)


async def test_steps_that_were_claimed_together_are_one_commit(pool: Pool, signer: Signer) -> None:
    async with opened(pool, signer) as intake:
        await asyncio.gather(*(intake.receive(message(f"shared-{i:04}")) for i in range(40)))
    runner = JobRunner(pool, job_kinds(SystemClock()))

    assert await runner.run_due() == 40

    assert await pool.fetchval("select count(distinct xmin::text) from care.message") == 1
    assert await pool.fetchval("select count(*) from care.message where author_id = $1", PERSON) == 40


async def test_a_step_that_fails_takes_none_of_the_others_with_it(pool: Pool, signer: Signer) -> None:
    async with opened(pool, signer) as intake:
        await asyncio.gather(*(intake.receive(message(f"shared-{i:04}")) for i in range(10)))
    await pool.execute("insert into work.job (kind, key, body) values ('find_case', 'find_case 0 wrong', '{}')")
    runner = JobRunner(pool, job_kinds(SystemClock()))

    assert await runner.run_due() == 11

    assert await pool.fetchval("select count(*) from care.message where author_id = $1", PERSON) == 10
    assert (await pool.fetchval("select story #>> '{0,error}' from work.job")).startswith("KeyError at flow.py:")

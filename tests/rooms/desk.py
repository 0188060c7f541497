"""A customer who writes and an agent who answers, for the tests of conversations and promises."""

from dataclasses import dataclass
from typing import Any

import msgspec

from sahut.care import (
    PROMISES,
    Message,
    case,
    messages,
    reply,
)
from sahut.channels import chat_inbound
from sahut.db import transaction
from sahut.journey import Intake, clock_handlers, job_kinds
from sahut.people import Actor
from sahut.work import DeadlineWatch, JobRunner, running_deadlines
from tests.rooms.world import World, until

NUMBER_KEY = b"n" * 32


async def ready(intake: Intake) -> Intake:
    await intake.start()

    async def has_numbers() -> bool:
        return intake.is_ready

    await until(has_numbers)
    return intake


@dataclass
class Desk:
    """The world with an intake, and the verbs that a conversation needs."""

    world: World
    intake: Intake

    async def write(self, actor: Actor | None, *texts: str) -> list[str]:
        """Send messages; their contact numbers."""
        counted = await self.world.pool.fetchval("select count(*) from care.contact")
        receipts = [
            await self.intake.receive(
                chat_inbound(actor, client_message_id=f"{'message':_<20}-{counted + i}", text=text)
            )
            for i, text in enumerate(texts)
        ]
        return [receipt.number for receipt in receipts]

    async def find_cases(self) -> None:
        runner = JobRunner(self.world.pool, job_kinds(self.world.clock))
        while await runner.run_due():
            pass
        assert await self.world.pool.fetchval("select count(*) from work.job") == 0

    async def answer(self, number: str, text: str = "kami periksa", *, seen: int, key: str = "reply-1") -> Message:
        async with transaction(self.world.pool) as connection:
            return await reply(
                connection,
                self.world.bima,
                number=number,
                client_message_id=key,
                text=text,
                seen_seq=seen,
                now=self.world.clock.now(),
            )

    async def conversation(self, number: str, after: int = 0) -> list[tuple[int, str, str]]:
        async with self.world.pool.acquire() as connection:
            found = await case(connection, number)
            assert found is not None
            said = await messages(connection, found.id, after=after)
            assert after or found.last_seq == len(said)
        return [(message.seq, message.author, message.text) for message in said]

    async def renew(self) -> int:
        """Look after the clocks once; how many broke."""
        return (await DeadlineWatch(self.world.pool, clock_handlers(), clock=self.world.clock).look()).broken

    async def promises(self) -> list[tuple[str, float]]:
        """The running ones of the first case: kind, and in how many minutes they are due."""
        async with self.world.pool.acquire() as connection:
            running = (await running_deadlines(connection, [1], kinds=PROMISES)).get(1, [])
        return [(kind, (due - self.world.clock.now()).total_seconds() / 60) for kind, due in running]

    async def told(self, kind: str) -> list[dict[str, Any]]:
        rows = await self.world.pool.fetch("select body from work.event where kind = $1 order by id", kind)
        return [msgspec.json.decode(row[0]) for row in rows]

"""Forty writers that make life hard for the sealer: late commits, rollbacks, savepoints, ids drawn in another order.

They write plainly into `work.event` as the application role and write down, outside the database, which commits were
acknowledged to them.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import asyncpg

INSERT = "insert into work.event (topic, subject, kind, body) values ('trial', $1, 'said', '{}') returning id"
ROLL_BACK, COMMIT_LATE, SAVEPOINT = 0.10, 0.003, 0.03
SHORT_WAIT_S = 0.004


@dataclass
class Writers:
    """`wanted` is how many acknowledged events are enough."""

    dsn: str
    wanted: int
    seed: int
    acknowledged: set[int] = field(default_factory=set)
    rolled_back: set[int] = field(default_factory=set)
    late: int = 0

    async def run(self, how_many: int) -> None:
        await asyncio.gather(*(self._write(number) for number in range(1, how_many + 1)))

    def _enough(self) -> bool:
        return len(self.acknowledged) >= self.wanted

    async def _write(self, number: int) -> None:
        chance = random.Random(self.seed * 1000 + number)
        connection = await asyncpg.connect(self.dsn, server_settings={"application_name": "lab-writer"})
        try:
            insert = await connection.prepare(INSERT)
            while not self._enough():
                await self._one(connection, insert.fetchval, number, chance)
        finally:
            await connection.close()

    async def _one(
        self,
        connection: "asyncpg.Connection[asyncpg.Record]",
        insert: Callable[[int], Awaitable[int]],
        number: int,
        chance: random.Random,
    ) -> None:
        await connection.execute("begin; select pg_current_xact_id()")
        await asyncio.sleep(chance.uniform(0, SHORT_WAIT_S))
        if chance.random() < SAVEPOINT:
            await connection.execute("savepoint thought")
            self.rolled_back.add(await insert(number))
            await connection.execute("rollback to thought")
        event_id = await insert(number)
        dice = chance.random()
        if dice < COMMIT_LATE:
            self.late += 1
            await asyncio.sleep(chance.uniform(1, 2))
        else:
            await asyncio.sleep(chance.uniform(0, SHORT_WAIT_S))
        if dice > 1 - ROLL_BACK:
            await connection.execute("rollback")
            self.rolled_back.add(event_id)
        else:
            await connection.execute("commit")
            self.acknowledged.add(event_id)

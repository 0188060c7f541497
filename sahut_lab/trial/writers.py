"""Forty writers that make life hard for the sealer: late commits, rollbacks, savepoints, ids drawn in another order.

They write plainly into `work.event` as the application role and write down, outside the database, which commits were
acknowledged to them.

The shapes are chosen for the one moment in which a sealer may err: a transaction that has its id early, lingers over a
tick and is by then the oldest one that runs, while a transaction that began before it draws a higher id and commits at
once. So most are hasty (they hold their transaction id for some milliseconds and commit as soon as they have inserted),
a few linger. Commits that are seconds late would hide this error, since nothing is dead while they run; they come only
in the first part.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import asyncpg

INSERT = "insert into work.event (topic, subject, kind, body) values ('trial', $1, 'said', '{}') returning id"
LINGERING, EVEN = 0.01, 0.35  # the rest are hasty
ROLL_BACK, SAVEPOINT, COMMIT_LATE, LATE_PART = 0.10, 0.03, 0.003, 0.2


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

    async def _write(self, number: int) -> None:
        chance = random.Random(self.seed * 1000 + number)
        connection = await asyncpg.connect(self.dsn, server_settings={"application_name": "lab-writer"})
        try:
            insert = await connection.prepare(INSERT)
            while len(self.acknowledged) < self.wanted:
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
        before_s, after_s = self._shape(chance)
        await connection.execute("begin; select pg_current_xact_id()")
        await asyncio.sleep(before_s)
        if chance.random() < SAVEPOINT:
            await connection.execute("savepoint thought")
            self.rolled_back.add(await insert(number))
            await connection.execute("rollback to thought")
        event_id = await insert(number)
        if after_s:
            await asyncio.sleep(after_s)
        if chance.random() < ROLL_BACK:
            await connection.execute("rollback")
            self.rolled_back.add(event_id)
        else:
            await connection.execute("commit")
            self.acknowledged.add(event_id)

    def _shape(self, chance: random.Random) -> tuple[float, float]:
        """Seconds between the transaction's id and its insert, and between that and its end."""
        if chance.random() < COMMIT_LATE and len(self.acknowledged) < LATE_PART * self.wanted:
            self.late += 1
            return 0.0, chance.uniform(1, 2)
        dice = chance.random()
        if dice < LINGERING:
            return 0.0, chance.uniform(0.025, 0.045)
        if dice < LINGERING + EVEN:
            return chance.uniform(0, 0.004), chance.uniform(0.003, 0.004)
        return chance.uniform(0.004, 0.008), 0.0

"""`python -m sahut_lab.trial.jobs_process HOME NAME SEED`: the product's runner alone in a process, to be killed.

Its steps write one row each into a table of the trial, and misbehave now and then: they wait, fail, or block the loop
for longer than their lease.
"""

import asyncio
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from sahut.app.engines import app_dsn
from sahut.db import Connection, open_pool
from sahut.work import Job, JobKind, JobRunner, Retry, RetryAfter, connections_for

LEASE_S = 0.4
RETRY = Retry(first_s=0.05, most_s=0.2, most_attempts=1_000)
WRITE = "insert into lab.effect (job, attempt) select * from unnest($1::text[], $2::int[])"


async def main(home: Path, name: str, seed: int) -> None:
    """Run jobs until killed."""
    chance = random.Random(f"{seed} {name}")

    async def one(connection: Connection, job: Job) -> None:
        await connection.execute(WRITE, [job.key], [job.attempts])
        await misbehave()

    async def many(connection: Connection, jobs: Sequence[Job]) -> None:
        await connection.execute(WRITE, [job.key for job in jobs], [job.attempts for job in jobs])
        await misbehave()

    async def misbehave() -> None:
        drawn = chance.random()
        if drawn < 0.02:
            raise LookupError
        if drawn < 0.04:
            raise RetryAfter(0.05)
        if drawn < 0.05:
            time.sleep(2 * LEASE_S)  # noqa: ASYNC251 (a step that blocks the loop, so that no lease is renewed)
        elif drawn < 0.20:
            await asyncio.sleep(chance.random() * LEASE_S)

    kinds = [
        JobKind("lab_single", one, lease_s=LEASE_S, retry=RETRY),
        JobKind("lab_batched", handle_many=many, together=20, at_once=2, lease_s=LEASE_S, retry=RETRY),
    ]
    pool = await open_pool(app_dsn(home), size=connections_for(kinds), name=name)
    await JobRunner(pool, kinds, name=name).run()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))

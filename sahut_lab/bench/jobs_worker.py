"""`python -m sahut_lab.bench.jobs_worker HOME single|batched ROUND START_AT`: one worker process with the real runner.

It begins at `START_AT` (seconds since 1970) and ends when no job of its kind is left, its own or another's.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import uvloop

from sahut.app.engines import app_dsn
from sahut.db import Connection, open_pool
from sahut.work import EventRow, Job, JobKind, JobRunner, append_event, append_events, connections_for

LOOK_EVERY_S = 0.02


async def main(home: Path, kind: str, round_: str, start_at: float) -> None:
    done = 0

    async def one(connection: Connection, job: Job) -> None:
        nonlocal done
        done += 1
        await append_event(connection, EventRow("lab", job.body["n"], round_, {"key": job.key}))

    async def many(connection: Connection, jobs: Sequence[Job]) -> None:
        nonlocal done
        done += len(jobs)
        await append_events(connection, [EventRow("lab", job.body["n"], round_, {"key": job.key}) for job in jobs])

    kinds = {
        "single": JobKind("lab_single", one, at_once=8),  # as many as the reference has clients
        "batched": JobKind("lab_batched", handle_many=many, together=500, at_once=2),
    }
    chosen = kinds[kind]
    pool = await open_pool(app_dsn(home), size=connections_for([chosen]) + 1, name="lab-jobs-worker")
    runner = JobRunner(pool, [chosen], name="lab")
    await pool.fetchval("select 1")
    await asyncio.sleep(max(0.0, start_at - time.time()))
    used = time.process_time()
    running = asyncio.create_task(runner.run())
    left = "select exists (select from work.job where kind = $1 and buried_at is null)"
    while await pool.fetchval(left, chosen.name) and not running.done():
        await asyncio.sleep(LOOK_EVERY_S)
    ended_at, used = time.time(), time.process_time() - used
    runner.stop()
    await running
    await pool.close()
    print(json.dumps({"done": done, "ended_at": ended_at, "cpu_s": used}))


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4])))

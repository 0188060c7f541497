"""The trial of the fence: processes that run jobs are killed and stopped, and jobs are withdrawn, while they run.

A process that was stopped for longer than its lease wakes in the middle of a step that another has done meanwhile; a
withdrawn or buried job may be in its last statement. Judged is what stands in a table of the trial's own: one effect
for each job that was left alone, none for one that was withdrawn or buried in time, and nothing left in line.
"""

import asyncio
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import asyncpg

from sahut.app.child import Child
from sahut.app.engines import app_dsn, superuser_dsn
from sahut.db import Pool, open_pool, transaction
from sahut.work import JobRow, bury, enqueue_all, withdraw
from sahut_lab.house import TREE, bare_database
from sahut_lab.trial.verdict import Verdict

JOBS, PROCESSES = 4_000, 3
STRIKE_EVERY_S, STOPPED_S = 0.5, 0.9
DONE_WITHIN_S = 60.0
TABLE = """
    create schema lab;
    grant usage on schema lab to public;
    create table lab.effect (job text not null, attempt int not null);
    grant select, insert on lab.effect to public"""


class Workers:
    """The processes that run jobs."""

    def __init__(self, home: Path, seed: int) -> None:
        self._home, self._seed = home, seed
        self._log = (home / "workers.log").open("ab")
        self._running: list[Child] = []
        self._started = 0

    def add(self) -> None:
        self._started += 1
        module = "sahut_lab.trial.jobs_process"
        child = Child.start(
            "worker",
            [sys.executable, "-m", module, self._home, f"lab-worker-{self._started}", str(self._seed)],
            death_signal=signal.SIGKILL,
            environment={"PATH": os.environ["PATH"], "PYTHONPATH": str(TREE)},
            output=self._log.fileno(),
        )
        self._running.append(child)

    async def kill_one(self, chance: random.Random) -> None:
        child = self._running.pop(chance.randrange(len(self._running)))
        child.send(signal.SIGKILL)
        await child.wait()
        self.add()

    async def stop_one(self, chance: random.Random) -> None:
        """For longer than its lease: it wakes and still believes to hold its jobs."""
        child = chance.choice(self._running)
        child.send(signal.SIGSTOP)
        await asyncio.sleep(STOPPED_S)
        child.send(signal.SIGCONT)

    def last_words(self) -> str:
        return (self._home / "workers.log").read_text(errors="replace")[-1500:]

    async def end(self) -> None:
        for child in self._running:
            child.send(signal.SIGKILL)
            await child.wait()
        self._log.close()


async def trial(*, seed: int, jobs: int) -> dict[str, Any]:
    verdict = Verdict("jobs", seed)
    chance = random.Random(seed)
    async with bare_database("trial-jobs") as home:
        await _make_table(home)
        pool = await open_pool(app_dsn(home), size=4, name="lab-jobs")
        workers = Workers(home, seed)
        try:
            keys = await _put_in_line(pool, jobs)
            for _ in range(PROCESSES):
                workers.add()
            taken = await _hurt(pool, workers, chance, verdict)
            verdict.must(await _all_done(pool), f"jobs are still in line: {workers.last_words()}")
            await _judge(pool, keys, taken, verdict)
        finally:
            await workers.end()
            await asyncio.wait_for(pool.close(), 10)
    return verdict.as_dict()


async def _make_table(home: Path) -> None:
    connection = await asyncpg.connect(superuser_dsn(home, "sahut"))
    try:
        await connection.execute(TABLE)
    finally:
        await connection.close()


async def _put_in_line(pool: Pool, jobs: int) -> list[str]:
    rows = [
        JobRow("lab_single" if number % 4 == 0 else "lab_batched", f"lab {number:06}", {}) for number in range(jobs)
    ]
    async with transaction(pool) as connection:
        await enqueue_all(connection, rows)
    return [row.key for row in rows]


async def _hurt(pool: Pool, workers: Workers, chance: random.Random, verdict: Verdict) -> dict[str, set[str]]:
    """Strike until all is done or time is up. Returns withdrawn and buried keys, for which the answer was yes."""
    taken: dict[str, set[str]] = {"withdrawn": set(), "buried": set()}
    until, struck = time.monotonic() + DONE_WITHIN_S, {"kills": 0, "stops": 0}
    while time.monotonic() < until and await _in_line(pool):
        if chance.random() < 0.4:
            await workers.kill_one(chance)
            struck["kills"] += 1
        else:
            stopping = asyncio.create_task(workers.stop_one(chance))
            await _take_out(pool, chance, taken)
            await stopping
            struck["stops"] += 1
        await asyncio.sleep(STRIKE_EVERY_S * chance.random())
    verdict.count(**struck)
    return taken


async def _take_out(pool: Pool, chance: random.Random, taken: dict[str, set[str]]) -> None:
    """Withdraw and bury jobs that are running just now, as the table says."""
    held = await pool.fetch("select key from work.job where held_by is not null and buried_at is null order by key")
    for row in chance.sample(held, min(len(held), 10)):
        key, kind = row["key"], chance.choice(("withdrawn", "buried"))
        async with transaction(pool) as connection:
            if kind == "withdrawn":
                done = await withdraw(connection, key)
            else:
                done = await bury(connection, key, by="the trial", reason="to see that it stays undone")
        if done:
            taken[kind].add(key)


async def _in_line(pool: Pool) -> int:
    count: int = await pool.fetchval("select count(*) from work.job where buried_at is null")
    return count


async def _all_done(pool: Pool) -> bool:
    until = time.monotonic() + DONE_WITHIN_S
    while await _in_line(pool):
        if time.monotonic() > until:
            return False
        await asyncio.sleep(0.1)
    return True


async def _judge(pool: Pool, keys: list[str], taken: dict[str, set[str]], verdict: Verdict) -> None:
    rows = await pool.fetch("select job, count(*) as times from lab.effect group by job")
    times = {row["job"]: row["times"] for row in rows}
    kept = {row["key"] for row in await pool.fetch("select key from work.job where buried_at is not null")}
    out = taken["withdrawn"] | taken["buried"]
    verdict.count(jobs=len(keys), effects=sum(times.values()), withdrawn=len(taken["withdrawn"]), buried=len(kept))
    verdict.must_be_zero(
        done_twice=sum(count > 1 for count in times.values()),
        never_done=len([key for key in keys if key not in times and key not in out]),
        withdrawn_and_done=len(taken["withdrawn"] & times.keys()),
        buried_and_done=len(taken["buried"] & times.keys()),
        buried_and_gone=len(taken["buried"] - kept),
    )
    verdict.must(bool(out), "no job was taken out of line while it ran, so this shows less than it should")

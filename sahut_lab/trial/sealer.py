"""The race trial: forty writers against the sealer, while sealers are killed and one is made to hang.

It is the only check that finds a sealer which takes a late event for a dead one: such a log verifies, it only lacks
rows. Runs of a few seconds have passed while events were lost, so a run that counts has 50,000 events and more.
"""

import asyncio
import os
import random
import signal
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import asyncpg

from sahut.app.child import Child
from sahut.app.engines import app_dsn, superuser_dsn
from sahut.db import POOL_WAIT_S, open_pool
from sahut.work import LogEntry, listen, read_log
from sahut_lab.house import TREE, bare_database
from sahut_lab.trial import merkle
from sahut_lab.trial.verdict import Verdict
from sahut_lab.trial.writers import Writers

EVENTS, WRITERS, SEALERS = 50_000, 40, 3
HANG_S = 3.0
FAILOVER_WITHIN_S = 10.0
DRAIN_WITHIN_S = 20.0
NAME = "lab-sealer"
HOLDER = f"""
    select a.application_name from pg_locks l join pg_stat_activity a using (pid)
     where l.locktype = 'advisory' and l.granted and a.application_name like '{NAME}-%'"""


class Follower:
    """Reads the log as the product does: the ring says when to look, the cursor says where."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._ring = asyncio.Event()
        self.entries: list[LogEntry] = []
        self.silence_s, self._heard = 0.0, time.monotonic()

    async def follow(self) -> None:
        pool = await open_pool(self._dsn, size=1, name="lab-follower")
        bell = asyncio.create_task(listen(self._dsn, lambda _: self._ring.set(), name="lab-bell"))
        try:
            while True:
                await self._ring.wait()
                self._ring.clear()
                await self._catch_up(pool)
        finally:
            bell.cancel()
            pool.terminate()

    async def _catch_up(self, pool: Any) -> None:
        async with pool.acquire(timeout=POOL_WAIT_S) as connection:
            while fresh := await read_log(connection, self.entries[-1].n if self.entries else 0, 2000):
                self.entries += fresh
                now = time.monotonic()
                self.silence_s, self._heard = max(self.silence_s, now - self._heard), now

    def forget_silence(self) -> None:
        self.silence_s, self._heard = 0.0, time.monotonic()


class Sealers:
    """The processes that seal or stand by."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._log = (home / "sealers.log").open("ab")
        self._running: dict[int, Child] = {}

    def add(self) -> None:
        child = Child.start(
            "sealer",
            [sys.executable, "-m", "sahut_lab.trial.sealer_process", self._home, NAME],
            death_signal=signal.SIGKILL,
            environment={"PATH": os.environ["PATH"], "PYTHONPATH": str(TREE)},
            output=self._log.fileno(),
        )
        self._running[child.pid] = child

    async def holder(self) -> Child:
        """The one that seals now, as the database sees it."""
        connection = await asyncpg.connect(superuser_dsn(self._home, "sahut"))
        try:
            async with asyncio.timeout(FAILOVER_WITHIN_S):
                while True:
                    # A killed one holds the lock until the server notices.
                    name = await connection.fetchval(HOLDER) or "-0"
                    if child := self._running.get(int(name.rsplit("-", 1)[1])):
                        return child
                    await asyncio.sleep(0.02)
        finally:
            await connection.close()

    async def kill_holder(self) -> None:
        child = await self.holder()
        child.send(signal.SIGKILL)
        del self._running[child.pid]
        await child.wait()
        self.add()

    async def hang_holder(self) -> None:
        """Stopped, not dead: its connection stays open, so only the server can take the lock from it."""
        child = await self.holder()
        child.send(signal.SIGSTOP)
        await asyncio.sleep(HANG_S)
        child.send(signal.SIGCONT)  # it wakes and still believes to be the sealer

    def last_words(self) -> str:
        return (self._home / "sealers.log").read_text(errors="replace")[-1500:]

    async def end(self) -> None:
        for child in self._running.values():
            await child.end(signal.SIGKILL, grace_s=5)
        self._log.close()


async def trial(*, seed: int, events: int = EVENTS) -> dict[str, Any]:
    """Run it once. `events`: how many commits must be acknowledged before the writers stop."""
    verdict, began = Verdict("sealer", seed), time.monotonic()
    async with bare_database("sealer-trial") as home:
        sealers, follower = Sealers(home), Follower(app_dsn(home))
        writers = Writers(app_dsn(home), events, seed)
        for _ in range(SEALERS):
            sealers.add()
        following = asyncio.create_task(follower.follow())
        writing = asyncio.create_task(writers.run(WRITERS))
        try:
            await _disturb(sealers, follower, writers, writing, verdict, random.Random(seed))
            await writing
            wrote_s = time.monotonic() - began
            await _drain(home, follower, verdict)
        finally:
            following.cancel()
            writing.cancel()
            await asyncio.gather(following, writing, return_exceptions=True)
            await sealers.end()
        verdict.count(sealers_said=sealers.last_words())
        await _judge(home, follower, writers, verdict)
    verdict.count(wrote_s=round(wrote_s, 1), seconds=round(time.monotonic() - began, 1))
    return verdict.as_dict()


async def _disturb(
    sealers: Sealers,
    follower: Follower,
    writers: Writers,
    writing: "asyncio.Task[None]",
    verdict: Verdict,
    chance: random.Random,
) -> None:
    """While the writers write: kill, hang, kill again and again; how long the reader heard nothing each time."""
    kills, hangs, killed_s, hung_s = 0, 0, 0.0, 0.0
    await sealers.holder()
    while not writing.done() and len(writers.acknowledged) < 0.9 * writers.wanted:
        await asyncio.sleep(chance.uniform(0.5, 1.5))
        follower.forget_silence()
        if kills == 1 and hangs == 0:
            hangs += 1
            await sealers.hang_holder()
            hung_s = max(hung_s, follower.silence_s)
        else:
            kills += 1
            await sealers.kill_holder()
            await sealers.holder()
            await asyncio.sleep(0.5)
            killed_s = max(killed_s, follower.silence_s)
    verdict.count(kills=kills, hangs=hangs)
    verdict.count(longest_silence_after_kill_s=round(killed_s, 2), longest_silence_after_hang_s=round(hung_s, 2))
    verdict.must(kills > 0 and hangs > 0, "the run was too short to kill a sealer and to let one hang")
    verdict.must(max(killed_s, hung_s) <= FAILOVER_WITHIN_S, f"the log stood still for more than {FAILOVER_WITHIN_S} s")


async def _drain(home: Path, follower: Follower, verdict: Verdict) -> None:
    """Wait until every committed event has been read, at most 20 s; what is missing then is missed."""
    connection = await asyncpg.connect(app_dsn(home))
    try:
        committed = await connection.fetchval("select count(*) from work.event")
    finally:
        await connection.close()
    end = time.monotonic() + DRAIN_WITHIN_S
    read = 0
    while read < committed and time.monotonic() < end:
        await asyncio.sleep(0.2)
        read, before = len(follower.entries), read
        if read == before and read:  # nothing moves any more: give a sealer one failover, not the whole drain
            end = min(end, time.monotonic() + 3)
    verdict.count(drained=read >= committed)


async def _judge(home: Path, follower: Follower, writers: Writers, verdict: Verdict) -> None:
    connection = await asyncpg.connect(app_dsn(home))
    try:
        committed = {row[0] for row in await connection.fetch("select id from work.event")}
        sealed = await connection.fetch(merkle.EVENTS_IN_ORDER)
        head = await connection.fetchrow("select n, root from work.head")
        alarms = await connection.fetchval("select count(*) from work.event where topic = 'alarm'")
    finally:
        await connection.close()
    assert head is not None
    read = [entry.id for entry in follower.entries]
    numbers = [entry.n for entry in follower.entries]
    leaves = [merkle.leaf_hash(merkle.event_text(*row[1:]).encode()) for row in sealed]
    late = sum(1 for one, next_one in pairwise(read) if next_one < one)
    verdict.count(committed=len(committed), rolled_back=len(writers.rolled_back), committed_late=writers.late)
    verdict.count(numbered_after_a_later_id=late)
    verdict.must_be_zero(
        acknowledged_and_lost=len(writers.acknowledged - committed),
        rolled_back_and_there=len(writers.rolled_back & committed),
        missed=len(committed - set(read)),
        unsealed=len(committed) - len(sealed),
        doubled=len(read) - len(set(read)),
        holes_in_n=len(numbers) - sum(n == i for i, n in enumerate(numbers, 1)),
        alarms=alarms,
    )
    recomputed = (len(leaves), merkle.tree_hash(leaves)) == (head["n"], bytes(head["root"]))
    verdict.count(head_recomputes=recomputed)
    verdict.must(recomputed, "the head does not recompute from the events in the order of their numbers")
    verdict.must(late > 0, "no event was committed late, so this run has proved nothing")

"""`bench seal`: from insertion to reader, how fast a backlog goes, who takes over and when, and ticks with many gaps.

Twelve months of partitions are there, as after a year. The reader reads as the product does: the ring says when, the
cursor says where.
"""

import asyncio
import os
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg

from sahut.app.child import Child
from sahut.app.engines import app_dsn, owner_dsn, superuser_dsn
from sahut.db import open_connection, open_pool
from sahut.work import LogEntry, Sealer, Signer, listen, read_head, read_log
from sahut_lab.bench.child import said_by
from sahut_lab.bench.pgbench import DATABASE, checkpoint, pgbench
from sahut_lab.bench.report import Figure, figure, percentiles, report
from sahut_lab.bench.seal_process import INSERT
from sahut_lab.bench.seal_wire import Wire
from sahut_lab.house import TREE, bare_database

SECONDS, ROUNDS = 5, 3
RATES = (5_000, 20_000)
BACKLOG, GAPS, TICKS = 200_000, 100_000, 200
QUICK_BACKLOG, QUICK_GAPS, QUICK_TICKS = 5_000, 2_000, 10
QUIET_S = 15.0  # the longest that a failover may take before the bench gives up
MONTHS = """
    select work.make_log_partition(parent, date_trunc('month', now(), 'UTC') - make_interval(months => back))
      from generate_series(1, 9) as back cross join unnest(array['event', 'seal']) as parent"""
PLAIN = """
    drop table if exists plain_event;
    create table plain_event (id bigint generated always as identity primary key, at timestamptz not null default now(),
                              topic text not null, subject bigint not null, kind text not null, body jsonb not null)"""
HOLES = INSERT.replace("(topic", "(id, topic").replace(
    "select 'bench'", "select nextval('work.event_id') + 0 * nextval('work.event_id'), 'bench'"
)


async def bench(*, quick: bool, size: int | None) -> dict[str, Any]:
    length = 1 if quick else size or SECONDS
    async with bare_database("bench-seal") as home:
        await _make_months(home)
        reference = await _plain_inserts(home, length)
        figures = await _backlog(home, QUICK_BACKLOG if quick else BACKLOG, reference)
        sealers = Sealers(home)
        try:
            sealers.add()
            for rate in RATES:
                figures += await _lag(home, rate // 10 if quick else rate, length)
            figures += await _failover(home, sealers, 1 if quick else ROUNDS)
        finally:
            await sealers.end()
        figures += await _gaps(home, *((QUICK_GAPS, QUICK_TICKS) if quick else (GAPS, TICKS)))
    return report("seal", figures, seconds_each=length, backlog=BACKLOG, gaps=GAPS, months=13, rates=RATES)


async def _make_months(home: Path) -> None:
    connection = await asyncpg.connect(owner_dsn(home))
    await connection.execute(MONTHS)
    await connection.execute("analyze")
    await connection.close()


async def _plain_inserts(home: Path, seconds: float) -> list[float]:
    """Events a second into a plain table, one a commit, by 16 clients: what the database does without any of ours."""
    connection = await asyncpg.connect(superuser_dsn(home, DATABASE))
    await connection.execute(PLAIN)
    await connection.close()
    await checkpoint(home)
    return [await pgbench(home, "plain_events.sql", clients=16, seconds=seconds)]


async def _backlog(home: Path, count: int, reference: list[float]) -> list[Figure]:
    """How many a second one sealer numbers when so many wait for it."""
    writer = await asyncpg.connect(app_dsn(home))
    for _ in range(10):
        await writer.execute(INSERT, count // 10)
    await writer.close()
    await checkpoint(home)
    connection = await open_connection(app_dsn(home), name="lab-sealer-here")
    sealer, took_ms, sealed = Sealer(connection, Signer.from_seed(b"b" * 32), None), list[float](), 0
    await sealer.wait_for_turn()
    began = time.perf_counter()
    while True:
        tick_began = time.perf_counter()
        if not (numbered := await sealer.tick()):
            break
        sealed += numbered
        took_ms.append((time.perf_counter() - tick_began) * 1000)
    rate = sealed / (time.perf_counter() - began)
    connection.terminate()
    return [
        figure("events sealed a second, flat out", [rate], "1/s", "plain inserts by pgbench", reference),
        figure("a tick of 5,000 events", [median(took_ms)], "ms"),
    ]


class Follower:
    """Reads the log and notes for each event how old it was, and when it came."""

    def __init__(self, dsn: str) -> None:
        self._dsn, self._rung = dsn, asyncio.Event()
        self.n, self.waits_ms, self.newest_at = 0, list[float](), datetime.min.replace(tzinfo=UTC)

    async def follow(self) -> None:
        pool = await open_pool(self._dsn, size=1, name="lab-follower")
        bell = asyncio.create_task(listen(self._dsn, lambda _: self._rung.set(), name="lab-bell"))
        try:
            async with pool.acquire() as connection:
                self.n = (await read_head(connection)).n
                while True:
                    await self._rung.wait()
                    self._rung.clear()
                    while entries := await read_log(connection, self.n, 2000):
                        self._note(entries)
        finally:
            bell.cancel()
            pool.terminate()

    def _note(self, entries: list[LogEntry]) -> None:
        now = datetime.now(UTC)
        self.n = entries[-1].n
        self.waits_ms += [(now - entry.at).total_seconds() * 1000 for entry in entries]
        self.newest_at = max(self.newest_at, entries[-1].at)

    async def has_read(self, at: datetime) -> None:
        """Return once an event that was inserted after this moment has been read."""
        async with asyncio.timeout(QUIET_S):
            while self.newest_at <= at:
                await asyncio.sleep(0.002)


class Sealers:
    """Sealer processes of this bench, in the order in which they were started."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.running: list[Child] = []

    def add(self, dsn: str | None = None) -> Child:
        name = f"lab-sealer-{len(self.running)}-{time.monotonic_ns()}"
        child = Child.start(
            name,
            [sys.executable, "-m", "sahut_lab.bench.seal_process", "seal", dsn or app_dsn(self._home), name],
            death_signal=signal.SIGKILL,
            environment={"PATH": os.environ["PATH"], "PYTHONPATH": str(TREE)},
            output=asyncio.subprocess.DEVNULL,
        )
        self.running.append(child)
        return child

    async def holder(self) -> Child:
        """The one that seals now, as the database sees it."""
        connection = await asyncpg.connect(superuser_dsn(self._home, "sahut"))
        try:
            async with asyncio.timeout(QUIET_S):
                while True:
                    name = await connection.fetchval(
                        "select a.application_name from pg_locks l join pg_stat_activity a using (pid)"
                        " where l.locktype = 'advisory' and l.granted and a.application_name like 'lab-sealer-%'"
                    )
                    if found := [child for child in self.running if child.name == name]:
                        return found[0]
                    await asyncio.sleep(0.02)
        finally:
            await connection.close()

    async def kill(self, child: Child) -> None:
        child.send(signal.SIGKILL)
        await child.wait()
        self.running.remove(child)

    async def end(self) -> None:
        for child in self.running:
            child.send(signal.SIGCONT)
            await child.end(signal.SIGKILL, grace_s=5)


async def _lag(home: Path, rate: int, seconds: float) -> list[Figure]:
    """From the insertion of an event to its reader, while so many come each second."""
    follower = Follower(app_dsn(home))
    following = asyncio.create_task(follower.follow())
    await asyncio.sleep(0.5)
    try:
        said = await said_by("sahut_lab.bench.seal_process", "write", app_dsn(home), rate, seconds)
        await asyncio.sleep(0.3)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    waits = percentiles(follower.waits_ms)
    at = f"at {rate:,} events a second"
    return [
        figure(f"written a second, {at}", [said["written"] / said["seconds"]], "1/s", "asked for", [float(rate)]),
        figure(f"from insertion to reader, p50, {at}", [waits["p50_ms"]], "ms"),
        figure(f"from insertion to reader, p99, {at}", [waits["p99_ms"]], "ms"),
        figure(f"written and not read, {at}", [float(said["written"] - len(follower.waits_ms))], "events"),
    ]


async def _failover(home: Path, sealers: Sealers, rounds: int) -> list[Figure]:
    """How long the log stands still when its sealer is killed, stopped, or cut off, another standing by."""
    killed, hung, cut = list[float](), list[float](), list[float]()
    follower = Follower(app_dsn(home))
    following = asyncio.create_task(follower.follow())
    seconds = rounds * 3 * 12
    writing = asyncio.create_task(said_by("sahut_lab.bench.seal_process", "write", app_dsn(home), 100, seconds))
    with tempfile.TemporaryDirectory(prefix="sahut-w-") as folder:
        try:
            for number in range(rounds):
                killed.append(await _silence(sealers, follower, None, signal.SIGKILL))
                hung.append(await _silence(sealers, follower, None, signal.SIGSTOP))
                wire = Wire(_folder(Path(folder), number), app_dsn(home))
                await wire.start()
                cut.append(await _silence(sealers, follower, wire, None))
                wire.stop()
        finally:
            for task in (following, writing):
                task.cancel()
            await asyncio.gather(following, writing, return_exceptions=True)
    limit = [2.0]
    return [
        figure("the log stands still after kill -9 of its sealer", killed, "s", "the most allowed", limit),
        figure("the log stands still after its sealer hangs", hung, "s", "the most allowed", limit),
        figure("the log stands still after its sealer's network is lost", cut, "s", "the most allowed", limit),
    ]


def _folder(place: Path, number: int) -> Path:
    folder = place / str(number)
    folder.mkdir()
    return folder


async def _silence(sealers: Sealers, follower: Follower, wire: Wire | None, order: signal.Signals | None) -> float:
    """Strike the one that seals; seconds until an event that was inserted afterwards has been read."""
    if wire is not None:  # the one at the wire must be the one that seals
        at_the_wire = sealers.add(wire.dsn)
        await asyncio.sleep(1.5)
        for child in list(sealers.running):
            if child is not at_the_wire:
                await sealers.kill(child)
    struck = await sealers.holder()
    sealers.add()
    await asyncio.sleep(1.5)  # the other one stands by
    struck_at, began = datetime.now(UTC), time.perf_counter()
    if wire is not None:
        wire.swallows = True
    elif order is not None:
        struck.send(order)
    await follower.has_read(struck_at)
    took_s = time.perf_counter() - began
    await sealers.kill(struck)
    return took_s


async def _gaps(home: Path, gaps: int, ticks: int) -> list[Figure]:
    """Ticks of a hundred events, without gaps and with very many that a long transaction keeps alive."""
    connection = await open_connection(app_dsn(home), name="lab-sealer-here")
    sealer = Sealer(connection, Signer.from_seed(b"b" * 32), None)
    await sealer.wait_for_turn()
    writer, long_one = await asyncpg.connect(app_dsn(home)), await asyncpg.connect(app_dsn(home))
    without = await _ticks(sealer, writer, ticks)
    await long_one.execute(
        "begin; insert into work.event (topic, subject, kind, body) values ('bench', 1, 'late', '{}')"
    )
    await writer.execute(HOLES, gaps)
    while await sealer.tick():
        pass
    held: int = await writer.fetchval("select count(*) from work.gap")
    beside = await _ticks(sealer, writer, ticks)
    await long_one.execute("commit")
    for one in (connection, writer, long_one):
        one.terminate()
    plain, many = percentiles(without), percentiles(beside)
    return [
        figure("live gaps", [float(held)], "gaps"),
        figure("a tick with them, p50", [many["p50_ms"]], "ms", "without gaps", [plain["p50_ms"]]),
        figure("a tick with them, p99", [many["p99_ms"]], "ms", "without gaps", [plain["p99_ms"]]),
    ]


async def _ticks(sealer: Sealer, writer: "asyncpg.Connection[asyncpg.Record]", count: int) -> list[float]:
    took_ms = []
    while await sealer.tick():
        pass
    for _ in range(count):
        await writer.execute(INSERT, 100)
        began = time.perf_counter()
        await sealer.tick()
        took_ms.append((time.perf_counter() - began) * 1000)
    return took_ms

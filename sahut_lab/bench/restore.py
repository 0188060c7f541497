"""`bench restore`: what the archive costs while all is well, and what a lost machine costs: loss, and time to be back.

Loss: writers commit and note when each was acknowledged; then the receiver and the database are killed at one moment,
the backups are restored, and what is missing is counted. Copying the files of the database is the reference for time.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from sahut.app.backups import Restored, Store, read_state, restore, take_base
from sahut.app.backups.archive import Archive
from sahut.app.backups.restore import discard
from sahut.app.engines import Engine, app_dsn, owner_dsn, superuser_dsn
from sahut.app.logs import write_logs
from sahut.app.settings import Settings, read_settings
from sahut.app.wiring import signer_of
from sahut.db import AWAY, migrate
from sahut_lab.bench.child import said_by
from sahut_lab.bench.ledger import POSTER, _fund
from sahut_lab.bench.pgbench import checkpoint
from sahut_lab.bench.report import Figure, figure, report
from sahut_lab.house import kill, temporary_home

INSERT = "insert into work.event (topic, subject, kind, body) values ('lab', $1, 'said', '{}')"
WRITERS, WRITE_S = 16, 2.0
ROUNDS, SECONDS, CALLERS, KILLS = 3, 2, 256, 5
MEGABYTES, QUICK_MEGABYTES = 512, 16
WITHIN_S = 120.0


async def bench(*, quick: bool, size: int | None) -> dict[str, Any]:
    """`size`: how many megabytes are put into the database to measure times for each GB."""
    write_logs("error", "lab")
    rounds, megabytes = (1, QUICK_MEGABYTES) if quick else (ROUNDS, size or MEGABYTES)
    with temporary_home("bench-restore") as above:
        above.chmod(0o711)
        settings = read_settings({"SAHUT_HOME": str(above / "home"), "SAHUT_BACKUP": str(above / "backup")})
        engine = await _made(settings)
        try:
            figures = await _cost(settings, rounds, 1 if quick else SECONDS)
            figures += await _loss(settings, engine, 1 if quick else KILLS)
            figures += await _for_each_gb(settings, megabytes)
        finally:
            await engine.stop()
    return report("restore", figures, rounds=rounds, megabytes=megabytes, writers=WRITERS, callers=CALLERS)


async def _made(settings: Settings) -> Engine:
    engine = Engine(settings.home)
    await engine.start()
    await migrate(owner_dsn(settings.home))
    for name in ("heads", "log", "run"):
        (settings.home / name).mkdir(exist_ok=True)
    signer_of(settings)
    await _fund(settings.home)
    return engine


@asynccontextmanager
async def _archived(settings: Settings) -> AsyncIterator[None]:
    """With the archive, which has its base backup and has caught up."""
    ending = asyncio.Event()
    running = asyncio.create_task(Archive(settings).run(ending))
    try:
        await _until(lambda: _has_caught_up(settings))
        yield
    finally:
        ending.set()
        await asyncio.gather(running, return_exceptions=True)


def _has_caught_up(settings: Settings) -> bool:
    assert settings.backup is not None
    state = read_state(settings.home)
    bases = Store(settings.backup.place).read_bases()
    return state is not None and state.receiving and state.lag_bytes == 0 and bool(bases)


async def _until(reached: Any) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not reached():
            await asyncio.sleep(0.05)


async def _cost(settings: Settings, rounds: int, length: int) -> list[Figure]:
    """Transfers a second with the archive and without it, in turn; and how far the archive was behind meanwhile."""
    beside, ours, lag = [], [], []
    for _ in range(rounds):
        await checkpoint(settings.home)
        beside.append((await said_by(POSTER, settings.home, CALLERS, 0, 1, length))["per_s"])
        async with _archived(settings):
            await checkpoint(settings.home)
            posting = asyncio.create_task(said_by(POSTER, settings.home, CALLERS, 0, 1, length))
            while not posting.done():
                await asyncio.sleep(0.25)
                state = read_state(settings.home)
                lag.append(state.lag_s * 1e3 if state else 0.0)
            ours.append((await posting)["per_s"])
    return [
        figure(f"transfers with riders, {CALLERS} callers, archived", ours, "per s", "without the archive", beside),
        figure("archive behind while posting, highest", [max(lag)], "ms"),
    ]


async def _loss(settings: Settings, engine: Engine, rounds: int) -> list[Figure]:
    """Everything killed while writers commit; the restored home against what they were told."""
    lost_ms, lost, told, took = [], [], [], []
    for number in range(rounds):
        async with _archived(settings):
            known, killed_at = await _write_and_die(settings, engine, number * 10**9)
            began = time.monotonic()
            restored = await _restored(settings)
            took.append(time.monotonic() - began)
            there = await _numbers_in(restored.home)
            discard(restored.home)
            told.append(float(len(known)))
            missing = [at for one, at in known.items() if one not in there]
            lost.append(float(len(missing)))
            lost_ms.append(max((killed_at - at for at in missing), default=0.0) * 1e3)
            await engine.wait()
            await engine.start()
    return [
        figure("acknowledged and lost at each kill", lost, "commits", "acknowledged before it", told),
        figure("oldest commit that was lost, before the kill", lost_ms, "ms"),
        figure("small home restored, audited and ready", took, "s"),
    ]


async def _write_and_die(settings: Settings, engine: Engine, first: int) -> tuple[dict[int, float], float]:
    known: dict[int, float] = {}

    async def write(number: int) -> None:
        connection = await asyncpg.connect(app_dsn(settings.home))
        with contextlib.suppress(*AWAY, asyncpg.PostgresError, asyncpg.InternalClientError):
            while True:
                number += WRITERS
                await connection.execute(INSERT, number)
                known[number] = time.monotonic()
        connection.terminate()

    writing = [asyncio.create_task(write(first + number)) for number in range(WRITERS)]
    await asyncio.sleep(WRITE_S)
    # The receiver first, so that it gains nothing from the moment between the two.
    kill(int((settings.home / "run" / "archive-receive.pid").read_text()))
    killed_at = time.monotonic()
    os.kill(engine.pid, signal.SIGKILL)
    await asyncio.gather(*writing)
    return {number: at for number, at in known.items() if at <= killed_at}, killed_at


async def _restored(settings: Settings) -> Restored:
    return await restore(settings, settings.home.with_name("new"), None, lambda _: None)


async def _numbers_in(home: Path) -> set[int]:
    engine = Engine(home)
    await engine.start()
    try:
        connection = await asyncpg.connect(app_dsn(home))
        try:
            return {row[0] for row in await connection.fetch("select subject from work.event where topic = 'lab'")}
        finally:
            await connection.close()
    finally:
        await engine.stop()


async def _for_each_gb(settings: Settings, megabytes: int) -> list[Figure]:
    """A larger database: from the log alone, as a base backup, and from it; beside a plain copy of its files."""
    async with _archived(settings):
        before = await take_base(settings, lambda _: None)
        await _fill(settings, megabytes)
        await _until(lambda: _has_caught_up(settings))
        by_log = await _restored(settings)
        discard(by_log.home)
        base = await take_base(settings, lambda _: None)
        by_base = await _restored(settings)
        discard(by_base.home)
        gigabytes = base.database_bytes / 1e9
        log_gb = max((base.end - before.end) / 1e9, 1e-9)
        copied_s = await asyncio.to_thread(_copy, settings.home)
    replayed_s = by_log.steps_s["copy_and_read_log"] + by_log.steps_s["recover"]
    back_s = by_base.steps_s["unpack_and_check_files"] + by_base.steps_s["recover"]
    name = "cp -a of the data directory, and sync"
    return [
        figure("database", [base.database_bytes / 1e6], "MB"),
        figure("base backup, compressed", [base.bytes / 1e6], "MB", "the database", [base.database_bytes / 1e6]),
        figure("base backup taken and checked", [base.took_s / gigabytes], "s per GB", name, [copied_s / gigabytes]),
        figure("unpacked, checked and recovered", [back_s / gigabytes], "s per GB", name, [copied_s / gigabytes]),
        figure("log read, checked and replayed", [replayed_s / log_gb], "s per GB"),
        figure(f"audit of {by_base.transfers} transfers, each with an event", [by_base.steps_s["audit"]], "s"),
    ]


async def _fill(settings: Settings, megabytes: int) -> None:
    """Rows of text that does not compress to nothing."""
    connection = await asyncpg.connect(superuser_dsn(settings.home, "sahut"))
    try:
        await connection.execute("create schema if not exists lab; create table if not exists lab.filler (t text)")
        for _ in range(max(1, megabytes // 16)):
            await connection.execute(
                "insert into lab.filler select (select string_agg(md5(random()::text || n || m), '')"
                " from generate_series(1, 30) m) from generate_series(1, 16000) n",
                timeout=WITHIN_S,
            )
        await connection.execute("checkpoint")
    finally:
        await connection.close()


def _copy(home: Path) -> float:
    target = home.with_name("copied")
    began = time.monotonic()
    subprocess.run(["cp", "-a", str(home / "engine"), str(target)], check=True)
    os.sync()
    took = time.monotonic() - began
    shutil.rmtree(target)
    return took

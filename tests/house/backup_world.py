"""A database that was backed up while it lived, and how its life ended: what the tests of restore begin with."""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import asyncpg

from sahut.app.backups import Store, read_state, take_base
from sahut.app.backups.archive import Archive
from sahut.app.backups.heads import newest_head_n
from sahut.app.backups.restore import discard
from sahut.app.engines import Engine, app_dsn, owner_dsn, superuser_dsn
from sahut.app.settings import Settings, read_settings
from sahut.app.wiring import signer_of
from sahut.db import AWAY, migrate
from sahut.work import run_sealer

INSERT = "insert into work.event (topic, subject, kind, body) values ('test', $1, 'said', '{}')"
WRITERS = 4
POSITION = "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"
RECEIVED = "select pg_wal_lsn_diff(restart_lsn, '0/0')::bigint from pg_replication_slots"
SILENCE: Callable[[str], None] = lambda _sentence: None  # noqa: E731


@dataclass
class World:
    """What stays when the machine is gone: the backups, and what people were told.

    ``acknowledged``: number → a position of the log at or after its commit; ``received``: up to where the server had
    been told that the archive has it.
    """

    above: Path
    acknowledged: dict[int, int] = field(default_factory=dict)
    received: int = 0
    between: datetime | None = None
    before_it: set[int] = field(default_factory=set)

    @property
    def backup(self) -> Path:
        return self.above / "backup"

    def settings(self, backup: Path | None = None, **more: str) -> Settings:
        variables = {"SAHUT_HOME": str(self.above / "home"), "SAHUT_BACKUP": str(backup or self.backup)}
        return read_settings({**variables, **more})


@contextlib.contextmanager
def temporary() -> Iterator[Path]:
    above = Path(tempfile.mkdtemp(prefix="sahut-backup-"))
    above.chmod(0o711)
    try:
        yield above
    finally:
        shutil.rmtree(above, ignore_errors=True)


async def until(reached: Callable[[], object], within_s: float = 20) -> None:
    async with asyncio.timeout(within_s):
        while not reached():
            await asyncio.sleep(0.02)


async def one(dsn: str, question: str, *arguments: object) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(question, *arguments)
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[tuple[Engine, "asyncio.Task[None]"]]:
    """A migrated database and its archive, with the first base backup taken."""
    engine = Engine(settings.home)
    await engine.start()
    await migrate(owner_dsn(settings.home))
    for directory in ("heads", "run", "log"):
        (settings.home / directory).mkdir(exist_ok=True)
    signer_of(settings)
    archiving = asyncio.create_task(Archive(settings).run(asyncio.Event()))
    try:
        await until(lambda: archiving.done() or Store(settings.backup.place).read_bases())  # type: ignore[union-attr]
        yield engine, archiving
    finally:
        archiving.cancel()
        await asyncio.gather(archiving, return_exceptions=True)
        await engine.stop()


async def write(world: World, writer: int, stopping: asyncio.Event) -> None:
    """Commit one event after the other, and write down which were acknowledged; connect again when it must be."""
    number = writer
    while not stopping.is_set():
        with contextlib.suppress(*AWAY, asyncpg.PostgresError, asyncpg.InternalClientError):
            connection = await asyncpg.connect(app_dsn(world.above / "home"))
            try:
                while not stopping.is_set():
                    number += WRITERS
                    await connection.execute(INSERT, number)
                    world.acknowledged[number] = await connection.fetchval(POSITION)
            finally:
                connection.terminate()
        await asyncio.sleep(0.02)


def pid_of(settings: Settings, name: str) -> int:
    return int((settings.home / "run" / f"{name}.pid").read_text())


async def live_and_die(world: World) -> None:
    settings = world.settings()
    stopping = asyncio.Event()
    async with running(settings) as (engine, archiving):
        sealing = asyncio.create_task(
            run_sealer(settings.app_dsn, signer_of(settings), settings.home / "heads", name="test-sealer")
        )
        writing = [asyncio.create_task(write(world, writer, stopping)) for writer in range(WRITERS)]
        await until(lambda: len(world.acknowledged) > 200)
        await until((settings.home / "run" / "archive-receive.pid").exists)  # it may just be between two lives
        os.kill(pid_of(settings, "archive-receive"), signal.SIGKILL)
        await asyncio.sleep(0.3)
        await take_base(settings, SILENCE)  # while everybody writes
        os.kill(engine.pid, signal.SIGKILL)
        await engine.wait()
        await engine.start()
        before = len(world.acknowledged)
        await until(lambda: len(world.acknowledged) > before + 200)
        await _pause_and_note_a_moment(world, settings, stopping, writing)
        stopping.clear()
        writing = [asyncio.create_task(write(world, writer + 10**6, stopping)) for writer in range(WRITERS)]
        await until(lambda: (state := read_state(settings.home)) is not None and state.receiving)
        before = len(world.acknowledged)
        await until(lambda: len(world.acknowledged) > before + 500)
        await until(lambda: newest_head_n(world.backup / "heads") > 0)  # else no head could be compared
        written = max(list(world.acknowledged.values()))
        received = 0
        async with asyncio.timeout(20):
            while received < written:  # the server is told once a second
                told = await one(superuser_dsn(settings.home), RECEIVED)
                received = told if isinstance(told, int) else 0
        world.received = received
        await until((settings.home / "run" / "archive-receive.pid").exists)  # it may just be between two lives
        os.kill(pid_of(settings, "archive-receive"), signal.SIGKILL)
        os.kill(engine.pid, signal.SIGKILL)
        stopping.set()
        archiving.cancel()
        sealing.cancel()
        await asyncio.gather(*writing, sealing, return_exceptions=True)
        await engine.wait()
    discard(settings.home)


async def _pause_and_note_a_moment(
    world: World, settings: Settings, stopping: asyncio.Event, writing: list["asyncio.Task[None]"]
) -> None:
    """A moment that lies between two known transactions, by the clock of the database."""
    stopping.set()
    await asyncio.gather(*writing)
    world.before_it = set(world.acknowledged)
    await one(settings.app_dsn, INSERT.replace("$1", "-1") + " returning id")
    last = await one(settings.app_dsn, "select clock_timestamp()")
    assert isinstance(last, datetime)
    await asyncio.sleep(0.01)
    world.between = last
    await one(settings.app_dsn, INSERT.replace("$1", "-2") + " returning id")


async def restored_numbers(home: Path) -> set[int]:
    engine = Engine(home)
    await engine.start()
    try:
        connection = await asyncpg.connect(app_dsn(home))
        try:
            rows = await connection.fetch("select subject from work.event where topic = 'test'")
        finally:
            await connection.close()
    finally:
        await engine.stop()
    return {row["subject"] for row in rows}


def trouble(settings: Settings) -> str:
    state = read_state(settings.home)
    return state.trouble if state else ""


def lag(settings: Settings) -> int:
    state = read_state(settings.home)
    return state.lag_bytes if state else -1

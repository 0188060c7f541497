"""Backup and restore on real engines: what was acknowledged comes back, and what is damaged is refused by its name.

One database is written to, backed up under load, has its server and its archive killed, and ends as a machine ends:
everything at once, in the middle of commits. All tests then restore from copies of what it left behind.
"""

import asyncio
import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from sahut.app.backups import Store, backup_troubles, drill, read_state, restore, take_base
from sahut.app.backups.archive import LOOK_S, Archive
from sahut.app.backups.restore import discard
from sahut.app.backups.wal import PARTIAL
from sahut.app.cannot_start import CannotStart
from sahut.app.engines import Engine, app_dsn, backup_dsn, owner_dsn, superuser_dsn
from sahut.app.home import Home
from sahut.app.settings import Settings, read_settings
from sahut.app.wiring import signer_of
from sahut.db import AWAY, migrate
from sahut.work import HEAD, Signer, head_bytes, run_sealer

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
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


async def _live_and_die(world: World) -> None:
    settings = world.settings()
    stopping = asyncio.Event()
    async with running(settings) as (engine, archiving):
        sealing = asyncio.create_task(
            run_sealer(settings.app_dsn, signer_of(settings), settings.home / "heads", name="test-sealer")
        )
        writing = [asyncio.create_task(write(world, writer, stopping)) for writer in range(WRITERS)]
        await until(lambda: len(world.acknowledged) > 200)
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
        received = await one(superuser_dsn(settings.home), RECEIVED)
        assert isinstance(received, int)
        world.received = received
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


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with temporary() as above:
        lived = World(above)
        asyncio.run(_live_and_die(lived))
        yield lived


@pytest.fixture
def copied(world: World) -> Iterator[Path]:
    """A copy of the backups that a test may damage."""
    with temporary() as above:
        shutil.copytree(world.backup, above / "backup")
        yield above / "backup"


@pytest.fixture
def target() -> Iterator[Path]:
    with temporary() as above:
        yield above / "home"
        discard(above / "home")


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


async def test_all_that_the_archive_had_received_comes_back(world: World, target: Path) -> None:
    done = await restore(world.settings(), target, None, SILENCE)

    assert done.findings == ()
    there = await restored_numbers(target)
    received = {number for number, position in world.acknowledged.items() if position <= world.received}
    assert len(received) > 500
    assert received <= there
    assert there - {-1, -2} <= set(world.acknowledged) | _in_flight(world)
    assert done.log_n > 0
    assert done.proven_n > 0


def _in_flight(world: World) -> set[int]:
    """Each writer may have committed one more than it was told, at each of its ends."""
    return {number + WRITERS for number in world.acknowledged}


async def test_a_moment_between_two_transactions_is_exact(world: World, target: Path) -> None:
    done = await restore(world.settings(), target, world.between, SILENCE)

    there = await restored_numbers(target)
    assert there >= world.before_it | {-1}
    assert not [number for number in there if number == -2 or number >= 10**6]
    assert done.ended_at is not None
    assert world.between is not None
    assert done.ended_at <= world.between


async def test_the_restored_home_has_its_keys_and_tells_what_happened(world: World, target: Path) -> None:
    number = (world.backup / "keys").glob("*.json")
    secrets = json.loads(next(iter(sorted(number, reverse=True))).read_text())["secrets"]
    done = await restore(world.settings(), target, None, SILENCE)

    assert {path.name for path in (target / "secrets").iterdir()} >= set(secrets)
    assert json.loads((target / "restored.json").read_text())["log_n"] == done.log_n
    engine = Engine(target)
    await engine.start()
    try:
        told = await one(app_dsn(target), "select body from work.event where kind = 'database_restored'")
        block = await one(superuser_dsn(target, "sahut"), "select last_value from care.number_block")
    finally:
        await engine.stop()
    assert isinstance(told, str)
    assert json.loads(told)["n"] == done.log_n
    assert isinstance(block, int)
    assert block >= 199, "numbers that may have been given are given again"
    assert not (target / "engine" / "recovery.signal").exists()
    assert "recovery_target" not in (target / "engine" / "postgresql.auto.conf").read_text()


async def test_heads_that_say_more_tell_how_much_is_missing(world: World, copied: Path, target: Path) -> None:
    publish(copied, n=10**6, root=bytes(32))

    done = await restore(world.settings(copied), target, None, SILENCE)

    assert done.missing == 10**6 - done.log_n
    assert done.is_clean


async def test_a_log_that_is_not_the_published_one_is_found_out(world: World, copied: Path, target: Path) -> None:
    publish(copied, n=100, root=bytes(32))

    done = await restore(world.settings(copied), target, None, SILENCE)

    assert [finding for finding in done.findings if "do not fold to the head" in finding]


async def test_heads_of_a_branch_that_ended_are_no_damage(world: World, copied: Path, target: Path) -> None:
    """After a restore to a moment, the heads of what came after it must not frighten the next restore."""
    settings = world.settings(copied, SAHUT_HOME=str(target))
    publish(copied, n=10**6, root=bytes(32))
    await restore(settings, target, world.between, SILENCE)
    async with running(settings) as (_engine, archiving):
        await until(lambda: archiving.done() or any(base.timeline == 2 for base in Store(copied).read_bases()))
        await sealed_up_to_date(settings)

        done = await drill(settings, SILENCE)

    assert done.restored.timeline == 2
    assert done.restored.is_clean
    assert done.restored.missing == 0


async def sealed_up_to_date(settings: Settings) -> None:
    """The restore's own word is numbered, archived, and so known to the next restore."""
    sealing = asyncio.create_task(run_sealer(settings.app_dsn, signer_of(settings), None, name="test-sealer"))
    try:
        async with asyncio.timeout(20):
            while not await one(
                settings.app_dsn,
                "select true from work.seal s join work.event e on e.id = s.event_id where kind = 'database_restored'",
            ):
                await asyncio.sleep(0.05)
    finally:
        sealing.cancel()
        await asyncio.gather(sealing, return_exceptions=True)
    await asyncio.sleep(0)
    await until(lambda: _lag(settings) == 0)


def publish(backup: Path, *, n: int, root: bytes) -> None:
    """A head that our key has signed, published now."""
    keys = json.loads(next(iter((backup / "keys").glob("*.json"))).read_text())["secrets"]
    signer = Signer.from_seed(base64.b64decode(keys["desk.key"]))
    now = datetime.now(UTC)
    line = {"n": n, "root": root.hex(), "signed_at": now.isoformat(timespec="microseconds"), "key_id": signer.key_id}
    line["signature"] = signer.sign(HEAD, head_bytes(n, root, now)).hex()
    with (backup / "heads" / f"{now:%Y-%m-%d}.jsonl").open("a") as published:
        published.write(json.dumps(line) + "\n")


async def test_a_drill_leaves_nothing_but_its_record(world: World, copied: Path) -> None:
    done = await drill(world.settings(copied), SILENCE)

    assert done.restored.is_clean
    assert not done.restored.home.parent.exists()
    (record,) = Store(copied).read_drills()
    assert record["clean"] is True
    assert not [sentence for sentence in backup_troubles(world.settings(copied)) if "drill" in sentence.lower()]


def newest(backup: Path) -> Path:
    return Store(backup).directory(Store(backup).read_bases()[0])


def spoil(path: Path, at: float) -> None:
    """Change one byte in the middle of a file."""
    content = bytearray(path.read_bytes())
    place = int(len(content) * at)
    content[place] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize("file", ["base.tar.gz", "backup_manifest", "pg_wal.tar.gz"])
async def test_a_base_backup_that_was_changed_is_refused(world: World, copied: Path, target: Path, file: str) -> None:
    spoil(newest(copied) / file, 0.5)
    if file == "pg_wal.tar.gz":
        shutil.rmtree(copied / "wal")  # else the archive has the same, and whole

    with pytest.raises(CannotStart):
        await restore(world.settings(copied), target, None, SILENCE)
    assert not target.exists()
    assert list(target.parent.iterdir()) == []


async def test_a_file_that_was_exchanged_is_refused(world: World, copied: Path, target: Path) -> None:
    """Well packed, and not what was backed up: only the manifest knows."""
    base = newest(copied)
    unpacked = target.parent / "unpacked"
    unpacked.mkdir()
    subprocess.run(["tar", "-xzf", base / "base.tar.gz", "-C", unpacked], check=True)
    (unpacked / "PG_VERSION").write_text("18 \n")
    subprocess.run(["tar", "-czf", base / "base.tar.gz", "-C", unpacked, "."], check=True)
    shutil.rmtree(unpacked)

    with pytest.raises(CannotStart, match="pg_verifybackup"):
        await restore(world.settings(copied), target, None, SILENCE)
    assert not target.exists()


def whole_segments(backup: Path) -> list[Path]:
    return sorted(path for path in (backup / "wal").glob("*/*") if path.suffix not in {PARTIAL, ".history"})


async def _archive_of_several_segments(backup: Path) -> list[Path]:
    """Only the oldest base backup, so that whole segments follow it."""
    store = Store(backup)
    for base in store.read_bases()[:-1]:
        shutil.rmtree(store.directory(base))
    start = store.read_bases()[0]
    files = [path for segment, path in sorted(store.segments().items()) if segment.number * (16 << 20) >= start.end]
    assert len(files) >= 2, "the world was too short: there is no segment to take away"
    return files


async def test_a_missing_segment_is_refused_by_its_name(world: World, copied: Path, target: Path) -> None:
    (missing, *_later) = await _archive_of_several_segments(copied)
    missing.unlink()

    with pytest.raises(CannotStart, match=missing.name):
        await restore(world.settings(copied), target, None, SILENCE)
    assert not target.exists()


async def test_a_damaged_segment_is_refused_by_its_name(world: World, copied: Path, target: Path) -> None:
    (damaged, *_later) = await _archive_of_several_segments(copied)
    content = bytearray(damaged.read_bytes())
    content[8192:16384] = bytes(8192)
    damaged.write_bytes(content)

    with pytest.raises(CannotStart, match=damaged.name):
        await restore(world.settings(copied), target, None, SILENCE)


async def test_moments_outside_the_backups_are_refused(world: World, target: Path) -> None:
    oldest = min(base.taken_at for base in Store(world.backup).read_bases())
    with pytest.raises(CannotStart, match="No base backup was complete"):
        await restore(world.settings(), target, oldest - timedelta(seconds=1), SILENCE)
    with pytest.raises(CannotStart, match="The archive ends at"):
        await restore(world.settings(), target, datetime.now(UTC), SILENCE)
    assert not target.exists()


async def test_nothing_that_is_there_is_overwritten(world: World, target: Path) -> None:
    target.mkdir()
    (target / "letter").write_text("mine")

    with pytest.raises(CannotStart, match="never overwritten"):
        await restore(world.settings(), target, None, SILENCE)
    assert (target / "letter").read_text() == "mine"


async def test_another_major_release_is_refused(world: World, copied: Path, target: Path) -> None:
    record = newest(copied) / "base.json"
    record.write_text(record.read_text().replace('"major": "18"', '"major": "17"'))

    with pytest.raises(CannotStart, match="PostgreSQL 17"):
        await restore(world.settings(copied), target, None, SILENCE)


async def test_without_the_keys_nothing_is_restored(world: World, copied: Path, target: Path) -> None:
    shutil.rmtree(copied / "keys")

    with pytest.raises(CannotStart, match="keys"):
        await restore(world.settings(copied), target, None, SILENCE)


def test_a_killed_restore_leaves_a_draft_that_the_next_one_sweeps_away(world: World, target: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "SAHUT_BACKUP": str(world.backup)}
    command = [sys.executable, "-m", "sahut", "restore", "--to", "latest", "--into", str(target)]
    process = subprocess.Popen(command, env={**environment, "SAHUT_HOME": str(target)}, stdout=subprocess.PIPE)
    deadline = time.monotonic() + 20
    while not list(target.parent.glob(".home.restoring-*/engine*/PG_VERSION")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    process.communicate()

    assert not target.exists()
    assert len(list(target.parent.iterdir())) == 1
    asyncio.run(restore(world.settings(), target, None, SILENCE))
    assert [path.name for path in target.parent.iterdir()] == ["home"]


async def test_a_full_archive_never_stops_the_database_and_catches_up(world: World) -> None:
    with temporary() as above:
        settings = World(above).settings()
        async with running(settings):
            stretch = Store(above / "backup").stretch(1)
            await one(settings.app_dsn, INSERT + " returning id", 6)  # begins a segment
            await until(lambda: next(stretch.glob(f"*{PARTIAL}"), None))
            number = int(next(stretch.glob(f"*{PARTIAL}")).stem, 16)
            blocked = stretch / f"{number + 1:024X}{PARTIAL}"
            blocked.symlink_to("/dev/full")  # the next segment finds no space left on the device
            owner = superuser_dsn(settings.home, "sahut")
            for _ in range(2):
                await one(owner, "select pg_switch_wal()::text")
                await one(settings.app_dsn, INSERT + " returning id", 7)
            await until(lambda: "No space left" in _trouble(settings))

            for _ in range(50):
                await one(settings.app_dsn, INSERT + " returning id", 8)
            assert any("No space left" in sentence for sentence in backup_troubles(settings))

            blocked.unlink()
            await until(lambda: _trouble(settings) == "" and _lag(settings) == 0)
            assert (stretch / blocked.stem).exists() or next(stretch.glob(f"*{PARTIAL}")).exists()


def _trouble(settings: Settings) -> str:
    state = read_state(settings.home)
    return state.trouble if state else ""


def _lag(settings: Settings) -> int:
    state = read_state(settings.home)
    return state.lag_bytes if state else -1


async def test_a_slot_that_is_gone_begins_a_new_stretch_with_a_base_of_its_own(world: World) -> None:
    with temporary() as above:
        settings = World(above).settings()
        store = Store(above / "backup")
        async with running(settings):
            os.kill(pid_of(settings, "archive-receive"), signal.SIGKILL)
            slot = "select pg_drop_replication_slot(slot_name) from pg_replication_slots where not active returning"
            await until_dropped(superuser_dsn(settings.home), slot.removesuffix(" returning"))

            await until(lambda: any(base.stretch > 1 for base in store.read_bases()))
            await one(settings.app_dsn, INSERT + " returning id", 9)
            await until(lambda: _lag(settings) == 0)
        async with asyncio.timeout(30):
            done = await drill(settings, SILENCE)
        assert done.restored.is_clean


async def test_another_server_is_archived_and_restored_into_a_home_of_our_own(target: Path) -> None:
    """Sahut's home is apart from the server, which has passwords of its own."""
    with temporary() as above:
        server = Engine(above / "server")
        await server.start()
        try:
            await migrate(owner_dsn(above / "server"))
            settings = World(above).settings(
                SAHUT_DATABASE_URL=app_dsn(above / "server"),
                SAHUT_DATABASE_BACKUP_URL=backup_dsn(above / "server"),
            )
            Home(settings.home).prepare()
            signer_of(settings)
            archiving = asyncio.create_task(Archive(settings).run(asyncio.Event()))
            await until(lambda: archiving.done() or Store(above / "backup").read_bases())
            await one(settings.app_dsn, INSERT + " returning id", 11)
            await asyncio.sleep(LOOK_S)  # what was seen before the commit is no word about it
            await until(lambda: _lag(settings) == 0)
            archiving.cancel()
            await asyncio.gather(archiving, return_exceptions=True)
        finally:
            await server.stop()

        done = await restore(settings, target, None, SILENCE)

        assert done.is_clean
        assert await restored_numbers(target) == {11}
        assert "trust" not in (target / "engine" / "pg_hba.conf").read_text()


async def until_dropped(dsn: str, statement: str) -> None:
    """The receiver comes back at once, so the slot is free for a moment only."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(
            "select pg_terminate_backend(active_pid) from pg_replication_slots where active_pid is not null"
        )
        async with asyncio.timeout(10):
            while await connection.fetchval("select count(*) from pg_replication_slots"):
                with contextlib.suppress(asyncpg.PostgresError):
                    await connection.execute(
                        "select pg_terminate_backend(active_pid) from pg_replication_slots where active_pid is not null"
                    )
                    await connection.execute(statement)
    finally:
        await connection.close()

"""Backup and restore on real engines: what was acknowledged comes back, and what is damaged is refused by its name.

One database is written to, backed up under load, has its server and its archive killed, and ends as a machine ends:
everything at once, in the middle of commits. All tests then restore from copies of what it left behind.
"""

import asyncio
import base64
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sahut.app.backups import Store, backup_troubles, drill, drill_reminder, restore
from sahut.app.backups.restore import discard
from sahut.app.backups.wal import PARTIAL
from sahut.app.cannot_start import CannotStart
from sahut.app.engines import Engine, app_dsn, superuser_dsn
from sahut.app.settings import Settings
from sahut.app.wiring import signer_of
from sahut.work import HEAD, Signer, head_bytes, run_sealer
from tests.house.backup_world import (
    SILENCE,
    WRITERS,
    World,
    lag,
    live_and_die,
    one,
    restored_numbers,
    running,
    temporary,
    until,
)

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with temporary() as above:
        lived = World(above)
        asyncio.run(live_and_die(lived))
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


async def test_links_among_the_backups_lead_nowhere(world: World, copied: Path, target: Path) -> None:
    """Who may write where the backups are does not read what root may, through root's restore."""
    precious = copied.parent / "precious"
    precious.write_text("x")
    (copied / "heads" / "2001-01-01.jsonl").symlink_to(precious)
    await restore(world.settings(copied), target, None, SILENCE)
    assert not (target / "heads" / "2001-01-01.jsonl").exists()
    assert (target / "engine" / "postgresql.conf").read_text() == "", "settings of a backup name programs to run"

    (copied / "wal" / "0001" / "000000F0.history").symlink_to(precious)
    with pytest.raises(CannotStart, match="000000F0"):
        await restore(world.settings(copied), target.with_name("other"), None, SILENCE)


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
    await _both_branches_are_there(world, settings)


async def _both_branches_are_there(world: World, settings: Settings) -> None:
    """From a base backup before the fork, along the new timeline and along the one that was left."""
    assert settings.backup is not None
    store = Store(settings.backup.place)
    for base in store.read_bases():
        if base.timeline == 2:
            shutil.rmtree(store.directory(base))
    for timeline, left_branch_is_there in ((2, False), (1, True)):
        with temporary() as above:
            done = await restore(settings, above / "home", None, SILENCE, timeline)
            there = await restored_numbers(above / "home")
        assert done.timeline == timeline
        assert there >= world.before_it | {-1}
        assert (-2 in there) == left_branch_is_there


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
    await until(lambda: lag(settings) == 0)


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
    assert "No drill was ever done" in str(drill_reminder(world.settings(copied)))

    done = await drill(world.settings(copied), SILENCE)

    assert done.restored.is_clean
    assert not done.restored.home.parent.exists()
    (record,) = Store(copied).read_drills()
    assert record["clean"] is True
    assert drill_reminder(world.settings(copied)) is None
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

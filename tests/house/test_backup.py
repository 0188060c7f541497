"""The archive: what fails around it never stops the database, and it goes on by itself."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from sahut.app.backups import Store, backup_troubles, drill, restore, take_base
from sahut.app.backups.archive import LOOK_S, Archive
from sahut.app.backups.restore import discard
from sahut.app.backups.wal import PARTIAL
from sahut.app.cannot_start import CannotStart
from sahut.app.engines import Engine, app_dsn, backup_dsn, owner_dsn, superuser_dsn
from sahut.app.home import Home
from sahut.app.wiring import signer_of
from sahut.db import migrate
from tests.house.backup_world import (
    INSERT,
    SILENCE,
    World,
    lag,
    one,
    pid_of,
    restored_numbers,
    running,
    temporary,
    trouble,
    until,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def target() -> Iterator[Path]:
    with temporary() as above:
        yield above / "home"
        discard(above / "home")


async def test_a_full_archive_never_stops_the_database_and_catches_up() -> None:
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
            await until(lambda: "No space left" in trouble(settings))

            for _ in range(50):
                await one(settings.app_dsn, INSERT + " returning id", 8)
            assert any("No space left" in sentence for sentence in backup_troubles(settings))

            blocked.unlink()
            await until(lambda: trouble(settings) == "" and lag(settings) == 0)
            assert (stretch / blocked.stem).exists() or next(stretch.glob(f"*{PARTIAL}")).exists()


async def test_a_slot_that_is_gone_begins_a_new_stretch_with_a_base_of_its_own() -> None:
    with temporary() as above:
        settings = World(above).settings()
        store = Store(above / "backup")
        async with running(settings):
            os.kill(pid_of(settings, "archive-receive"), signal.SIGKILL)
            slot = "select pg_drop_replication_slot(slot_name) from pg_replication_slots where not active returning"
            await until_dropped(superuser_dsn(settings.home), slot.removesuffix(" returning"))

            await until(lambda: any(base.stretch > 1 for base in store.read_bases()))
            await one(settings.app_dsn, INSERT + " returning id", 9)
            await until(lambda: lag(settings) == 0)
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
            await until(lambda: lag(settings) == 0)
            archiving.cancel()
            await asyncio.gather(archiving, return_exceptions=True)
        finally:
            await server.stop()

        done = await restore(settings, target, None, SILENCE)

        assert done.is_clean
        assert await restored_numbers(target) == {11}
        assert "trust" not in (target / "engine" / "pg_hba.conf").read_text()


async def test_a_backup_of_another_release_is_refused(target: Path) -> None:
    """Its migrations read otherwise than ours, so its tables may be others."""
    with temporary() as above:
        settings = World(above).settings()
        async with running(settings):
            await one(superuser_dsn(settings.home, "sahut"), "update db.migration set sha256 = 'x' returning 1")
            await until(lambda: lag(settings) == 0)
            await take_base(settings, SILENCE)

        with pytest.raises(CannotStart, match="another release"):
            await restore(settings, target, None, SILENCE)
    assert list(target.parent.iterdir()) == []


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

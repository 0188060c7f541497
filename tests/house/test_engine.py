"""The embedded PostgreSQL: private, whole or not there, and back after every kill."""

import asyncio
import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from sahut.app.cannot_start import CannotStart
from sahut.app.engines import Engine, app_dsn, backup_dsn, owner_dsn
from sahut.app.engines.leftovers import processes_in
from sahut.app.engines.place import ELSEWHERE, ELSEWHERE_RECORD
from tests.conftest import TestEngine

SUPERVISOR = """
import asyncio, pathlib, sys
from sahut.app.engines import Engine

async def run():
    engine = Engine(pathlib.Path(sys.argv[1]))
    await engine.start()
    print(engine.pid, flush=True)
    await engine.wait()

asyncio.run(run())
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """A home of its own, in a place that the engine's user can enter."""
    above = Path(tempfile.mkdtemp(prefix="sahut-engine-"))
    above.chmod(0o711)
    yield above / "home"
    for record in above.rglob("engine.at"):
        shutil.rmtree(ELSEWHERE / record.read_text().strip(), ignore_errors=True)
    shutil.rmtree(above, ignore_errors=True)


@contextlib.asynccontextmanager
async def running(home: Path) -> AsyncIterator[Engine]:
    engine = Engine(home)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


async def ask(home: Path, question: str) -> object:
    connection = await asyncpg.connect(app_dsn(home))
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def supervise(home: Path) -> tuple["subprocess.Popen[str]", int]:
    """Start an engine under a supervisor of its own; it and the server's process number."""
    supervisor = subprocess.Popen([sys.executable, "-c", SUPERVISOR, str(home)], stdout=subprocess.PIPE, text=True)
    assert supervisor.stdout is not None
    return supervisor, int(supervisor.stdout.readline())


def kill_supervisor(supervisor: "subprocess.Popen[str]") -> None:
    supervisor.kill()
    supervisor.wait()
    assert supervisor.stdout is not None
    supervisor.stdout.close()


async def test_nobody_comes_in_without_a_password(engine: TestEngine) -> None:
    rules = (engine.home / "engine" / "pg_hba.conf").read_text().splitlines()
    ways_in = [line.split() for line in rules if line and not line.startswith("#")]
    without = app_dsn(engine.home).replace(app_dsn(engine.home).split("@", maxsplit=1)[0], "postgresql://postgres")

    assert {way[-1] for way in ways_in} == {"scram-sha-256"}
    assert {way[0] for way in ways_in} == {"local"}
    with pytest.raises((asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError)):
        await asyncpg.connect(without, password="", passfile="/nowhere")


async def test_there_is_no_way_in_by_tcp(engine: TestEngine) -> None:
    assert await ask(engine.home, "select current_setting('listen_addresses')") == ""


@pytest.mark.parametrize("role", [app_dsn, owner_dsn])
async def test_nobody_works_beside_our_tables(engine: TestEngine, role: Callable[..., str]) -> None:
    connection = await asyncpg.connect(role(engine.home))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("select lo_from_bytea(0, 'x')")
    finally:
        await connection.close()
    for elsewhere in ("postgres", "template1"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await asyncpg.connect(role(engine.home, elsewhere))


async def test_what_was_committed_is_on_the_disk(engine: TestEngine) -> None:
    for setting in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
        assert await ask(engine.home, f"select current_setting('{setting}')") == "on", setting


def test_secrets_and_socket_are_private(engine: TestEngine) -> None:
    assert mode_of(engine.home / "secrets") == 0o700
    assert {mode_of(path) for path in (engine.home / "secrets").iterdir()} == {0o600}
    assert mode_of(engine.home / "run" / "socket") == 0o700
    assert mode_of(engine.home / "engine") == 0o700


async def test_no_password_is_on_a_command_line_or_in_an_environment(engine: TestEngine) -> None:
    secrets = {path.read_text() for path in (engine.home / "secrets").iterdir()}
    for pid in processes_in(engine.home / "engine"):
        for what in ("cmdline", "environ"):
            with contextlib.suppress(OSError):
                seen = Path(f"/proc/{pid}/{what}").read_bytes().decode(errors="replace")
                assert not any(secret in seen for secret in secrets)


@pytest.mark.slow
async def test_a_half_made_database_is_never_taken_for_one(home: Path) -> None:
    half = home / "engine.init-0123456789abcdef" / "data"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")

    async with running(home):
        assert await ask(home, "select 1") == 1
    assert not list(home.glob("engine.init-*"))


async def test_something_else_in_its_place_is_left_alone(home: Path) -> None:
    (home / "engine").mkdir(parents=True)
    (home / "engine" / "letter").write_text("not a database")

    with pytest.raises(CannotStart, match="holds no database"):
        await Engine(home).start()
    assert (home / "engine" / "letter").read_text() == "not a database"


@pytest.mark.slow
async def test_a_database_of_another_release_is_left_alone(home: Path) -> None:
    async with running(home):
        pass
    (home / "engine" / "PG_VERSION").write_text("17\n")

    with pytest.raises(CannotStart, match="PostgreSQL 17"):
        await Engine(home).start()


@pytest.mark.slow
async def test_what_was_written_survives_a_killed_server(home: Path) -> None:
    engine = Engine(home)
    await engine.start()
    owner = await asyncpg.connect(owner_dsn(home))
    await owner.execute("create table kept (n int); insert into kept values (7); grant select on kept to sahut_app")
    os.kill(engine.pid, signal.SIGKILL)

    assert await engine.wait() == -signal.SIGKILL
    await engine.start()
    try:
        assert await ask(home, "select n from kept") == 7
    finally:
        owner.terminate()
        await engine.stop()


@pytest.mark.slow
async def test_the_server_dies_with_its_supervisor(home: Path) -> None:
    supervisor, _pid = supervise(home)
    kill_supervisor(supervisor)

    async with asyncio.timeout(10):
        while processes_in(home / "engine"):
            await asyncio.sleep(0.02)


@pytest.mark.slow
async def test_a_start_waits_for_what_an_earlier_one_left(home: Path) -> None:
    """Supervisor and server are killed while a session computes and does not look up."""
    supervisor, server = supervise(home)
    busy = await asyncpg.connect(app_dsn(home))
    computing = asyncio.ensure_future(busy.execute("do $$ begin for i in 1..2000000000 loop end loop; end $$"))
    await asyncio.sleep(0.2)
    kill_supervisor(supervisor)
    with contextlib.suppress(ProcessLookupError):
        os.kill(server, signal.SIGKILL)

    async with asyncio.timeout(10), running(home):
        assert await ask(home, "select 1") == 1
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await computing
    busy.terminate()


@pytest.mark.parametrize("told", ["/etc", "../../../etc", "", "a/b", "0123456789abcdef/../x"])
async def test_a_record_that_names_no_directory_of_ours_is_refused(home: Path, told: str) -> None:
    """Root goes where the record points, and a restore takes away what is there."""
    home.mkdir()
    (home / ELSEWHERE_RECORD).write_text(told)
    with pytest.raises(CannotStart, match="names no directory of ours"):
        await Engine(home).start()
    (home / ELSEWHERE_RECORD).unlink()


async def test_what_a_role_set_for_itself_ends_with_the_next_start(home: Path) -> None:
    """A stolen password is changed; a setting that lets acknowledged payments be lost must not outlive it."""
    async with running(home):
        for dsn, order in (
            (app_dsn(home), "alter role sahut_app set synchronous_commit = off"),
            (app_dsn(home), "alter role sahut_app in database sahut set statement_timeout = 1"),
            (owner_dsn(home), "alter database sahut set default_transaction_read_only = on"),
        ):
            connection = await asyncpg.connect(dsn)
            await connection.execute(order)
            await connection.close()
    async with running(home):
        assert await ask(home, "show synchronous_commit") == "on"
        assert await ask(home, "select count(*) from pg_db_role_setting") == 0


async def test_the_role_of_backups_writes_nothing(home: Path) -> None:
    async with running(home):
        connection = await asyncpg.connect(backup_dsn(home))
        try:
            for attempt in ("create temp table mine (a int)", "select lo_create(0)", "create table mine (a int)"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(attempt)
        finally:
            await connection.close()


@pytest.mark.slow
async def test_a_lock_file_that_names_a_stranger_stops_nobody(home: Path) -> None:
    async with running(home):
        pass
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        (home / "engine" / "postmaster.pid").write_text(f"{stranger.pid}\n{home / 'engine'}\n1\n5432\n")
        async with running(home):
            assert await ask(home, "select 1") == 1
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a" * 100, "with a, comma and 'quotes'"])
async def test_a_home_with_a_long_or_odd_path_has_its_socket_elsewhere(home: Path, name: str) -> None:
    odd = home / name

    async with running(odd):
        assert await ask(odd, "select 1") == 1
        socket = Path((odd / "engine.socket").read_text().strip())
        assert mode_of(socket) == 0o700
    assert not socket.exists()


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root has homes that the engine's user cannot enter")
async def test_under_a_closed_directory_of_root_the_files_are_elsewhere(home: Path) -> None:
    home.mkdir(mode=0o700)
    closed = home / "home"
    said: list[str] = []

    for _ in range(2):
        engine = Engine(closed, said.append)
        await engine.start()
        assert await ask(closed, "select current_user") == "sahut_app"
        await engine.stop()

    assert mode_of(home) == 0o700
    assert sum("cannot enter" in sentence for sentence in said) == 1


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes to another user")
async def test_under_root_the_server_is_another_user(home: Path) -> None:
    async with running(home) as engine:
        assert Path(f"/proc/{engine.pid}").stat().st_uid != 0

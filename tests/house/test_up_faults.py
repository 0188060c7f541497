"""What goes wrong around ``sahut up``: full and read-only disks, children that end at once, a database that hangs."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from sahut.app.child import Child
from sahut.app.engines import Engine, app_dsn, owner_dsn
from sahut.app.home import Home
from sahut.app.logs import keep_small, write_logs
from sahut.app.roles.children import Gate
from sahut.app.roles.keeper import Keeper, Pauses

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture
def home() -> Iterator[Path]:
    above = Path(tempfile.mkdtemp(prefix="sahut-faults-"))
    above.chmod(0o711)
    yield above / "home"
    shutil.rmtree(above, ignore_errors=True)


def start_up(home: Path, told: Path) -> Child:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port = str(asked.getsockname()[1])
    own = {name: value for name, value in os.environ.items() if not name.startswith("SAHUT_")}
    own |= {"SAHUT_HOME": str(home), "SAHUT_PORT": port, "PYTHONPATH": str(ROOT)}
    with told.open("wb") as output:
        return Child.start(
            "up",
            [sys.executable, "-P", "-m", "sahut", "up"],
            death_signal=signal.SIGTERM,
            environment=own,
            output=output.fileno(),
        )


async def wait_for(told: Path, word: str, child: Child) -> None:
    async with asyncio.timeout(60):
        while word not in told.read_text():
            assert child.exit_code() is None, told.read_text()
            await asyncio.sleep(0.05)


def last_line(told: Path) -> str:
    assert "Traceback" not in told.read_text()
    return told.read_text().strip().splitlines()[-1]


@contextlib.contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(prefix="sahut-small-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "tmpfs", place], check=False
    )
    if mounted.returncode != 0:
        place.rmdir()
        pytest.skip("no small disk can be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)
        place.rmdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
def test_a_disk_that_is_too_small_is_one_sentence(tmp_path: Path) -> None:
    with small_disk(40) as disk:
        child = start_up(disk / "home", tmp_path / "told")
        assert asyncio.run(child.wait()) == 1
        said = last_line(tmp_path / "told")
        # How far it comes depends on the release of PostgreSQL; each way ends in a sentence.
        assert "The database cannot be made in" in said or "The disk of the database is full" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_a_disk_that_cannot_be_written_is_one_sentence(tmp_path: Path, fault: str) -> None:
    with small_disk(4) as disk:
        Home(disk / "home").prepare()
        if fault == "full":
            with contextlib.suppress(OSError), (disk / "ballast").open("wb") as ballast:
                while True:
                    ballast.write(bytes(4096))
                    ballast.flush()
        else:
            subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        child = start_up(disk / "home", tmp_path / "told")
        assert asyncio.run(child.wait()) == 1
        reason = "No space left on device" if fault == "full" else "Read-only file system"
        assert reason in last_line(tmp_path / "told")
        assert str(disk / "home") in last_line(tmp_path / "told")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
async def test_a_full_disk_of_logs_stops_nobody(home: Path, tmp_path: Path) -> None:
    with small_disk(1) as disk:
        Home(home).prepare()
        (home / "log").rmdir()
        (home / "log").symlink_to(disk)
        with contextlib.suppress(OSError), (disk / "ballast").open("wb") as ballast:
            while True:
                ballast.write(bytes(4096))
                ballast.flush()
        child = start_up(home, tmp_path / "told")
        try:
            await wait_for(tmp_path / "told", "Ctrl-C", child)
        finally:
            assert await child.end(signal.SIGTERM, grace_s=30) == 0


def test_words_and_server_logs_stay_small(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    for day in range(12):
        (tmp_path / "postgres" / f"postgres-2026-11-{day + 10}_000000.log").touch()
    with (tmp_path / "web-0.err").open("ab") as open_by_a_child:
        open_by_a_child.write(b"a" * (3 << 20) + b"the end")
        open_by_a_child.flush()
        keep_small(tmp_path)
        open_by_a_child.write(b"goes on")

    assert (tmp_path / "web-0.err").read_bytes() == b"goes on"
    assert (tmp_path / "web-0.err.1").read_bytes().endswith(b"the end")
    assert (tmp_path / "web-0.err.1").stat().st_size < 1 << 20
    kept = sorted(path.name for path in (tmp_path / "postgres").iterdir())
    assert kept == [f"postgres-2026-11-{day + 10}_000000.log" for day in range(4, 12)]


def test_a_log_that_cannot_be_opened_goes_to_standard_error(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib, structlog; from sahut.app.logs import write_logs;"
        "write_logs('info', 'x', pathlib.Path(sys.argv[1])); structlog.get_logger().info('still_here')"
    )
    told = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "nowhere" / "x.log"],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert write_logs.__module__ == "sahut.app.logs"
    assert "still_here" in told.stderr


def test_who_ends_again_and_again_is_told_now_and_then() -> None:
    pauses, told = Pauses(), []
    for end in range(1, 200):
        assert pauses.after(lived_s=0.1) <= 5
        if pauses.ends_again_and_again:
            told.append(end)
    assert told == [5, 65, 125, 185]

    pauses.after(lived_s=60)
    assert not pauses.ends_again_and_again


async def test_a_child_that_ends_at_once_is_started_again_and_told(home: Path) -> None:
    Home(home).prepare()
    said: list[str] = []
    starts = 0

    def start() -> Child:
        nonlocal starts
        starts += 1
        return Child.start("web-0", [sys.executable, "-c", "raise SystemExit(3)"], death_signal=signal.SIGKILL)

    keeping = asyncio.create_task(Keeper(Home(home), "web-0", start, said.append).keep())
    async with asyncio.timeout(30):
        while not said:
            await asyncio.sleep(0.05)
    keeping.cancel()
    await asyncio.wait({keeping})

    assert starts == 5
    assert "web-0 has ended 5 times right after its start" in said[0]


async def test_a_child_that_cannot_be_noted_is_still_one_child(home: Path) -> None:
    """A full disk costs the note; a second child beside the first would be worse."""
    Home(home).prepare()
    shutil.rmtree(home / "run")
    children: list[Child] = []

    def start() -> Child:
        children.append(Child.start("web-0", ["sleep", "60"], death_signal=signal.SIGKILL))
        return children[-1]

    keeper = Keeper(Home(home), "web-0", start, lambda _: None)
    keeping = asyncio.create_task(keeper.keep())
    await asyncio.sleep(0.5)
    keeping.cancel()
    await asyncio.wait({keeping})
    await keeper.end(grace_s=5)

    assert len(children) == 1


async def test_a_database_that_hangs_is_told_and_so_is_its_return(home: Path, tmp_path: Path) -> None:
    told = tmp_path / "told"
    child = start_up(home, told)
    try:
        await wait_for(told, "Ctrl-C", child)
        server = int((home / "run" / "postgres.pid").read_text())
        os.kill(server, signal.SIGSTOP)
        await wait_for(told, f"somebody has stopped its process {server}", child)
        os.kill(server, signal.SIGCONT)
        await wait_for(told, "The database answers again", child)
    finally:
        assert await child.end(signal.SIGTERM, grace_s=30) == 0


async def test_a_stopped_database_still_ends(home: Path, tmp_path: Path) -> None:
    told = tmp_path / "told"
    child = start_up(home, told)
    await wait_for(told, "Ctrl-C", child)
    os.kill(int((home / "run" / "postgres.pid").read_text()), signal.SIGSTOP)

    assert await child.end(signal.SIGTERM, grace_s=30) == 0


async def test_a_long_recovery_is_waited_for(home: Path) -> None:
    """The recovery asks an archive that does not answer yet, as long as we want: no limit of ours ends it."""
    go = home.parent / "go"
    first = Engine(home)
    await first.start()
    owner = await asyncpg.connect(owner_dsn(home))
    await owner.execute("create table kept (n int); insert into kept values (7); grant select on kept to sahut_app")
    os.kill(first.pid, signal.SIGKILL)
    await first.wait()
    owner.terminate()
    data = home / "engine"
    owner_of_data = data.stat()
    with (data / "postgresql.auto.conf").open("a") as conf:
        conf.write(f"restore_command = 'while [ ! -e {go} ]; do sleep 0.1; done; false'\n")
    (data / "recovery.signal").touch()
    os.chown(data / "recovery.signal", owner_of_data.st_uid, owner_of_data.st_gid)
    said: list[str] = []
    engine = Engine(home, said.append)
    starting = asyncio.ensure_future(engine.start())
    try:
        async with asyncio.timeout(60):
            while not any("recovering" in sentence for sentence in said):
                assert not starting.done()
                await asyncio.sleep(0.05)
        go.touch()
        await starting
        connection = await asyncpg.connect(app_dsn(home))
        assert await connection.fetchval("select n from kept") == 7
        connection.terminate()
    finally:
        go.touch()
        await engine.stop()


async def test_children_wait_at_the_gate_and_find_it_open_later(tmp_path: Path) -> None:
    gate = Gate()
    program = (
        "import sys; from sahut.app.roles.children import Gate; print('here', flush=True);"
        "Gate.wait(int(sys.argv[1])); print('through', flush=True)"
    )

    def start(name: str) -> Child:
        with (tmp_path / name).open("wb") as output:
            return Child.start(
                name,
                [sys.executable, "-c", program, str(gate.descriptor)],
                death_signal=signal.SIGKILL,
                environment={**os.environ, "PYTHONPATH": str(ROOT)},
                pass_fds=[gate.descriptor],
                output=output.fileno(),
            )

    first = start("first")
    await wait_for(tmp_path / "first", "here", first)
    await asyncio.sleep(0.3)
    assert "through" not in (tmp_path / "first").read_text()

    gate.open()
    assert await asyncio.wait_for(first.wait(), 10) == 0
    assert await asyncio.wait_for(start("second").wait(), 10) == 0
    for name in ("first", "second"):
        assert (tmp_path / name).read_text().split() == ["here", "through"]
    os.close(gate.descriptor)

"""Giving up root: what is ours belongs to the service alone, what is not stays, and links lead nowhere."""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sahut.app.backups.store import give_place_to_service
from sahut.app.cannot_start import CannotStart
from sahut.app.child import Account, Child
from sahut.app.home import Home
from sahut.app.secrets import password
from sahut.app.settings import read_settings
from sahut.app.stepping_down import close_to_others, hand_over, step_down, strangers_in

ROOT = Path(__file__).resolve().parents[2]
SYSTEM_PYTHON = Path("/usr/bin/python3")
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up root")


@pytest.fixture
def account() -> Account:
    entry = pwd.getpwnam("nobody")
    return Account(name="nobody", user_id=entry.pw_uid, group_id=entry.pw_gid)


@pytest.fixture
def home() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="sahut-down-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_a_home_of_root_is_handed_over_and_closed(home: Path, account: Account) -> None:
    for name in ("secrets", "log", "heads"):
        (home / name).mkdir(mode=0o755)
    for name in ("secrets/app", "log/web-0.log", "demo", "heads/2026-11-22.jsonl"):
        (home / name).write_text("x")

    hand_over(home, account)

    for path in (home, *home.rglob("*")):
        assert path.lstat().st_uid == account.user_id, path
        assert mode_of(path) & 0o077 == 0, path
    assert mode_of(home / "secrets") == 0o700


def test_what_is_not_ours_keeps_its_owner(home: Path, account: Account) -> None:
    (home / "letters").mkdir()
    (home / "letters" / "one").write_text("x")

    hand_over(home, account)

    assert (home / "letters" / "one").stat().st_uid == 0
    assert strangers_in(home) == ["letters"]


def test_a_link_leads_nowhere(home: Path, account: Account, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("x")
    (home / "log").mkdir()
    (home / "log" / "web-0.log").symlink_to(precious)
    (home / "heads").symlink_to(tmp_path)
    (home / "demo").hardlink_to(precious) if precious.stat().st_dev == home.stat().st_dev else None

    hand_over(home, account)

    assert precious.stat().st_uid == 0
    assert tmp_path.stat().st_uid == 0


def test_what_an_earlier_release_left_readable_is_closed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("not ours")
    outside.chmod(0o644)
    home = tmp_path / "home"
    (home / "log" / "old").mkdir(parents=True, mode=0o755)
    for name in ("log/up.log", "log/old/web.log", "log/old/executable"):
        (home / name).write_text("said")
        (home / name).chmod(0o755 if name.endswith("executable") else 0o644)
    (home / "log" / "link").symlink_to(outside)
    (home / "secrets").symlink_to(tmp_path)

    close_to_others(home)

    open_to_others = [path.name for path in (home / "log").rglob("*") if path.lstat().st_mode & 0o066]
    assert open_to_others == ["link"]  # a link has no mode of its own
    assert outside.stat().st_mode & 0o777 == 0o644


def test_a_home_that_was_one_before_has_no_strangers(home: Path) -> None:
    (home / "secrets").mkdir()
    (home / "notes of the operator").touch()

    assert strangers_in(home) == []


def test_root_writes_where_no_link_points(home: Path, account: Account, tmp_path: Path) -> None:
    """The home belongs to the service: what it may lay there must not lead root, who looks whether one can write."""
    for name in ("precious", "other.pid"):
        (tmp_path / name).write_text("x")
    (home / "run").mkdir()
    (home / "run" / ".writable").symlink_to(tmp_path / "precious")
    os.chown(home, account.user_id, account.group_id)

    with Home(home).held():
        pass
    assert (tmp_path / "precious").read_text() == "x"

    (home / "run").rmdir()
    (home / "run").symlink_to(tmp_path)
    with pytest.raises(CannotStart), Home(home).held():
        pass
    assert (tmp_path / "other.pid").exists()


def test_a_secret_that_root_makes_goes_where_no_link_points(home: Path, account: Account, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (home / "secrets").symlink_to(tmp_path)
    with pytest.raises(CannotStart, match="secrets"):
        password(home, "app")
    assert mode_of(tmp_path) == 0o755
    assert list(tmp_path.iterdir()) == []

    (home / "secrets").unlink()
    (home / "secrets").mkdir()
    os.chown(home / "secrets", account.user_id, account.group_id)
    assert password(home, "app") == password(home, "app")
    assert (home / "secrets" / "app").stat().st_uid == account.user_id
    assert [path.name for path in (home / "secrets").iterdir()] == ["app"]


@pytest.mark.parametrize("steps_down", [True, False])
def test_the_place_of_backups_is_given_and_nothing_beside_it(
    home: Path, account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, steps_down: bool
) -> None:
    monkeypatch.setattr("sahut.app.backups.store.obstacle", lambda *_: None if steps_down else "cannot")
    (tmp_path / "precious").write_text("x")
    (home / "home" / "engine").mkdir(parents=True)
    os.chown(home / "home" / "engine", account.user_id, account.group_id)
    place = home / "backup"
    (place / "wal" / "0001").mkdir(parents=True)
    (place / "bases").symlink_to(tmp_path)

    give_place_to_service(read_settings({"SAHUT_HOME": str(home / "home"), "SAHUT_BACKUP": str(place)}))

    assert (tmp_path / "precious").stat().st_uid == 0
    for path in (place, place / "wal" / "0001"):
        assert path.stat().st_uid == (account.user_id if steps_down else 0)
    assert mode_of(place) == 0o700


def test_root_does_not_work_in_the_home_of_another(home: Path, account: Account) -> None:
    (home / "engine").mkdir()
    (home / "letters").mkdir()
    for path in (home, home / "engine"):
        os.chown(path, account.user_id, account.group_id)

    with pytest.raises(CannotStart, match="belongs to the user `nobody`"):
        step_down(home, print)

    (home / "engine").rmdir()
    (home / "engine").symlink_to("/etc")
    (home / "secrets").mkdir()
    with pytest.raises(CannotStart, match="one user"):
        step_down(home, print)
    assert os.geteuid() == 0


def _can_serve() -> bool:
    """Whether the machine has a Python beside ours that everybody can run and that takes the same packages."""
    asked = [str(SYSTEM_PYTHON), "-c", "import sys; print(*sys.version_info[:2])"]
    with contextlib.suppress(OSError):
        told = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.split()
        return told == [str(sys.version_info[0]), str(sys.version_info[1])]
    return False


def _environment(home: Path, paths: list[Path]) -> dict[str, str]:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port = asked.getsockname()[1]
    own = {name: value for name, value in os.environ.items() if not name.startswith("SAHUT_")}
    return own | {"SAHUT_HOME": str(home), "SAHUT_PORT": str(port), "PYTHONPATH": os.pathsep.join(map(str, paths))}


def _start(home: Path, told: Path, python: str | Path, paths: list[Path]) -> Child:
    own = _environment(home, paths)
    command = [str(python), "-P", "-m", "sahut", "up", "--demo"]
    with told.open("wb") as output:
        return Child.start(
            "up", command, death_signal=signal.SIGTERM, environment=own, output=output.fileno(), pass_fds=()
        )


def _await(told: Path, word: str, child: Child) -> None:
    until = time.monotonic() + 30
    while word not in told.read_text():
        assert time.monotonic() < until, told.read_text()
        assert child.exit_code() is None, told.read_text()
        time.sleep(0.05)


def _end(child: Child) -> int:
    child.send(signal.SIGTERM)
    until = time.monotonic() + 30
    while (code := child.exit_code()) is None and time.monotonic() < until:
        time.sleep(0.05)
    if code is None:
        child.send(signal.SIGKILL)
    return -1 if code is None else code


@pytest.mark.slow
@pytest.mark.skipif(not _can_serve(), reason="no Python that another user can run")
def test_the_whole_house_runs_without_root(home: Path, tmp_path: Path) -> None:
    spec = importlib.util.find_spec("asyncpg")
    assert spec is not None
    assert spec.origin is not None
    home.rmdir()
    told = tmp_path / "told"
    child = _start(home, told, SYSTEM_PYTHON, [ROOT, Path(spec.origin).parents[1]])
    try:
        _await(told, "Ctrl-C", child)
        pids = [int(path.read_text()) for path in (home / "run").glob("*.pid")]
        owners = {Path(f"/proc/{pid}").stat().st_uid for pid in pids}

        assert "as root" not in told.read_text()
        assert len(pids) == 5
        assert 0 not in owners
        assert len(owners) == 1
        for path in home.rglob("*"):
            assert path.lstat().st_uid in owners, path
            assert path.is_socket() or mode_of(path) & 0o077 == 0, path
    finally:
        assert _end(child) == 0


@pytest.mark.slow
@pytest.mark.skipif(not _can_serve(), reason="no Python that another user can run")
def test_a_backup_that_root_orders_is_the_work_of_the_service(home: Path, tmp_path: Path) -> None:
    """In directories of the service root would follow its links; and the archive, which is the service, must prune."""
    spec = importlib.util.find_spec("asyncpg")
    assert spec is not None
    assert spec.origin is not None
    paths, told = [ROOT, Path(spec.origin).parents[1]], tmp_path / "told"
    place = home / "backup"
    child = _start(home / "home", told, SYSTEM_PYTHON, paths)
    try:
        _await(told, "Ctrl-C", child)
        own = _environment(home / "home", paths) | {"SAHUT_BACKUP": str(place)}
        for words in (["backup", "--demo"], ["backup", "--demo", "--drill"]):
            subprocess.run(
                [str(SYSTEM_PYTHON), "-P", "-m", "sahut", *words], env=own, check=True, capture_output=True, cwd="/"
            )
    finally:
        assert _end(child) == 0

    service = (home / "home").stat().st_uid
    assert service != 0
    assert len(list((place / "bases").iterdir())) == 1
    assert {path.lstat().st_uid for path in (place, *place.rglob("*"), *(home / "home").rglob("*"))} == {service}


@pytest.mark.slow
def test_below_a_closed_directory_of_root_it_says_so_once_and_goes_on(home: Path, tmp_path: Path) -> None:
    home.chmod(0o700)
    told = tmp_path / "told"
    child = _start(home / "home", told, sys.executable, [ROOT])
    try:
        _await(told, "Ctrl-C", child)

        assert told.read_text().count("Sahut goes on as root") == 1
        pid = int((home / "home" / "run" / "postgres.pid").read_text())
        assert Path(f"/proc/{pid}").stat().st_uid != 0
        assert mode_of(home) == 0o700
        assert mode_of(home / "home" / "secrets") == 0o700
    finally:
        assert _end(child) == 0

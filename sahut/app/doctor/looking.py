"""Looking at the machine: files, disks, processes, port, memory. It only reads, and decides nothing."""

import fcntl
import http.client
import json
import os
import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from sahut.app.doctor.machine import DiskSeen, HomeSeen, MemorySeen, PortSeen, ProcessesSeen, SecretSeen
from sahut.app.engines.machine import memory_bytes
from sahut.app.home import OURS, Home

_PATHS_AT_MOST = 10_000
_ANSWER_S = 3.0
_TAIL = 1 << 16


def see_home(home: Path) -> HomeSeen:
    """Look at what is ours in the home, at most ten thousand paths; the engine looks after its own."""
    if not home.is_dir():
        return HomeSeen(home, exists=False, owner=0, we_are=os.geteuid(), open_paths=(), foreign=())
    owner = home.stat().st_uid
    open_paths, foreign = [], []
    for path in _ours(home):
        found = path.lstat()
        passing = 0o011 if stat.S_ISDIR(found.st_mode) and owner == 0 else 0  # PostgreSQL's user has to pass through
        if not stat.S_ISLNK(found.st_mode) and not stat.S_ISSOCK(found.st_mode):
            if stat.S_IMODE(found.st_mode) & 0o077 & ~passing:
                open_paths.append(str(path.relative_to(home.parent)))
            if owner not in {0, found.st_uid}:
                foreign.append(str(path.relative_to(home.parent)))
    return HomeSeen(home, True, owner, os.geteuid(), tuple(open_paths), tuple(foreign))


def _ours(home: Path) -> Iterator[Path]:
    left = _PATHS_AT_MOST
    for name in OURS:
        top = home / name
        for path in (top, *(top.rglob("*") if top.is_dir() and not top.is_symlink() else ())):
            if left > 0 and os.path.lexists(path):
                left -= 1
                yield path


def see_disk(what: str, path: Path) -> DiskSeen:
    """Look at the disk of a path; one that is missing is looked at where it would be."""
    place = next(place for place in (path, *path.parents) if place.exists())
    found = os.statvfs(place)
    return DiskSeen(
        what=what,
        path=place,
        free_bytes=found.f_bavail * found.f_frsize,
        free_inodes=found.f_favail,
        inodes=found.f_files,
        read_only=bool(found.f_flag & os.ST_RDONLY),
    )


def see_secrets(home: Path) -> tuple[SecretSeen, ...]:
    directory = home / "secrets"
    if not directory.is_dir():
        return ()
    return tuple(_secret(path) for path in sorted(directory.iterdir()) if not path.name.startswith("."))


def _secret(path: Path) -> SecretSeen:
    mode = stat.S_IMODE(path.stat().st_mode)
    try:
        return SecretSeen(path.name, len(path.read_bytes()), mode)
    except OSError:
        return SecretSeen(path.name, None, mode)


def see_processes(home: Path) -> ProcessesSeen:
    noted = Home(home).noted_processes()
    states = {pid: state for pid in noted.values() if (state := _state(pid)) is not None}
    return ProcessesSeen(noted, states, _is_held(home / "up.lock"))


def _state(pid: int) -> str | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return None


def _is_held(lock: Path) -> bool:
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def see_port(port: int) -> PortSeen:
    """Ask the pages on this machine whether they are ready, for three seconds at most."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_S)
    try:
        connection.request("GET", "/readyz", headers={"Host": "localhost"})
        answer = connection.getresponse()
        said = answer.read(4096)
    except ConnectionRefusedError:
        return PortSeen(port, None)
    except (OSError, http.client.HTTPException):
        return PortSeen(port, 0)
    finally:
        connection.close()
    return PortSeen(port, answer.status, _missing(said))


def _missing(said: bytes) -> str:
    try:
        told = json.loads(said)
    except ValueError:
        return ""
    return str(told.get("missing") or told.get("detail") or "")[:100] if isinstance(told, dict) else ""


def see_memory() -> MemorySeen:
    limit, available = memory_bytes(), 0
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            available = int(line.split()[1]) * 1024
    return MemorySeen(limit, min(limit, available))


def see_published(heads: Path) -> tuple[int, str, datetime] | None:
    """Find the newest whole line of the published heads: n, root in hex, when it was signed."""
    for path in sorted(heads.glob("????-??-??.jsonl"), reverse=True)[:3]:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL))
            lines = file.read().split(b"\n")
        for line in reversed(lines):
            try:
                told = json.loads(line)
                return int(told["n"]), str(told["root"]), datetime.fromisoformat(told["signed_at"])
            except (ValueError, KeyError, TypeError):
                continue  # torn off by a kill, or not ours
    return None

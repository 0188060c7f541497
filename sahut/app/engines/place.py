"""Where a home keeps its database: the files, the socket, the log.

Usually inside the home. Two things can make that impossible, and then one sentence says where it is instead:

- As root the engine runs as another user, who cannot pass a closed directory above the home. The files then live below
  ``/var/lib/sahut/engines``, under a random name that the home remembers (``engine.at``).
- The path of a socket has at most 107 bytes. A longer one moves to a short private directory that the home remembers
  (``engine.socket``).
"""

import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sahut.app.cannot_start import CannotStart
from sahut.app.child import Account
from sahut.app.engines.account import can, engine_account
from sahut.app.engines.addresses import SOCKET_RECORD

ELSEWHERE = Path("/var/lib/sahut/engines")
ELSEWHERE_RECORD = "engine.at"
SOCKET_NAME = ".s.PGSQL.5432"
_OUR_NAME = re.compile(r"[0-9a-f]{16}")
_SOCKET_PATH_BYTES = 107
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/_.+-]+")  # PostgreSQL takes a list, so a comma or a quote would split the path


@dataclass(frozen=True, slots=True)
class Place:
    """The directories of one home's database and the user to whom they belong (None: the user who started us)."""

    data: Path
    socket: Path
    log: Path
    account: Account | None


def find_place(home: Path, say: Callable[[str], None]) -> Place:
    """Decide where the database of ``home`` is and make the directories around it, but not ``data`` itself.

    **Refuses**: ``CannotStart`` when a directory cannot be made, entered or written.
    **Writes**: the directories, ``engine.at`` and ``engine.socket``.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        (home / "log").mkdir(exist_ok=True)
        (home / "run").mkdir(exist_ok=True)
        recorded = elsewhere(home)
        account = engine_account(_data(home, recorded))
        if account is not None:
            _open_for_passing(home)
            if recorded is None and not can(account, "-x", home):
                recorded = _move_elsewhere(home, say)
        log = home / "log" / "postgres" if recorded is None else recorded / "log"
        _private(log, account)
        socket = _socket(home, home / "run" / "socket" if recorded is None else recorded / "socket", account)
    except OSError as problem:
        raise CannotStart(
            f"SAHUT_HOME {home} cannot be used: {problem.strerror or problem} ({problem.filename})."
        ) from problem
    return Place(data=_data(home, recorded), socket=socket, log=log, account=account)


def leave_place(home: Path, place: Place) -> None:
    """Take away a socket directory that stood outside the home, at the end of a clean stop."""
    if home not in place.socket.parents and ELSEWHERE not in place.socket.parents:
        shutil.rmtree(place.socket, ignore_errors=True)


def _data(home: Path, recorded: Path | None) -> Path:
    return home / "engine" if recorded is None else recorded / "data"


def elsewhere(home: Path) -> Path | None:
    """Give the directory outside the home that has its database; None when it is in the home.

    **Refuses**: ``CannotStart`` when the record names anything but a directory of ours: root may be told to remove it.
    """
    record = home / ELSEWHERE_RECORD
    if not record.exists():
        return None
    name = record.read_text(errors="replace").strip()
    if not _OUR_NAME.fullmatch(name):
        raise CannotStart(f"{record} is damaged: it names no directory of ours.")
    return ELSEWHERE / name


def _move_elsewhere(home: Path, say: Callable[[str], None]) -> Path:
    directory = ELSEWHERE / secrets.token_hex(8)
    directory.mkdir(mode=0o711, parents=True)
    for place in (directory, ELSEWHERE, ELSEWHERE.parent):
        place.chmod(place.stat().st_mode & 0o7777 | 0o011)
    _record(home / ELSEWHERE_RECORD, directory.name)
    say(f"The database's user cannot enter {home}, so the database is kept in {directory}.")
    return directory


def _open_for_passing(home: Path) -> None:
    """Let the engine's user pass through the home to its own directories; it still cannot list what is there."""
    for directory in (home, home / "log", home / "run"):
        mode = directory.stat().st_mode & 0o7777
        if directory.stat().st_uid == os.geteuid() and mode & 0o011 != 0o011:
            directory.chmod(mode | 0o011)


def _socket(home: Path, wanted: Path, account: Account | None) -> Path:
    path = wanted
    length = len(os.fsencode(wanted / SOCKET_NAME)) + 1
    if length > _SOCKET_PATH_BYTES or not _PLAIN_PATH.fullmatch(str(wanted)):
        path = _remembered_socket(home, account) or _short_directory()
    _private(path, account)
    _record(home / SOCKET_RECORD, str(path))
    return path


def _remembered_socket(home: Path, account: Account | None) -> Path | None:
    record = home / SOCKET_RECORD
    path = Path(record.read_text().strip()) if record.exists() else None
    if path is None or not path.name.startswith("sahut-") or not os.path.lexists(path):
        return None
    found = path.lstat()
    ours = os.geteuid() if account is None else account.user_id
    private = stat.S_ISDIR(found.st_mode) and found.st_uid == ours and found.st_mode & 0o077 == 0
    return path if private else None


def _short_directory() -> Path:
    for above in ("/run", os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir(), "/tmp"):  # noqa: S108 — mkdtemp
        fits = len(os.fsencode(above)) < _SOCKET_PATH_BYTES - 40 and _PLAIN_PATH.fullmatch(above)
        if fits and os.access(above, os.W_OK | os.X_OK):
            return Path(tempfile.mkdtemp(prefix="sahut-", dir=above))
    raise CannotStart("The path of SAHUT_HOME is too long for a socket, and neither /run nor /tmp can be written.")


def _private(directory: Path, account: Account | None) -> None:
    directory.mkdir(mode=0o700, exist_ok=True)
    if account is not None:
        os.chown(directory, account.user_id, account.group_id)
    directory.chmod(0o700)


def _record(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    draft.write_text(text + "\n")
    draft.replace(path)

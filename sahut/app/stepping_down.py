"""Giving up root: what was started as root goes on as the service account, the same that PostgreSQL has.

Root is needed for three things only: to make the account, to bind a port below 1024, and to give the home to the
account. Afterwards a fault in a page or a parser reaches what the service may reach, and not the machine.

Whether the account can run the programs and enter the home is really tried. When it cannot (an environment in root's
own closed directory), Sahut says so in one sentence and goes on as root, with PostgreSQL alone as another user.
"""

import compileall
import contextlib
import ctypes
import importlib.util
import os
import signal
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from sahut.app.cannot_start import CannotStart
from sahut.app.child import Account
from sahut.app.engines.account import can, engine_account, name_of
from sahut.app.home import OURS

_PR_SET_PDEATHSIG, _PR_GET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 2, 4
_NOT_AS_ROOT = "{home} belongs to the user `{user}`, who {why}: mend that, or start as that user."
_PACKAGES = ("sahut", "asyncpg", "starlette", "uvloop")  # one of ours, and some whose files lie beside all others


def step_down(home: Path, say: Callable[[str], None]) -> Account | None:
    """Go on as the service account when we are root and it can do the work.

    The caller has what only root can have (sockets) already.

    **Returns**: the account; None when nothing was given up.
    **Refuses**: ``CannotStart`` when the home belongs to somebody as whom we cannot go on: root does not work in it.
    **Writes**: owner and modes of what is ours in the home.
    """
    if os.geteuid() != 0:
        return None
    try:
        account = engine_account(home / "engine")
    except CannotStart as problem:
        if home.stat().st_uid != 0:
            raise
        # Whoever has a database of their own does not need the account; the engine will ask for it again.
        say(f"Sahut goes on as root: {problem}")
        return None
    assert account is not None
    belongs = home.stat()
    if belongs.st_uid not in {0, account.user_id}:
        raise CannotStart(f"{home} belongs to one user and its database to another: give both to the same.")
    if (why := obstacle(home, account)) is not None:
        if belongs.st_uid != 0:
            # Whoever owns the home could lay links there, and lead root wherever they want.
            raise CannotStart(_NOT_AS_ROOT.format(home=home, user=account.name, why=why))
        say(f"Sahut goes on as root, since the user `{account.name}` {why}.")
        return None
    _compile()
    hand_over(home, account)
    _become(account, home)
    return account


def act_for_owner(home: Path) -> None:
    """As root, go on as the user to whom the home belongs; nothing happens when there is none, or it is root's.

    **Refuses**: ``CannotStart`` when that user cannot run us.
    """
    if os.geteuid() != 0 or not home.exists() or (owner := home.stat()).st_uid == 0:
        return
    account = Account(name=name_of(owner.st_uid), user_id=owner.st_uid, group_id=owner.st_gid)
    if (why := _cannot_run(home, account)) is not None:
        raise CannotStart(_NOT_AS_ROOT.format(home=home, user=account.name, why=why))
    _become(account, home)


def hand_over(home: Path, account: Account, names: Iterable[str] = OURS) -> None:
    """Give what is ours in the home to the account, readable by nobody else. Only what root owns changes its owner.

    Links are never followed, and a file with a second name is left alone: whoever has the account could have laid it.
    """
    top = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        _give(top, account)
        for name in names:
            _give_below(top, name, account)
    finally:
        os.close(top)


def close_to_others(home: Path) -> None:
    """Take from everybody else what an earlier release, or a careless copy, let them read of what is ours in the home.

    Links are never followed. As root, directories can still be passed through: PostgreSQL is another user then.
    """
    passing = 0o711 if os.geteuid() == 0 else 0o700
    top = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        for name in OURS:
            _close(top, name, passing)
            if (home / name).is_dir() and not (home / name).is_symlink():
                for _, directories, files, opened in os.fwalk(name, follow_symlinks=False, dir_fd=top):
                    for below in (*directories, *files):
                        _close(opened, below, passing)
    finally:
        os.close(top)


def _close(directory: int, name: str, passing: int) -> None:
    with contextlib.suppress(OSError):  # a link or a socket, missing, or gone meanwhile
        opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
        try:
            found = os.fstat(opened)
            most = passing if stat.S_ISDIR(found.st_mode) else 0o700
            if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) & ~most:
                os.fchmod(opened, stat.S_IMODE(found.st_mode) & most)
        finally:
            os.close(opened)


def strangers_in(home: Path) -> list[str]:
    """**Returns**: names in the home that are not ours; none for a home that has been one before, whatever it holds."""
    names = {entry.name for entry in home.iterdir()}
    if "secrets" in names:
        return []
    return sorted(name for name in names - set(OURS) if not name.startswith("engine"))


def obstacle(home: Path, account: Account) -> str | None:
    """**Returns**: why we cannot go on in this home as that user; None when we can."""
    if (why := _cannot_run(home, account)) is not None:
        return why
    if strangers := strangers_in(home):
        return f"is not given {home}, which holds something else too ({strangers[0]})"
    return None


def _cannot_run(home: Path, account: Account) -> str | None:
    for path in _needed():
        if not can(account, "-x" if path == Path(sys.executable) else "-r", path):
            return f"cannot read {path}"
    if not can(account, "-x", home.resolve().parent):
        return f"cannot enter {home.resolve().parent}"
    return None


def _needed() -> Iterator[Path]:
    """The interpreter, its library, and a file of packages in each place where we import from."""
    yield Path(sys.executable)
    yield Path(os.__file__)
    for name in _PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            yield Path(spec.origin)


def _compile() -> None:
    """Write the bytecode of our sources now: the account cannot, and would compile them at every start."""
    with contextlib.suppress(OSError):
        compileall.compile_dir(Path(__file__).parent.parent, quiet=2)


def _give_below(directory: int, name: str, account: Account) -> None:
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    if stat.S_ISREG(found.st_mode):
        opened = os.open(name, flags, dir_fd=directory)
        try:
            _give(opened, account)
        finally:
            os.close(opened)
    elif stat.S_ISDIR(found.st_mode):
        opened = os.open(name, flags | os.O_DIRECTORY, dir_fd=directory)
        try:
            if _give(opened, account):
                for below in os.listdir(opened):  # noqa: PTH208 — by descriptor: a path could be changed meanwhile
                    _give_below(opened, below, account)
        finally:
            os.close(opened)


def _give(opened: int, account: Account) -> bool:
    """Give one file or directory; **returns** whether it belongs to the account now."""
    found = os.fstat(opened)
    if stat.S_ISREG(found.st_mode) and found.st_nlink != 1:
        return False
    if found.st_uid == 0:
        os.fchown(opened, account.user_id, account.group_id)
    elif found.st_uid != account.user_id:
        return False
    os.fchmod(opened, stat.S_IMODE(found.st_mode) & 0o700)
    return True


def _become(account: Account, home: Path) -> None:
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    death_signal = ctypes.c_int(0)
    prctl(_PR_GET_PDEATHSIG, ctypes.byref(death_signal), 0, 0, 0)
    parent = os.getppid()
    os.setgroups([])
    os.setresgid(account.group_id, account.group_id, account.group_id)
    os.setresuid(account.user_id, account.user_id, account.user_id)
    # The kernel forgets both at the change: who watches us must still see us go, and we look into our own /proc.
    prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)
    if death_signal.value:
        prctl(_PR_SET_PDEATHSIG, death_signal.value, 0, 0, 0)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.Signals(death_signal.value))
    os.environ["HOME"] = str(home)  # root's own cannot be read any more, and drivers look for files there
    with contextlib.suppress(OSError):
        os.chdir(home)

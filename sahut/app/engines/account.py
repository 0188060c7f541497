"""Who runs PostgreSQL: it refuses root, so under root it gets a system user of its own."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from sahut.app.cannot_start import CannotStart
from sahut.app.child import Account, dropped_to

USER = "sahut"


def engine_account(data: Path) -> Account | None:
    """Choose the user for the database whose files are, or will be, in ``data``.

    **Returns**: None when this process is not root: the engine then runs as the same user. As root: the owner of files
    that exist already, else the system user ``sahut``, which is made when it is missing.
    **Refuses**: ``CannotStart``.
    """
    if os.geteuid() != 0:
        return None
    owner_id = data.stat().st_uid if data.exists() else 0
    if owner_id != 0:
        owner_group = data.stat().st_gid
        return Account(name=name_of(owner_id), user_id=owner_id, group_id=owner_group)
    entry = _entry() or _add()
    return Account(name=entry.pw_name, user_id=entry.pw_uid, group_id=entry.pw_gid)


def can(account: Account | None, test: str, path: Path) -> bool:
    """Really try, as that user, whether ``path`` passes ``test`` (``-x``, ``-r`` …)."""
    tried = subprocess.run(["test", test, str(path)], cwd="/", check=False, **dropped_to(account))  # noqa: S607
    return bool(tried.returncode == 0)


def name_of(user_id: int) -> str:
    """Give the name of a user of the operating system; one without a name has its number."""
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return str(user_id)


def _entry() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(USER)
    except KeyError:
        return None


def _add() -> pwd.struct_passwd:
    program = shutil.which("useradd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if program is None:
        raise CannotStart(
            f"PostgreSQL does not run as root and the system user `{USER}` is missing: "
            "add it, or start Sahut as an ordinary user."
        )
    options = [
        "--system",
        "--user-group",
        "--no-create-home",
        "--home-dir",
        "/nonexistent",
        "--shell",
        "/usr/sbin/nologin",
    ]
    made = subprocess.run([program, *options, USER], capture_output=True, text=True, check=False)
    entry = _entry()  # another start may have made it meanwhile, which is as good
    if entry is None:
        raise CannotStart(
            f"PostgreSQL does not run as root and the system user `{USER}` could not be added "
            f"({made.stderr.strip()}): add it, or start Sahut as an ordinary user."
        )
    return entry

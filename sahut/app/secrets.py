"""The secrets of a home: files that only the service can read, made once and never changed by us.

``secrets/`` is a directory of mode 0700, each file has mode 0600. Children are told the home, not the secret: nothing
secret is ever in an environment or on a command line, where every other user of the machine could read it.
"""

import contextlib
import os
import secrets as randomness
from collections.abc import Callable
from pathlib import Path

from sahut.app.cannot_start import CannotStart

KEY_BYTES = 32


def password(home: Path, name: str) -> str:
    """Give the database password called ``name``, made at the first call.

    **Returns**: 43 characters that need no quoting in a URL or in SQL.
    **Writes**: ``secrets/<name>`` when it is missing.
    """
    return _kept(home, name, lambda: randomness.token_urlsafe(KEY_BYTES).encode()).decode()


def key(home: Path, name: str) -> bytes:
    """Give the key called ``name``: 32 random bytes, made at the first call.

    **Refuses**: ``CannotStart`` when the file has another length, since a new key would make what the old one signed
    worthless in silence.
    **Writes**: ``secrets/<name>`` when it is missing.
    """
    kept = _kept(home, name, lambda: randomness.token_bytes(KEY_BYTES))
    if len(kept) != KEY_BYTES:
        raise CannotStart(
            f"{home / 'secrets' / name} is damaged: a key has {KEY_BYTES} bytes, put it back from a copy."
        )
    return kept


def _kept(home: Path, name: str, make: Callable[[], bytes]) -> bytes:
    directory = home / "secrets"
    path = directory / name
    try:
        return path.read_bytes()
    except FileNotFoundError:
        pass
    except PermissionError as problem:
        raise CannotStart(
            f"{path} cannot be read by this user: start Sahut as the user who owns its home."
        ) from problem
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    # By descriptor: as root this must not change or fill a directory to which the service account has laid a link.
    link = os.O_NOFOLLOW if os.geteuid() == 0 else 0
    try:
        opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | link)
    except OSError as problem:
        raise CannotStart(f"{directory} cannot be used: {problem.strerror}.") from problem
    try:
        os.fchmod(opened, 0o700)
        _write_once(opened, name, make())
        os.fsync(opened)
    finally:
        os.close(opened)
    return path.read_bytes()


def _write_once(directory: int, name: str, content: bytes) -> None:
    """A link never replaces: of several starters one wins, and all read what the winner wrote."""
    draft = f".{name}.{randomness.token_hex(8)}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=directory)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if os.geteuid() == 0:
                # A command that root types must not leave a secret that the service itself cannot read.
                owner = os.fstat(directory)
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, name, src_dir_fd=directory, dst_dir_fd=directory)
    finally:
        os.unlink(draft, dir_fd=directory)

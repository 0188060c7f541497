"""The place of the backups: what lies where, and writing there so that it is whole or not there at all.

``bases/NAME/`` one base backup each · ``wal/NNNN/`` stretches of the continuous archive, each without a gap ·
``keys/NAME.json`` the secrets of the home, apart from the data · ``heads/`` published heads of the sealed log ·
``drills.jsonl`` the drills. What is half made has a name that begins with a dot and is swept away by the next one.
"""

import contextlib
import errno
import fcntl
import json
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sahut.app.backups.wal import (
    PARTIAL,
    SEGMENT_BYTES,
    Fork,
    Segment,
    parse_history,
    parse_history_name,
    parse_lsn,
    parse_segment,
)
from sahut.app.cannot_start import CannotStart
from sahut.app.engines.account import engine_account
from sahut.app.private_files import open_private, sync_directory
from sahut.app.settings import Settings
from sahut.app.stepping_down import hand_over, obstacle

FORMAT = 1
OURS = ("bases", "wal", "keys", "heads", "drills.jsonl", "backup.lock", "archive.lock")
DRILLS_KEPT = 200


@dataclass(frozen=True, slots=True)
class Base:
    """One base backup. Positions are text as PostgreSQL writes them; ``stretch`` is the archive that goes on from it.

    ``taken_at``: when it was complete; ``bytes``: as it lies here; ``database_bytes``: as it lay there; ``head_n``: the
    newest head of the sealed log that was published then; ``embedded``: by our own engine, in the home.
    """

    name: str
    taken_at: datetime
    took_s: float
    system_identifier: str
    major: str
    timeline: int
    start_lsn: str
    end_lsn: str
    manifest_sha256: str
    bytes: int
    database_bytes: int
    stretch: int
    head_n: int
    demo: bool
    embedded: bool

    @property
    def end(self) -> int:
        return parse_lsn(self.end_lsn)


class Store:
    """The directory named by ``SAHUT_BACKUP``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bases = path / "bases"
        self.wal = path / "wal"
        self.keys = path / "keys"
        self.heads = path / "heads"
        self._drills = path / "drills.jsonl"

    def prepare(self) -> None:
        """Make the directories that are missing. **Refuses**: ``CannotStart``."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for directory in (self.bases, self.wal, self.keys, self.heads):
                directory.mkdir(mode=0o700, exist_ok=True)
                give_to_owner(self.path, directory)
        except OSError as problem:
            raise CannotStart(f"SAHUT_BACKUP {self.path} cannot be used: {problem.strerror}.") from problem

    def must_exist(self) -> None:
        """**Refuses**: ``CannotStart`` when nothing has been backed up here."""
        if not self.bases.is_dir():
            raise CannotStart(f"{self.path} holds no backup: SAHUT_BACKUP must name the directory of `sahut backup`.")

    @contextlib.contextmanager
    def held(self, what: str) -> Iterator[None]:
        """Be the only one that does ``what`` here. **Refuses**: ``CannotStart`` when another one does."""
        lock = self.path / f"{what}.lock"
        with open_private(lock) as file:
            give_to_owner(self.path, lock)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CannotStart(f"Another `sahut {what}` works in {self.path}: wait for its end.") from None
            yield

    def read_bases(self) -> list[Base]:
        """**Returns**: the base backups, newest first. One whose record cannot be read is left out."""
        found = []
        for record in self.bases.glob("*/base.json"):
            if record.parent.name.startswith("."):
                continue
            with contextlib.suppress(ValueError, KeyError, TypeError, OSError):
                found.append(_read_base(record))
        return sorted(found, key=lambda base: base.taken_at, reverse=True)

    def directory(self, base: Base) -> Path:
        return self.bases / base.name

    def stretches(self) -> list[int]:
        """**Returns**: the numbers of the stretches of the archive, oldest first."""
        return sorted(int(path.name) for path in self.wal.glob("[0-9][0-9][0-9][0-9]"))

    def stretch(self, number: int) -> Path:
        return self.wal / f"{number:04}"

    def segments(self) -> dict[Segment, Path]:
        """**Returns**: segment → file. A whole file is taken before a partial one, and a larger partial one first."""
        found: dict[Segment, Path] = {}
        for path in sorted(self.wal.glob("[0-9][0-9][0-9][0-9]/*")):
            segment = parse_segment(path.name)
            if segment is None:
                continue
            known = found.get(segment)
            if known is None or known.suffix == PARTIAL:
                found[segment] = path
        return found

    def histories(self) -> dict[int, list[Fork]]:
        """**Returns**: timeline → the timelines before it, oldest first."""
        found = {}
        for path in self.history_files():
            timeline = parse_history_name(path.name)
            if timeline is not None:
                found[timeline] = parse_history(path.read_text())
        return found

    def history_files(self) -> list[Path]:
        return sorted(self.wal.glob("[0-9][0-9][0-9][0-9]/*.history"))

    def note_drill(self, drill: dict[str, Any]) -> None:
        """Write down a drill; the newest two hundred stay."""
        lines = [*self._drill_lines(), json.dumps(drill)][-DRILLS_KEPT:]
        write_whole(self._drills, "".join(f"{line}\n" for line in lines).encode())
        give_to_owner(self.path, self._drills)

    def read_drills(self) -> list[dict[str, Any]]:
        """**Returns**: the drills, newest last."""
        found = []
        for line in self._drill_lines():
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
        return found

    def _drill_lines(self) -> list[str]:
        return self._drills.read_text().splitlines() if self._drills.exists() else []

    def prune(self, keep: int) -> list[str]:
        """Take away all but the ``keep`` newest base backups, their keys, and the log that only they needed.

        **Returns**: the names of what went. A segment goes only when every base backup that stays began after it.
        """
        bases = self.read_bases()
        stay, go = bases[:keep], bases[keep:]
        gone = []
        for base in go:
            # The record goes first, so that what is half taken away is never taken for a backup.
            (self.directory(base) / "base.json").unlink()
            shutil.rmtree(self.directory(base))
            (self.keys / f"{base.name}.json").unlink(missing_ok=True)
            gone.append(base.name)
        if not stay:
            return gone
        needed_from = min(parse_lsn(base.start_lsn) // SEGMENT_BYTES for base in stay)
        newest = self.stretch(max(self.stretches(), default=0))
        for path in sorted(self.wal.glob("[0-9][0-9][0-9][0-9]/*")):
            segment = parse_segment(path.name)
            being_written = path.suffix == PARTIAL and path.parent == newest
            if segment is not None and segment.number < needed_from and not being_written:
                path.unlink(missing_ok=True)
                gone.append(path.name)
        return gone

    def sweep(self) -> None:
        """Take away what killed backups left half made. The caller holds the lock of backups."""
        for draft in self.bases.glob(".draft-*"):
            shutil.rmtree(draft, ignore_errors=True)
        for keys in self.keys.glob("*.json"):
            if not (self.bases / keys.stem).is_dir():
                keys.unlink()  # keys live exactly as long as their base backup


def write_record(directory: Path, base: Base) -> None:
    """Write ``base.json``, the last file of a base backup."""
    write_whole(directory / "base.json", (json.dumps({"format": FORMAT, **asdict(base)}, default=str) + "\n").encode())


def write_whole(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file so that it is there whole or not at all, also after a power cut."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_directory(path.parent)


def copy_plain(source: Path, target: Path) -> None:
    """Copy a file and flush it. No link is followed, since who may write here may not read all that root may.

    Raises OSError, also when ``source`` is no plain file.
    """
    opened = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(opened, "rb") as read:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise OSError(errno.EINVAL, "no plain file", str(source))
        written = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(written, "wb") as write:
            shutil.copyfileobj(read, write, 1 << 20)
            write.flush()
            os.fsync(write.fileno())


def give_to_owner(place: Path, *paths: Path) -> None:
    """What root makes in somebody's directory belongs to that somebody, who has to prune it one day."""
    if os.geteuid() == 0:
        owner = place.stat()
        for path in paths:
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def give_place_to_service(settings: Settings) -> None:
    """As root, make the place of the backups and give it to the service account, while we can.

    Whoever has root has everything; the account must be able to write here, and below its own directory all is its own.

    **Refuses**: ``CannotStart``, also when backups are wanted and there is no address to take them from.
    """
    if settings.backup is None:
        return
    if not settings.backup_is_possible:
        raise CannotStart(
            "SAHUT_DATABASE_BACKUP_URL is missing: backups of your database need a role with REPLICATION."
        )
    if os.geteuid() != 0:
        return
    place = settings.backup.place
    try:
        for directory in (*reversed(place.parents), place):
            if not directory.exists():
                _make_passable(directory)
        account = engine_account(settings.home / "engine")
        assert account is not None
        if obstacle(settings.home, account) is not None:
            place.chmod(0o700)  # then all goes on as root, who does not work in a directory of somebody else
        elif place.stat().st_uid in {0, account.user_id}:
            strangers = sorted({path.name for path in place.iterdir()} - set(OURS) - {"lost+found"})
            if strangers:
                raise CannotStart(f"{place} holds something else ({strangers[0]}): name a directory of its own.")
            hand_over(place, account, OURS)
    except OSError as problem:
        raise CannotStart(f"SAHUT_BACKUP {place} cannot be used: {problem.strerror}.") from problem


def _make_passable(directory: Path) -> None:
    directory.mkdir()
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fchmod(opened, 0o711)
    finally:
        os.close(opened)


def now() -> datetime:
    return datetime.now(UTC)


def _read_base(record: Path) -> Base:
    told = json.loads(record.read_text())
    if told.pop("format") != FORMAT:
        raise ValueError(record)
    told["taken_at"] = datetime.fromisoformat(told["taken_at"])
    told["name"] = record.parent.name
    return Base(**told)

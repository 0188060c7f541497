"""Bringing a base backup and its log to life in a draft: unpack, check everything, and tell PostgreSQL where to stop.

Nothing here touches a home that exists. Every file is checked as it will be used: the copy that was unpacked is held
against the manifest, and the log that was copied is read record by record.
"""

import asyncio
import gzip
import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import asyncpg

from sahut.app.backups.programs import program, run
from sahut.app.backups.store import Base, Store, copy_plain, give_to_owner, write_whole
from sahut.app.backups.wal import (
    PARTIAL,
    SEGMENT_BYTES,
    Chain,
    Fork,
    Segment,
    chain_from,
    newest_timeline,
    parse_lsn,
    show_lsn,
)
from sahut.app.cannot_start import CannotStart
from sahut.app.child import Account
from sahut.app.engines import superuser_dsn
from sahut.app.engines.addresses import SUPERUSER
from sahut.app.engines.cluster import ACCESS_RULES
from sahut.app.private_files import sync_directory
from sahut.app.secrets import password

Say = Callable[[str], None]
_SPARE_BYTES = 256 << 20
_OPEN_RULES = "local all all trust\n"
_ENDED = re.compile(r"(?:at|LSN) ([0-9A-F]+/[0-9A-F]+)")  # the last one: a record may begin a segment earlier
_COMMIT = re.compile(rb"desc: (?:COMMIT|ABORT)\w* (?:\d+: )?(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+) UTC")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is restored: a base backup, the segments after it, along ``forks`` to ``timeline``, up to ``moment``.

    ``moment`` None: to the end of what there is.
    """

    base: Base
    chain: Chain
    timeline: int
    forks: tuple[Fork, ...]
    moment: datetime | None


def make_plan(store: Store, moment: datetime | None, timeline: int | None = None) -> Plan:
    """Choose the base backup and the log for ``moment`` (None: the latest), on the newest timeline or on a named one.

    **Refuses**: ``CannotStart`` when there is no backup from before ``moment``, or a segment is missing on the way
    (it is named).
    """
    bases, histories = store.read_bases(), store.histories()
    if not bases:
        raise CannotStart(f"{store.path} holds no whole base backup: `sahut backup` makes one.")
    target = timeline or newest_timeline(bases[0].timeline, bases[0].end, histories)
    forks = histories.get(target, [])
    left_at = {fork.timeline: fork.lsn for fork in forks}
    usable = [
        base
        for base in bases
        if base.timeline == target or (base.timeline in left_at and base.end <= left_at[base.timeline])
    ]
    early = [base for base in usable if moment is None or base.taken_at <= moment]
    if not early:
        oldest = min((base.taken_at for base in usable), default=None)
        since = f"the oldest is of {oldest.isoformat()}" if oldest else f"none is of timeline {target}"
        raise CannotStart(f"No base backup was complete at that moment: {since}.")
    base = early[0]
    start = Segment(parse_lsn(base.start_lsn) // SEGMENT_BYTES, base.timeline)
    chain = chain_from(start, store.segments(), forks, target)
    if chain.gap is not None and moment is None:
        raise CannotStart(
            f"The archive has a gap: segment {chain.gap.name()} is missing. "
            "Put it back, or restore to a moment before it."
        )
    return Plan(base=base, chain=chain, timeline=target, forks=tuple(forks), moment=moment)


def check_room(plan: Plan, store: Store, beside: Path) -> None:
    """**Refuses**: ``CannotStart`` when the disk has no room for the database and the log on its way."""
    files = store.segments()
    needed = plan.base.database_bytes + sum(files[segment].stat().st_size for segment in plan.chain.segments)
    free = shutil.disk_usage(beside).free
    if free < needed + _SPARE_BYTES:
        raise CannotStart(
            f"{beside} has {free >> 20} MB free and the restore needs {(needed + _SPARE_BYTES) >> 20} MB."
        )


async def unpack(plan: Plan, store: Store, data: Path, words: Path, say: Say) -> None:
    """Unpack the base backup into ``data`` and hold every file against the manifest.

    **Refuses**: ``CannotStart`` when anything is missing, damaged or other than it was.
    """
    source = store.directory(plan.base)
    manifest = (source / "backup_manifest").read_bytes()
    if hashlib.sha256(manifest).hexdigest() != plan.base.manifest_sha256:
        raise CannotStart(f"{source / 'backup_manifest'} is not the one that was written: this backup is damaged.")
    say(f"Unpacking the base backup {plan.base.name}.")
    await asyncio.to_thread(_unpack, source, data)
    (data / "backup_manifest").write_bytes(manifest)
    await run(
        "pg_verifybackup",
        ["-q", "-e", "-F", "p", data],
        None,
        words,
        lambda waited: say(f"Checking every file against the manifest ({waited:.0f} s)."),
    )
    (data / "backup_manifest").unlink()


def _unpack(source: Path, data: Path) -> None:
    data.mkdir(mode=0o700)
    room = shutil.disk_usage(data).free - _SPARE_BYTES
    try:
        for archive, target in (("base.tar.gz", data), ("pg_wal.tar.gz", data / "pg_wal")):
            # Not tarfile's own gzip, which knows one member only: pg_basebackup writes the log in several.
            with gzip.open(source / archive) as plain, tarfile.open(fileobj=plain, mode="r|") as opened:
                for member in opened:
                    room -= member.size
                    if room < 0:
                        raise CannotStart(f"{source} unpacks to more than there is room for.")
                    _lay(opened, member, target)
    except (OSError, EOFError, tarfile.TarError, ValueError, zlib.error) as problem:
        raise CannotStart(f"{source} is damaged: it cannot be unpacked ({type(problem).__name__}).") from problem


def _lay(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    """Write one member below ``target``. A database without tablespaces has plain files and directories only.

    By hand, since ``extractall`` has learned to check with 3.11.4, and follows links that an archive brings.
    """
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        raise tarfile.TarError("a member that leads outside")
    path = target / name
    if member.isdir():
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return
    content = archive.extractfile(member) if member.isreg() else None
    if content is None:
        raise tarfile.TarError("a member that is no plain file")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as written:
        shutil.copyfileobj(content, written, 1 << 20)


async def lay_log(plan: Plan, store: Store, data: Path, say: Say) -> datetime | None:
    """Copy the archived log beside the base backup and read it all.

    **Returns**: when the last transaction in it ended; None when there was none since the base backup.
    **Refuses**: ``CannotStart`` when a record before the end is damaged, or the log ends before ``moment``.
    """
    say(f"Copying {len(plan.chain.segments)} segments of the log and reading every record.")
    return await asyncio.to_thread(_lay_log, plan, store, data)


def _lay_log(plan: Plan, store: Store, data: Path) -> datetime | None:
    target, files = data / "pg_wal", store.segments()
    try:
        _copy_log(plan, store, files, target)
    except OSError as problem:
        raise CannotStart(
            f"The log of {store.path} cannot be copied: {problem.strerror} ({problem.filename})."
        ) from problem
    last: datetime | None = None
    for ended_at in _transactions(plan, target, files):
        if plan.moment is not None and ended_at > plan.moment:
            return last
        last = ended_at
    if plan.moment is not None:
        until = "its base backup" if last is None else last.isoformat()
        gap = f", since segment {plan.chain.gap.name()} is missing" if plan.chain.gap else ""
        raise CannotStart(f"The archive ends at {until}{gap}, before {plan.moment.isoformat()}: use --to latest.")
    return last


def _copy_log(plan: Plan, store: Store, files: Mapping[Segment, Path], target: Path) -> None:
    for segment in _needed(plan, files):
        beside = target / segment.name()
        # What is being written is true up to where it ends; the base backup may have brought more of the same segment.
        if files[segment].suffix != PARTIAL or not beside.exists() or _filled(files[segment]) > _filled(beside):
            copy_plain(files[segment], beside)
    for history in store.history_files():
        copy_plain(history, target / history.name)
    sync_directory(target)


def _needed(plan: Plan, files: Mapping[Segment, Path]) -> list[Segment]:
    """Where timelines part, the older file is wanted too, because the log is read along each of them."""
    if not plan.chain.segments:
        return []
    first, last = plan.chain.segments[0].number, plan.chain.segments[-1].number
    timelines = {segment.timeline for segment in plan.chain.segments} | {plan.base.timeline}
    return sorted(one for one in files if first <= one.number <= last and one.timeline in timelines)


def _filled(path: Path) -> int:
    return len(path.read_bytes().rstrip(b"\0"))


def _transactions(plan: Plan, directory: Path, files: Mapping[Segment, Path]) -> Iterator[datetime]:
    """Read every record along the timelines, and yield when each transaction ended, in the order of the log."""
    left_at = {fork.timeline: fork.lsn for fork in plan.forks}
    begin = parse_lsn(plan.base.start_lsn)
    for timeline in sorted({segment.timeline for segment in plan.chain.segments} | {plan.base.timeline}):
        until = left_at.get(timeline)
        command = [program("pg_waldump"), "-p", str(directory), "-t", str(timeline), "-s", show_lsn(begin)]
        command += ["-r", "Transaction", *(["-e", show_lsn(until)] if until is not None else [])]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={"LC_ALL": "C", "TZ": "UTC"}
        ) as reading:
            assert reading.stdout is not None
            assert reading.stderr is not None
            try:
                for line in reading.stdout:
                    if (found := _COMMIT.search(line)) is not None:
                        yield datetime.fromisoformat(found[1].decode()).replace(tzinfo=UTC)
                said = reading.stderr.read().decode(errors="replace")
            finally:
                reading.stdout.close()  # who has read enough does not read the rest
        if reading.returncode != 0 and "could not find file" not in said:
            _check_end(plan, files, said, until)
        begin = until if until is not None else begin


def _check_end(plan: Plan, files: Mapping[Segment, Path], said: str, until: int | None) -> None:
    """Where reading ended must be in the last segment, and that one unfinished; else something is damaged."""
    places = [parse_lsn(place) for place in _ENDED.findall(said)]
    if not places:
        raise CannotStart(f"pg_waldump cannot read the archive: {said.strip()[-300:]}")
    if not plan.chain.segments:
        return
    ended, last = places[-1], plan.chain.segments[-1]
    number = ended // SEGMENT_BYTES
    last_number = last.number if until is None else until // SEGMENT_BYTES
    if number < last_number or (until is None and number == last.number and files[last].suffix != PARTIAL):
        damaged = next((one for one in plan.chain.segments if one.number == number), last)
        raise CannotStart(f"Segment {damaged.name()} of the archive is damaged at {show_lsn(ended)}.")


def prepare_start(plan: Plan, data: Path, account: Account | None) -> None:
    """Write where recovery stops, and give the files to the user who runs the engine.

    Recovery ends after the last transaction that ended at ``moment`` or before it, and goes on in a new timeline.
    """
    wanted = {
        "restore_command": "false",  # all of the log lies in pg_wal already
        "recovery_target_timeline": str(plan.timeline),
        "recovery_target_action": "promote",
        "hot_standby": "off",  # nobody looks in before it is done, and limits of another machine do not matter
    }
    if plan.moment is not None:
        wanted["recovery_target_time"] = plan.moment.isoformat(timespec="microseconds")
        wanted["recovery_target_inclusive"] = "on"
    (data / "standby.signal").unlink(missing_ok=True)  # a standby would follow somebody, and never be ready
    write_whole(data / "recovery.signal", b"")
    settings = "".join(f"{name} = '{value}'\n" for name, value in wanted.items())
    write_whole(data / "postgresql.auto.conf", settings.encode())
    # The rules and settings are ours whatever came with the backup: a setting can name a program to run. The passwords
    # of another server are not known, so until they are set anew (`take_over`) the socket asks for none; only the
    # engine's user enters the directory it lies in.
    rules = ACCESS_RULES if plan.base.embedded else _OPEN_RULES
    for name, content in (("pg_hba.conf", rules), ("pg_ident.conf", ""), ("postgresql.conf", "")):
        (data / name).unlink(missing_ok=True)
        write_whole(data / name, content.encode())
    if account is not None:
        for place, directories, names in os.walk(data):
            for name in (".", *directories, *names):
                os.chown(Path(place) / name, account.user_id, account.group_id, follow_symlinks=False)


async def take_over(draft: Path, data: Path) -> None:
    """Give a database that came from another server our superuser's password, and ask for passwords from now on."""
    secret = password(draft, SUPERUSER)
    connection = await asyncpg.connect(superuser_dsn(draft), timeout=30)
    try:
        await connection.execute("set log_min_error_statement = panic")
        await connection.execute(f"alter role {SUPERUSER} password '{secret}'")
        write_whole(data / "pg_hba.conf", ACCESS_RULES.encode())
        give_to_owner(data, data / "pg_hba.conf")
        await connection.execute("select pg_reload_conf()")
    finally:
        await connection.close()


def forget_target(data: Path) -> None:
    """Take away what was said for this recovery alone. The engine's settings come from its command line."""
    (data / "postgresql.auto.conf").write_text("# Sahut gives its settings when it starts the database.\n")

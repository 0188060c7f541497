"""Taking a base backup: a copy of the whole database at one moment, whole, checked, and with what belongs to it.

``pg_basebackup`` copies, ``pg_verifybackup`` reads everything again and holds it against the manifest, and only then
does the draft get its name. It carries the log of its own minutes, so it can be restored without the archive too.
"""

import asyncio
import hashlib
import json
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from sahut.app.backups.heads import copy_heads, newest_head_n
from sahut.app.backups.keys import read_passphrase, read_secrets, seal_keys
from sahut.app.backups.programs import access, run
from sahut.app.backups.store import (
    Base,
    Store,
    give_to_owner,
    now,
    write_record,
    write_whole,
)
from sahut.app.cannot_start import CannotStart
from sahut.app.engines.postgres import MAJOR
from sahut.app.home import Home
from sahut.app.private_files import sync_directory
from sahut.app.settings import BackupSettings, Settings

Say = Callable[[str], None]
_MEBIBYTE = 1 << 20
_SPARE_BYTES = 64 << 20
_log = structlog.get_logger()


def backup_settings(settings: Settings) -> tuple[BackupSettings, str]:
    """Give where to and where from. **Refuses**: ``CannotStart`` naming the setting that is missing."""
    if settings.backup is None:
        raise CannotStart("SAHUT_BACKUP is missing: name a directory for backups, best on another disk.")
    dsn = settings.backup_dsn
    if dsn is None:
        raise CannotStart("SAHUT_DATABASE_BACKUP_URL is missing: backups are taken as a role with REPLICATION.")
    return settings.backup, dsn


async def take_base(settings: Settings, say: Say) -> Base:
    """Take a base backup now, with the keys and the published heads, and prune what is older than wanted.

    **Refuses**: ``CannotStart`` when another one is being taken, the database cannot be copied, or the copy is not what
    was sent; then nothing of it stays.
    **Writes**: ``bases/NAME``, ``keys/NAME.json``, ``heads``.
    """
    wanted, dsn = backup_settings(settings)
    passphrase = read_passphrase(wanted.passphrase_file)
    store = Store(wanted.place)
    store.prepare()
    with store.held("backup"):
        store.sweep()
        draft = store.bases / f".draft-{secrets.token_hex(8)}"
        draft.mkdir(mode=0o700)
        try:
            base = await _copy(settings, store, dsn, draft, say)
            keys = store.keys / f"{base.name}.json"
            write_whole(keys, seal_keys(read_secrets(settings.home), passphrase))
            write_record(draft, base)
            give_to_owner(store.path, draft, keys, *draft.iterdir())
            copy_heads(Home(settings.home).heads, store.heads)
            draft.rename(store.directory(base))
            sync_directory(store.bases)
        except OSError as problem:
            raise CannotStart(f"{store.path} cannot be written: {problem.strerror}.") from problem
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        store.prune(wanted.keep)
    _log.info("backup_taken", backup=base.name, bytes=base.bytes, took_s=base.took_s)
    return base


async def _copy(settings: Settings, store: Store, dsn: str, draft: Path, say: Say) -> Base:
    began = time.monotonic()
    way = access(dsn, settings.home, "sahut-backup")
    words = draft / "words"
    options: list[str | Path] = [
        *("-d", way.url, "-w", "-D", draft / "files", "--no-clean"),
        *("-F", "t", "-Z", "client-gzip:1"),  # level 1 takes the air out at the speed of a disk
        *("-X", "stream", "-c", "fast", "--manifest-checksums=SHA256", "-l", "sahut"),
    ]

    def copying(waited: float) -> None:
        written = sum(path.stat().st_size for path in (draft / "files").glob("*"))
        say(f"Copying the database ({waited:.0f} s, {written // _MEBIBYTE} MB so far).")

    await run("pg_basebackup", options, way, words, copying)
    files = draft / "files"
    await run(
        "pg_verifybackup",
        ["-q", "-e", "-n", "-F", "t", files],  # the log inside is read when it is restored, and by the drill
        None,
        words,
        lambda waited: say(f"Reading the copy again ({waited:.0f} s)."),
    )
    words.unlink()
    for path in files.iterdir():
        path.rename(draft / path.name)
    files.rmdir()
    return await asyncio.to_thread(_describe, settings, store, draft, time.monotonic() - began)


def _describe(settings: Settings, store: Store, draft: Path, took_s: float) -> Base:
    content = (draft / "backup_manifest").read_bytes()
    manifest = json.loads(content)
    began, ended = manifest["WAL-Ranges"][0], manifest["WAL-Ranges"][-1]
    major = _major(manifest)
    home = Home(settings.home)
    taken_at = now()
    _must_be_the_same(store, str(manifest.get("System-Identifier", "")))
    return Base(
        name=f"{taken_at:%Y%m%dT%H%M%S}.{taken_at.microsecond // 1000:03}Z",
        taken_at=taken_at,
        took_s=round(took_s, 3),
        system_identifier=str(manifest.get("System-Identifier", "")),
        major=major,
        timeline=int(ended["Timeline"]),
        start_lsn=began["Start-LSN"],
        end_lsn=ended["End-LSN"],
        manifest_sha256=hashlib.sha256(content).hexdigest(),
        bytes=sum(path.stat().st_size for path in draft.iterdir()),
        database_bytes=sum(int(file["Size"]) for file in manifest["Files"]),
        stretch=max(store.stretches(), default=0),
        head_n=newest_head_n(home.heads),
        demo=home.is_demo,
        embedded=settings.database_url is None,
    )


def _major(manifest: dict[str, Any]) -> str:
    """``PG_VERSION`` holds the major release and a line break: three bytes tell no more than its checksum does."""
    for file in manifest["Files"]:
        if file["Path"] == "PG_VERSION":
            for major in range(12, 40):
                if hashlib.sha256(f"{major}\n".encode()).hexdigest() == file["Checksum"]:
                    return str(major)
    return MAJOR


def _must_be_the_same(store: Store, system_identifier: str) -> None:
    for base in store.read_bases()[:1]:
        if base.system_identifier != system_identifier:
            raise CannotStart(
                f"{store.path} holds the backups of another database: give each database its own SAHUT_BACKUP."
            )

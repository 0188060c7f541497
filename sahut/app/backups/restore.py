"""Restoring: a new home from a backup, to a moment or to the end, checked before it gets its name.

All happens in a draft beside the home that is wanted. Only when the database has recovered, the books were audited and
the log was held against the published heads is the draft renamed; a restore that is killed leaves a draft that the next
one sweeps away, and never half a home.
"""

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from sahut.app.audit import audit
from sahut.app.backups.heads import Branch, Comparison, compare_heads, copy_heads, read_heads
from sahut.app.backups.keys import open_keys, read_passphrase, write_secrets
from sahut.app.backups.recovery import (
    Plan,
    check_room,
    forget_target,
    lay_log,
    make_plan,
    prepare_start,
    take_over,
    unpack,
)
from sahut.app.backups.store import Store, now, write_whole
from sahut.app.cannot_start import CannotStart
from sahut.app.engines import Engine, app_dsn, owner_dsn
from sahut.app.engines.leftovers import processes_in
from sahut.app.engines.place import Place, elsewhere, find_place
from sahut.app.engines.postgres import MAJOR
from sahut.app.home import Home
from sahut.app.private_files import open_private, sync_directory
from sahut.app.settings import Settings
from sahut.care import reserve_number_blocks
from sahut.db import Connection, MigrationChanged, Queries, migrate, open_connection
from sahut.work import EventRow, Signer, append_event, read_head, read_log

Say = Callable[[str], None]
TOPIC, KIND = "house", "database_restored"
_queries = Queries.load("sahut.app.backups")
# A block is 500 contact numbers. What was lost may have been given to people, so none of it is given again.
_BLOCKS_SKIPPED, _NUMBERS_IN_A_BLOCK, _MOST_BLOCKS = 200, 500, 20_000
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Restored:
    """What stands after a restore. Moments are of the database's clock; ``steps_s``: what each part took, in seconds.

    ``ended_at``: when the last restored transaction had ended; ``missing``: events that the newest published head
    counts and the restored log does not have; ``findings``: what does not agree, empty when all does.
    """

    home: Path
    base: str
    timeline: int
    moment: datetime | None
    ended_at: datetime | None
    last_event_at: datetime | None
    last_event: str
    last_transfer_at: datetime | None
    transfers: int
    contacts: int
    log_n: int
    published_n: int
    published_at: datetime | None
    proven_n: int
    missing: int
    findings: tuple[str, ...]
    steps_s: dict[str, float]

    @property
    def is_clean(self) -> bool:
        return not self.findings

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "home": str(self.home), "clean": self.is_clean}


class Steps:
    """How long each step took."""

    def __init__(self) -> None:
        self.taken: dict[str, float] = {}

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.taken[name] = round(time.monotonic() - began, 3)


def parse_moment(text: str) -> datetime | None:
    """Read ``--to``: ``latest`` gives None. **Refuses**: ``CannotStart`` when there is no time zone."""
    if text == "latest":
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CannotStart(f"--to must be `latest` or a moment like 2026-03-01T12:00:00+07:00, not {text!r}.") from None
    if moment.tzinfo is None:
        raise CannotStart(f"--to {text} has no time zone: add it, as in {text}+07:00 or {text}Z.")
    return moment.astimezone(UTC)


async def restore(
    settings: Settings, target: Path, moment: datetime | None, say: Say, timeline: int | None = None
) -> Restored:
    """Make the home ``target`` from the backups, as it was at ``moment`` (None: at the end of what there is).

    A transaction belongs to it when it had ended at ``moment`` or before, by the clock of the database.

    **Refuses**: ``CannotStart``; then there is no new home, and nothing that was there has been touched.
    **Writes**: ``target``; in its log the event ``database_restored``.
    """
    if settings.backup is None:
        raise CannotStart("SAHUT_BACKUP is missing: it names the directory where the backups are.")
    _check_target(target)
    store = Store(settings.backup.place)
    store.must_exist()
    plan = make_plan(store, moment, timeline)
    if plan.base.major != MAJOR:
        raise CannotStart(
            f"The backup is of PostgreSQL {plan.base.major} and this is {MAJOR}: "
            "restore it with the release that made it."
        )
    passphrase = read_passphrase(settings.backup.passphrase_file)
    keys = open_keys(store.keys / f"{plan.base.name}.json", passphrase)
    steps = Steps()
    with _draft_beside(target) as draft:
        check_room(plan, store, draft)
        say(f"Restoring {plan.base.name} and the log after it.")
        place = _lay_out(draft, plan, keys, say)
        with steps.step("unpack_and_check_files"):
            await unpack(plan, store, place.data, draft / "words", say)
        with steps.step("copy_and_read_log"):
            ended_at = await lay_log(plan, store, place.data, say)
        (draft / "words").unlink()
        prepare_start(plan, place.data, place.account)
        copy_heads(store.heads, Home(draft).heads)
        restored = await _live_once(draft, place, plan, ended_at, target, steps, say)
        write_whole(draft / "restored.json", (json.dumps(restored.as_dict(), default=str) + "\n").encode())
        _give_its_name(draft, target)
    _log.info("restored", log_n=restored.log_n, missing=restored.missing, clean=restored.is_clean)
    return restored


def _check_target(target: Path) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise CannotStart(f"{target} is not a directory: a restore makes a new home.")
    if (target / "up.lock").exists():
        with contextlib.suppress(OSError), open_private(target / "up.lock") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CannotStart(f"Sahut is running in {target}: a restore never touches a home that runs.") from None
    if any(target.iterdir()):
        raise CannotStart(f"{target} is not empty and is never overwritten: move it away, or name another with --into.")


@contextlib.contextmanager
def _draft_beside(target: Path) -> Iterator[Path]:
    """A directory that is renamed at the end; what is still there then, or was left by a killed restore, goes."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for leftover in target.parent.glob(f".{target.name}.restoring-*"):
            _sweep(leftover)
        draft = target.with_name(f".{target.name}.restoring-{secrets.token_hex(4)}")
        draft.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700)
    except OSError as problem:
        raise CannotStart(f"{target.parent} cannot be used: {problem.strerror}.") from problem
    try:
        Home(draft).prepare()
        with Home(draft).held():
            yield draft
    finally:
        if draft.exists():
            discard(draft)


def _give_its_name(draft: Path, target: Path) -> None:
    if target.exists():
        target.rmdir()  # it was empty
    draft.rename(target)
    sync_directory(target.parent)


def _sweep(leftover: Path) -> None:
    """Take away a draft, unless somebody works in it. **Refuses**: ``CannotStart``."""
    lock = leftover / "up.lock"
    if lock.exists():
        with open_private(lock) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CannotStart(f"Another restore works in {leftover}: wait for its end.") from None
    until = time.monotonic() + 10
    while processes_in(_data_of(leftover)):  # a killed restore's database ends by itself
        if time.monotonic() > until:
            raise CannotStart(f"The database of a killed restore still runs in {leftover}: end it first.")
        time.sleep(0.05)
    discard(leftover)


def _data_of(home: Path) -> Path:
    beside = elsewhere(home)
    return home / "engine" if beside is None else beside / "data"


def discard(home: Path) -> None:
    """Take away a home in which nobody works, wherever its database lies; nothing happens when there is none."""
    if (beside := elsewhere(home)) is not None:
        shutil.rmtree(beside, ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)


def _lay_out(draft: Path, plan: Plan, keys: dict[str, bytes], say: Say) -> Place:
    if plan.base.demo:
        Home(draft).mark_as_demo()
    write_secrets(draft, keys)
    return find_place(draft, say)


async def _live_once(
    draft: Path,
    place: Place,
    plan: Plan,
    ended_at: datetime | None,
    target: Path,
    steps: Steps,
    say: Say,
) -> Restored:
    """Let the database recover, audit it, hold it against the heads, write down what happened, and stop it cleanly."""
    signer = Signer.from_seed((draft / "secrets" / "desk.key").read_bytes())
    engine = Engine(draft, say)
    with steps.step("recover"):
        say("The database is recovering.")
        await engine.start()
    try:
        forget_target(place.data)
        if not plan.base.embedded:
            await take_over(draft, place.data)
        await _bring_to_this_release(draft)
        with steps.step("audit"):
            say("Going over the books and the log.")
            findings = await audit(app_dsn(draft), signer.public_key)
        connection = await open_connection(app_dsn(draft), name="sahut-restore", command_timeout_s=600)
        try:
            with steps.step("compare_heads"):
                compared = await _compare(connection, draft, signer.public_key)
            told = await _what_stands(connection, compared.log_n)
            await _go_on(connection, compared, plan)
        finally:
            await connection.close()
    finally:
        with steps.step("stop"):
            await engine.stop()
    return Restored(
        home=target,
        base=plan.base.name,
        timeline=plan.timeline,
        moment=plan.moment,
        ended_at=ended_at,
        log_n=compared.log_n,
        published_n=compared.published_n,
        published_at=compared.published_at,
        proven_n=compared.proven_n,
        missing=compared.missing,
        findings=(*(str(finding) for finding in findings), *compared.findings, *_emptiness(plan, compared)),
        steps_s=steps.taken,
        **told,
    )


async def _bring_to_this_release(draft: Path) -> None:
    try:
        await migrate(owner_dsn(draft))
    except MigrationChanged as problem:
        raise CannotStart(f"The backup belongs to another release ({problem}): restore it with that one.") from problem


def _emptiness(plan: Plan, compared: Comparison) -> list[str]:
    """A database under another name than ours would be restored beside an empty one, whose books agree."""
    if compared.log_n > 0 or plan.base.head_n == 0:
        return []
    return [f"The log is empty, and n={plan.base.head_n} had been published before the base backup."]


async def _compare(connection: Connection, draft: Path, public_key: bytes) -> Comparison:
    head = await read_head(connection)
    rows = await _queries.restores_before.fetch(connection, topic=TOPIC, kind=KIND)
    branches = [Branch(row["n"], row["at"]) for row in rows]
    return await compare_heads(connection, head.n, read_heads([Home(draft).heads], public_key), branches)


async def _what_stands(connection: Connection, log_n: int) -> dict[str, Any]:
    last = await read_log(connection, max(0, log_n - 1), 1)
    stands = await _queries.what_stands.fetchrow(connection)
    assert stands is not None
    return {
        **stands,
        "last_event_at": last[0].at if last else None,
        "last_event": f"{last[0].topic} {last[0].kind}" if last else "",
    }


async def _go_on(connection: Connection, compared: Comparison, plan: Plan) -> None:
    """Tell it in the log, and give no contact number again that somebody may have been given in what is lost."""
    blocks = min(_MOST_BLOCKS, _BLOCKS_SKIPPED + compared.missing // _NUMBERS_IN_A_BLOCK)
    body = {
        "n": compared.log_n,
        "published_n": compared.published_n,
        "missing": compared.missing,
        "base": plan.base.name,
        "moment": plan.moment.isoformat() if plan.moment else "latest",
        "at": now().isoformat(),
    }
    async with connection.transaction():
        await reserve_number_blocks(connection, blocks)
        await append_event(connection, EventRow(TOPIC, compared.log_n, KIND, body))

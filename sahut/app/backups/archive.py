"""The continuous archive: every commit leaves the machine's disk within moments, and somebody watches that it does.

``pg_receivewal`` streams the write-ahead log from a replication slot and flushes it at once. The slot makes the server
keep what has not been received, up to a bound, so a full or hanging archive never stops the payments: beyond the bound
the archive has a gap, which is said loudly, and a new stretch begins with a base backup of its own.
"""

import asyncio
import contextlib
import json
import signal
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path

import asyncpg
import structlog

from sahut.app.backups.base import backup_settings, take_base
from sahut.app.backups.heads import copy_heads
from sahut.app.backups.programs import Access, access, last_words, run, start
from sahut.app.backups.store import Store, give_to_owner, now
from sahut.app.cannot_start import CannotStart
from sahut.app.child import Child
from sahut.app.home import Home
from sahut.app.settings import Settings
from sahut.db import AWAY, open_connection

SLOT = "sahut_backup"
STATE = "archive.json"
LOOK_S, HEADS_EVERY_LOOKS = 0.5, 4
DRAIN_S = 3.0
_PAUSES_S = (0.0, 0.1, 0.2, 0.5, 1.0)
_SETTLED_S = 10.0
_BASE_LOOK_S = 1.0
_BASE_AGAIN = timedelta(minutes=10)
_SAMPLES = 1200

_SLOT_STATE = """
select pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::bigint as server,
       (select pg_wal_lsn_diff(restart_lsn, '0/0')::bigint from pg_replication_slots where slot_name = $1) as archived,
       (select coalesce(wal_status, '') from pg_replication_slots where slot_name = $1) as slot
"""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ArchiveState:
    """How the archive stands; written into the home, since the archive's own disk may be what is in trouble.

    ``lag_bytes``, ``lag_s``: log that the server has flushed and the archive has not, and for how long; ``trouble``: in
    words, empty when all is well; ``base_trouble``: why the last base backup was not taken.
    """

    at: str = ""
    stretch: int = 0
    receiving: bool = False
    lag_bytes: int = 0
    lag_s: float = 0.0
    trouble: str = ""
    base_trouble: str = ""


class Archive:
    """One running archive: what it knows, and its parts, each of which goes on by itself."""

    def __init__(self, settings: Settings, say: Callable[[str], None] = lambda _: None) -> None:
        self._settings, self._say = settings, say
        self._wanted, dsn = backup_settings(settings)
        self._store = Store(self._wanted.place)
        self._way: Access = access(dsn, settings.home, "sahut-archive")
        self._words = settings.home / "log" / "archive-receive.log"
        self._child: Child | None = None
        self._state = ArchiveState()
        self._slot = "unknown"  # as the server calls it; "missing" when there is none
        self._sent: deque[tuple[float, int]] = deque(maxlen=_SAMPLES)
        self._stretch_is_new = False

    async def run(self, ending: asyncio.Event) -> None:
        """Archive until ``ending``, then wait a moment for what was committed last."""
        self._store.prepare()
        with self._store.held("archive"):
            watching = asyncio.create_task(self._watch())
            parts = [asyncio.create_task(self._receive()), asyncio.create_task(self._take_bases())]
            told = asyncio.create_task(ending.wait())
            try:
                await asyncio.wait({told, watching, *parts}, return_when=asyncio.FIRST_COMPLETED)
                for part in (watching, *parts):
                    if part.done():
                        part.result()  # none ends by itself: what ended it is told, and the process begins anew
                await self._drain()
            finally:
                for task in (*parts, watching, told):
                    task.cancel()
                await asyncio.gather(*parts, watching, told, return_exceptions=True)
                if self._child is not None:
                    await self._child.end(signal.SIGINT, grace_s=2)

    async def _drain(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                mark = self._sent[-1][0] if self._sent else 0.0
                while self._state.receiving and (not self._sent or self._sent[-1][0] == mark or self._state.lag_bytes):
                    await asyncio.sleep(LOOK_S / 5)

    async def _receive(self) -> None:
        """Keep ``pg_receivewal`` running. It ends when the server does, the disk is full, or somebody kills it."""
        ends = 0
        while True:
            while self._slot == "unknown":
                await asyncio.sleep(LOOK_S / 5)
            began = time.monotonic()
            try:
                await self._begin_stretch_when_due()
                code = await self._receive_once()
                said = last_words(self._words)
            except (CannotStart, OSError) as problem:
                code, said = 1, str(problem)
            lived_s = time.monotonic() - began
            ends = 1 if lived_s >= _SETTLED_S else ends + 1
            pause_s = _PAUSES_S[min(ends, len(_PAUSES_S)) - 1]
            self._state = replace(self._state, receiving=False, trouble=said)
            # These programs never quote rows: what they say names files, sizes and positions.
            _log.warning("archive_interrupted", code=code, said=said, again_in_s=pause_s)
            self._slot = "unknown"
            await asyncio.sleep(pause_s)

    async def _begin_stretch_when_due(self) -> None:
        """A stretch has no gap. A slot that is new, or that the server gave up, begins another one."""
        if self._slot == "lost":
            _log.error("archive_has_a_gap", stretch=self._state.stretch)
            self._say("The archive has a gap: the log that it missed is gone. It begins anew with a base backup.")
            await self._pg_receivewal("--drop-slot", "-S", SLOT)
            self._slot = "missing"
        newest = max(self._store.stretches(), default=0)
        if self._slot == "missing" or newest == 0:
            if self._slot == "missing":
                await self._pg_receivewal("--create-slot", "-S", SLOT, "--if-not-exists")
            newest += 1
            directory = self._store.stretch(newest)
            directory.mkdir(mode=0o700)
            give_to_owner(self._store.path, directory)
            _log.info("archive_begins", stretch=newest)
        self._state = replace(self._state, stretch=newest)

    async def _pg_receivewal(self, *options: str) -> None:
        await run("pg_receivewal", ["-d", self._way.url, "-w", *options], self._way, self._words, lambda _: None)

    async def _receive_once(self) -> int:
        options: list[str | Path] = [
            *("-d", self._way.url, "-w", "-n", "-S", SLOT, "-D", self._store.stretch(self._state.stretch)),
            "--synchronous",  # flushed as soon as it is here, and only then told to the server as received
            "--status-interval=1",  # the end of a segment is flushed without being told, until this passes
        ]
        with self._words.open("wb") as output:
            self._child = start("pg_receivewal", options, self._way, output.fileno())
        Home(self._settings.home).note_process("archive-receive", self._child.pid)
        self._state = replace(self._state, receiving=True)
        try:
            return await self._child.wait()
        finally:
            Home(self._settings.home).forget_process("archive-receive")

    async def _watch(self) -> None:
        """Ask the server how far it is, and write down how far the archive is behind."""
        looks = 0
        while True:
            try:
                connection = await open_connection(self._settings.app_dsn, name="sahut-archive watch")
                try:
                    while True:
                        await self._look(connection)
                        looks += 1
                        if looks % HEADS_EVERY_LOOKS == 0:
                            await self._copy_heads()
                        await asyncio.sleep(LOOK_S)
                finally:
                    connection.terminate()
            except (*AWAY, asyncpg.PostgresError) as problem:
                self._tell(replace(self._state, trouble=f"the database does not answer ({type(problem).__name__})"))
                await asyncio.sleep(LOOK_S)

    async def _copy_heads(self) -> None:
        try:
            await asyncio.to_thread(copy_heads, Home(self._settings.home).heads, self._store.heads)
        except OSError as problem:
            self._state = replace(self._state, trouble=f"heads cannot be copied: {problem.strerror}")

    async def _look(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        row = await connection.fetchrow(_SLOT_STATE, SLOT)
        assert row is not None
        at = time.monotonic()
        self._sent.append((at, row["server"]))
        self._slot = row["slot"] if row["slot"] is not None else "missing"
        if self._slot == "lost" and self._child is not None and self._child.exit_code() is None:
            self._child.send(signal.SIGINT)  # it asks for what is gone; it comes back with a new stretch
        archived = row["archived"] or 0
        behind = [when for when, server in self._sent if server > archived]
        state = replace(
            self._state,
            lag_bytes=max(0, row["server"] - archived) if archived else 0,
            lag_s=round(at - behind[0], 3) if behind and archived else 0.0,
        )
        if state.receiving and state.lag_s < 5:
            state = replace(state, trouble="")
        self._tell(state)

    def _tell(self, state: ArchiveState) -> None:
        """Write the state for whoever asks: whole at every moment, and never worth a flush."""
        self._state = replace(state, at=now().isoformat())
        path = self._settings.home / "run" / STATE
        with contextlib.suppress(OSError):
            draft = path.with_name(f".{STATE}")
            draft.write_text(json.dumps(asdict(self._state)))
            draft.replace(path)

    async def _take_bases(self) -> None:
        """Take a base backup whenever the newest is too old or the archive does not go on from it."""
        failed_at = None
        while True:
            await asyncio.sleep(_BASE_LOOK_S if failed_at or self._state.receiving else LOOK_S)
            if not self._state.receiving or (failed_at is not None and now() - failed_at < _BASE_AGAIN):
                continue
            if not self._base_is_due():
                continue
            failed_at = now()
            try:
                await take_base(self._settings, self._say)
                failed_at = None
                self._state = replace(self._state, base_trouble="")
            except CannotStart as problem:
                self._state = replace(self._state, base_trouble=str(problem))
                _log.error("backup_failed", said=str(problem))

    def _base_is_due(self) -> bool:
        newest = next(iter(self._store.read_bases()), None)
        if newest is None or newest.stretch != self._state.stretch:
            return True
        return now() - newest.taken_at >= timedelta(hours=self._wanted.every_hours)


def read_state(home: Path) -> ArchiveState | None:
    """**Returns**: how the archive stood when it last said so; None when none has run in this home."""
    try:
        told = json.loads((home / "run" / STATE).read_text())
        return ArchiveState(**told)
    except (OSError, ValueError, TypeError):
        return None

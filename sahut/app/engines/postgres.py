"""PostgreSQL under our own small supervisor.

The server is a child that dies with us and that nobody reaches but through a private socket with a generated password.
Whatever was killed before, and in whatever order, ``start`` comes back with a database that has recovered.
"""

import asyncio
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg

from sahut.app.cannot_start import CannotStart
from sahut.app.child import Child
from sahut.app.engines.addresses import SUPERUSER, app_dsn, superuser_dsn
from sahut.app.engines.binaries import find_programs_for
from sahut.app.engines.cluster import check_files, make_files, make_roles
from sahut.app.engines.leftovers import clear_ground
from sahut.app.engines.machine import fit, memory_bytes
from sahut.app.engines.place import Place, find_place, leave_place
from sahut.app.private_files import open_private
from sahut.app.secrets import password

MAJOR = "18"
CONNECTIONS = 400
_SENTENCE_EVERY_S = 5.0
_CONNECT_TRIES = 10
_LAST_WORDS = 65_536
# Given at each start, so that they are those of this release and not of the day of `initdb`.
_SETTINGS = {
    "unix_socket_permissions": "0700",
    # After a crash all files have to be on the disk before recovery: one order to the file system, not a thousand.
    "recovery_init_sync_method": "syncfs",
    "hot_standby": "off",  # "ready" then means that a recovery has ended, and not that one may look on
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    # An archive that cannot be written must not fill this disk: then it gets a gap, and says so.
    "max_slot_wal_keep_size": "4GB",
    "jit": "off",  # our statements are short; compiling them costs more than it saves
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "on",
    # A file ends with the day or at 32 MiB; how many stay is the supervisor's part (`logs.keep_small`).
    "log_filename": "postgres-%Y-%m-%d_%H%M%S.log",
    "log_file_mode": "0600",
    "log_rotation_age": "1d",
    "log_rotation_size": "32MB",
    "log_error_verbosity": "terse",  # the details of an error quote rows, and rows hold personal data
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}


class Engine:
    """The embedded database of one home.

    ``say`` receives a sentence when something takes longer than a person would expect. One engine for a home: the
    caller holds the home's lock.
    """

    def __init__(
        self, home: Path, say: Callable[[str], None] = lambda _: None, *, connections: int = CONNECTIONS
    ) -> None:
        self._home = home.resolve()
        self._say = say
        self._connections = connections
        self._child: Child | None = None
        self._place: Place | None = None

    async def start(self) -> str:
        """Start the database, making it first when there is none, and wait until it answers.

        There is no time limit: a recovery takes as long as it takes, and says so.

        **Returns**: the application's address; ``app_dsn(home)`` computes the same.
        **Refuses**: ``CannotStart``.
        """
        if not sys.platform.startswith("linux"):
            raise CannotStart("The embedded database runs on Linux: set SAHUT_DATABASE_URL on this machine.")
        place = self._place = find_place(self._home, self._say)
        programs = find_programs_for(place.account)
        await clear_ground(place, self._say)
        if not check_files(place.data, MAJOR):
            self._say("Making the database.")
            await make_files(place.data, programs, place.account, password(self._home, SUPERUSER))
        try:
            while not await self._launch(place, programs):
                await clear_ground(place, self._say)
            await self._make_roles()
        except BaseException:
            await self.stop()
            raise
        return app_dsn(self._home)

    @property
    def pid(self) -> int:
        """The server's process number, once it has been started."""
        assert self._child is not None
        return self._child.pid

    async def wait(self) -> int:
        """Wait until the server ends for whatever reason. **Returns**: its exit code."""
        assert self._child is not None
        return await self._child.wait()

    async def stop(self) -> None:
        """End the server cleanly: sessions are ended, everything is written, the next start needs no recovery."""
        child, self._child = self._child, None
        if child is None:
            return
        child.send(signal.SIGINT)
        child.send(signal.SIGCONT)  # one that somebody has stopped would wait for ever
        ended = asyncio.ensure_future(child.wait())
        began = time.monotonic()
        while not (await asyncio.wait({ended}, timeout=_SENTENCE_EVERY_S))[0]:
            self._say(f"The database is writing its last pages ({time.monotonic() - began:.0f} s).")
        if self._place is not None:
            leave_place(self._home, self._place)

    async def _make_roles(self) -> None:
        """A machine that has just come up is slow to answer; a server that never does is told."""
        for left in reversed(range(_CONNECT_TRIES)):
            try:
                return await make_roles(
                    superuser_dsn(self._home),
                    owner_password=password(self._home, "owner"),
                    app_password=password(self._home, "app"),
                    backup_password=password(self._home, "backup"),
                )
            except (
                OSError,
                TimeoutError,
                asyncpg.PostgresConnectionError,
                asyncpg.OperatorInterventionError,
            ) as problem:
                if left == 0 or self._child is None or self._child.exit_code() is not None:
                    raise CannotStart(
                        f"The database has started and does not answer: {self._home / 'log'} has more."
                    ) from problem
                self._say("The database has started and does not answer yet.")
                await asyncio.sleep(0.5)
        return None

    async def _launch(self, place: Place, programs: Path) -> bool:
        """Start the server and wait until it is ready. **Returns**: False when an earlier one was still in its way."""
        words = self._home / "log" / "postgres-start.log"
        with open_private(words, anew=True) as output:
            self._child = child = Child.start(
                "postgres",
                [programs / "postgres", "-D", place.data, "-h", "", "-k", place.socket, *self._options(place)],
                death_signal=signal.SIGINT,  # to PostgreSQL: end sessions, write everything, stop
                account=place.account,
                environment={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
                output=output.fileno(),
            )
        began = time.monotonic()
        next_sentence = _SENTENCE_EVERY_S
        while child.exit_code() is None:
            if _is_ready(place, child.pid):
                return True
            waited = time.monotonic() - began
            if waited >= next_sentence:
                self._say(f"The database is recovering; nothing is lost, it only takes time ({waited:.0f} s).")
                next_sentence += _SENTENCE_EVERY_S
            await asyncio.sleep(0.01)
        self._child = None
        last_words = words.read_text(errors="replace").strip()[-_LAST_WORDS:]
        if "is still in use" in last_words or "lock file" in last_words:
            await asyncio.sleep(0.2)
            return False
        raise CannotStart(f"PostgreSQL ended while it started: {_reason(last_words)} (more in {self._home / 'log'}).")

    def _options(self, place: Place) -> list[str]:
        machine = fit(memory_bytes(), shutil.disk_usage(place.data).free, self._connections)
        settings = _SETTINGS | machine | {"log_directory": str(place.log)}
        return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def _is_ready(place: Place, pid: int) -> bool:
    """PostgreSQL writes its state into the eighth line of its lock file, as ``pg_ctl`` reads it too."""
    try:
        lines = (place.data / "postmaster.pid").read_text().split("\n")
    except FileNotFoundError:
        return False
    return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"


def _reason(words: str) -> str:
    told = [line for line in words.splitlines() if "FATAL" in line or "PANIC" in line] or words.splitlines()
    return told[-1].strip() if told else "it said nothing"

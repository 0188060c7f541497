"""What an earlier, killed start may have left: servers still ending, zombies, stale lock files.

PostgreSQL protects its files by itself as long as its lock files tell the truth. After a ``kill -9`` of everything they
may name a process that is a zombie, or a stranger who was given the same number, and then a start fails for ever. So
we look for what is really there: every PostgreSQL process works inside its data directory.
"""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from sahut.app.engines.place import SOCKET_NAME, Place

# An old server is asked to end at once. If it cannot, it is made to end without a checkpoint; recovery makes that good.
_SERVER_ORDERS = ((0.0, signal.SIGINT), (20.0, signal.SIGQUIT))
# Without its server a backend ends by itself as soon as it looks up; one in a long computation has to be told. Killing
# it is safe, because nothing starts before all have gone and recovery does not trust what they left in memory.
_ORPHAN_ORDERS = ((0.5, signal.SIGTERM), (2.0, signal.SIGQUIT), (4.0, signal.SIGKILL))
_SENTENCE_EVERY_S = 5.0


async def clear_ground(place: Place, say: Callable[[str], None]) -> None:
    """Wait until nobody works in the data directory and take away lock files that no longer mean anybody.

    It waits as long as it takes, with a sentence from time to time: a server that writes its last checkpoint must not
    be hurried into a recovery that takes longer.
    """
    began = time.monotonic()
    next_sentence = _SENTENCE_EVERY_S
    given: set[tuple[int, signal.Signals]] = set()
    while working := processes_in(place.data):
        waited = time.monotonic() - began
        server = recorded_server(place.data)
        has_server = server in working
        for after, order in _SERVER_ORDERS if has_server else _ORPHAN_ORDERS:
            for pid in [server] if has_server and server else working:
                if waited >= after and (pid, order) not in given:
                    given.add((pid, order))
                    _send(pid, order)
        if waited >= next_sentence:
            say(f"Waiting for the database of an earlier start to end ({waited:.0f} s, {len(working)} processes).")
            next_sentence += _SENTENCE_EVERY_S
        await asyncio.sleep(0.02)
    _remove_stale_locks(place)


def processes_in(data: Path) -> list[int]:
    """**Returns**: the numbers of living PostgreSQL processes whose directory is ``data``; zombies are not living."""
    wanted = str(data.resolve())
    numbered = (entry for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [int(entry.name) for entry in numbered if _works_in(entry, wanted)]


def recorded_server(data: Path) -> int | None:
    """**Returns**: the server's process number by its own lock file, if there is one."""
    try:
        return int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def _works_in(process: Path, wanted: str) -> bool:
    try:
        # A zombie has no directory any more, so it drops out here.
        return str((process / "cwd").readlink()) == wanted and (process / "comm").read_text().strip() == "postgres"
    except OSError:
        return False


def _send(pid: int, order: signal.Signals) -> None:
    try:
        os.kill(pid, order)
        os.kill(pid, signal.SIGCONT)  # one that somebody has stopped would not hear it
    except ProcessLookupError:
        return  # it went in between, which is what we wanted


def _remove_stale_locks(place: Place) -> None:
    """Nobody works here: a lock file that names a zombie or a stranger would stop PostgreSQL for ever."""
    for path in (place.data / "postmaster.pid", place.socket / SOCKET_NAME, place.socket / f"{SOCKET_NAME}.lock"):
        path.unlink(missing_ok=True)

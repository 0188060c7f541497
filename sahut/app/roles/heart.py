"""A child's heart: each second it says that its loop turns. One that falls silent is killed, and started again.

A process that hangs (stopped, or a step that never gives the loop back) has not ended, so nobody would begin it again,
and the connections that it has taken would wait for ever.
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import structlog

from sahut.app.child import Child

BEAT_EVERY_S, LOOK_EVERY_S = 1.0, 1.0
SILENT_LOOKS = 20

_log = structlog.get_logger()


def heart_of(home: Path, name: str) -> Path:
    """The file whose time of change is the beat."""
    return home / "run" / f"{name}.beat"


@contextlib.asynccontextmanager
async def beating(heart: Path) -> AsyncIterator[None]:
    """Beat during the block. A full disk costs the beat, and then nobody is waited for."""
    task = asyncio.create_task(_beat(heart), name="heart")
    try:
        yield
    finally:
        task.cancel()


async def _beat(heart: Path) -> None:
    while True:
        with contextlib.suppress(OSError):
            heart.touch(mode=0o600)  # noqa: ASYNC240 (a file of the home, as the log beside it)
        await asyncio.sleep(BEAT_EVERY_S)


async def kill_when_silent(child: Child, heart: Path) -> None:
    """Kill a child that has begun to beat and then was silent for twenty looks.

    Looks are counted, not seconds: who was stopped together with the child gives it the time to beat again.
    """
    last, silent = _last_beat(heart), None
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        if (now := _last_beat(heart)) != last:
            last, silent = now, 0
        elif silent is not None:  # one that waits for the database has not begun yet
            silent += 1
            if silent >= SILENT_LOOKS:
                _log.error("child_hangs_and_is_killed", child=child.name)
                child.send(signal.SIGKILL)
                return


def _last_beat(heart: Path) -> int | None:
    try:
        return heart.stat().st_mtime_ns
    except OSError:
        return None

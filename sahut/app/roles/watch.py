"""Watching whether the house answers, after it has said that it was ready: what changes is told, both ways.

A server that hangs keeps its old connections alive, so a new one is tried each time, as the next process would.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg
import structlog

from sahut.app.home import Home
from sahut.app.settings import Settings
from sahut.db import AWAY

_EVERY_S = 5.0
_ANSWER_S = 5.0
_TOLD_AGAIN_S = 60.0

_log = structlog.get_logger()


async def watch_database(settings: Settings, home: Home, say: Callable[[str], None]) -> None:
    """Try a new connection every five seconds, until cancelled; tell when none is answered, and when one is again."""
    away_since: float | None = None
    told_at = 0.0
    while True:
        await asyncio.sleep(_EVERY_S)
        began = time.monotonic()
        problem = await _no_answer(settings)
        if problem is None:
            if away_since is not None:
                _log.warning("database_answers_again", after_s=round(began - away_since, 1))
                say(f"The database answers again, after {began - away_since:.0f} s.")
            away_since = None
        elif away_since is None or began - told_at > _TOLD_AGAIN_S:
            away_since, told_at = away_since or began, began
            _log.error("database_does_not_answer", error=problem)
            say(f"The database does not answer ({problem}){_stopped(home)}. `sahut doctor` looks further.")


async def _no_answer(settings: Settings) -> str | None:
    """**Returns**: what kind of problem there was; None when it answered."""
    try:
        async with asyncio.timeout(_ANSWER_S):
            connection = await asyncpg.connect(settings.app_dsn, server_settings={"application_name": "up watch"})
            try:
                await connection.fetchval("select 1")
            finally:
                connection.terminate()
    except (asyncpg.PostgresError, *AWAY) as problem:
        return type(problem).__name__
    return None


def _stopped(home: Home) -> str:
    pid = home.noted_processes().get("postgres")
    return f"; somebody has stopped its process {pid} (kill -CONT {pid})" if pid and is_stopped(pid) else ""


def is_stopped(pid: int) -> bool:
    """Whether the process is held by SIGSTOP or a debugger."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in ("T", "t")
    except OSError:
        return False

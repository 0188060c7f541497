"""Keeping one child running: started again whenever it ends, at once the first time and then with growing pauses.

One that hangs is killed, see `heart`.
"""

import asyncio
import signal
import subprocess
import time
from collections.abc import Callable

import structlog

from sahut.app.child import Child
from sahut.app.home import Home
from sahut.app.observing.ends import child_ended
from sahut.app.roles.heart import heart_of, kill_when_silent

_SETTLED_S = 10.0
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
_TOLD_AT = 5
_TOLD_AGAIN_EVERY = 60  # some five minutes of the longest pause

_log = structlog.get_logger()


class Pauses:
    """How long to wait before the next start.

    Nothing after the first end, since most ends are single; then twice as long each time, up to five seconds. Who ran
    for ten seconds has settled and begins from nothing again.
    """

    def __init__(self) -> None:
        self._ends = 0

    def after(self, lived_s: float) -> float:
        """Give the pause after an end, in seconds."""
        self._ends = 1 if lived_s >= _SETTLED_S else self._ends + 1
        if self._ends == 1:
            return 0.0
        return float(min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(self._ends - 2, 10)))

    @property
    def ends(self) -> int:
        """How many quick ends there were in a row."""
        return self._ends

    @property
    def ends_again_and_again(self) -> bool:
        """Whether it is time to tell a person: at the fifth quick end, and then every five minutes or so."""
        return self._ends >= _TOLD_AT and (self._ends - _TOLD_AT) % _TOLD_AGAIN_EVERY == 0


class Keeper:
    """Keeps one child running from ``keep`` until ``end``."""

    def __init__(self, home: Home, name: str, start: Callable[[], Child], say: Callable[[str], None]) -> None:
        self._home, self.name, self._start, self._say = home, name, start, say
        self._child: Child | None = None

    async def keep(self) -> None:
        """Run the child for ever; returns only by being cancelled, and then ``end`` takes the child along."""
        pauses = Pauses()
        was_told = False
        while True:
            began = time.monotonic()
            try:
                child = self._child = self._start()
            # No memory, no process, no disk: it may pass, and the others go on.
            except (OSError, subprocess.SubprocessError) as problem:
                pause_s = max(_FIRST_PAUSE_S, pauses.after(0))
                _log.error("child_not_started", child=self.name, error=type(problem).__name__, again_in_s=pause_s)
            else:
                self._home.note_process(self.name, child.pid)
                beside = [asyncio.create_task(kill_when_silent(child, heart_of(self._home.path, self.name)))]
                if was_told:
                    beside.append(asyncio.create_task(self._tell_when_settled()))
                try:
                    code = await child.wait()
                finally:
                    for task in beside:
                        task.cancel()
                self._home.forget_process(self.name)
                pause_s = pauses.after(time.monotonic() - began)
                was_told = was_told and pauses.ends > 1
                child_ended(self.name)
                _log.warning("child_ended", child=self.name, code=code, again_in_s=pause_s)
            if pauses.ends_again_and_again:
                was_told = True
                self._say(
                    f"{self.name} has ended {pauses.ends} times right after its start and is tried again every "
                    f"{_LONGEST_PAUSE_S:.0f} s; the reason stands in {self._home.log}."
                )
            await asyncio.sleep(pause_s)

    async def _tell_when_settled(self) -> None:
        await asyncio.sleep(_SETTLED_S)
        self._say(f"{self.name} runs again.")

    async def end(self, *, grace_s: float) -> None:
        """Ask the child to finish what it does and wait for its end; after ``grace_s`` it is killed."""
        if self._child is not None:
            await self._child.end(signal.SIGTERM, grace_s=grace_s)
            self._home.forget_process(self.name)

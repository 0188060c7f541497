"""The roles as children of ``up``: started together, waiting at a gate, started again when they end, ended in order."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from sahut.app.child import Child
from sahut.app.home import Home
from sahut.app.private_files import open_private
from sahut.app.roles.keeper import Keeper
from sahut.app.settings import Settings

WEB_GRACE_S = 6.0  # its own drain takes five at most
WORK_GRACE_S = 6.0
ARCHIVE_GRACE_S = 6.0  # it waits for what was committed last


class Gate:
    """Children read their programs in while the database starts, and wait here until it is ready.

    It is a pipe that nobody writes to: closing our end wakes all who read the other one, and who is started later finds
    it open. A role that ran before the migrations would meet tables of another release.
    """

    def __init__(self) -> None:
        self.descriptor, self._ours = os.pipe()

    def open(self) -> None:
        """Let everybody pass, now and later."""
        os.close(self._ours)

    @staticmethod
    def wait(descriptor: int | None) -> None:
        """Wait as a child until the gate is open; None: there is no gate."""
        if descriptor is not None:
            os.read(descriptor, 1)
            os.close(descriptor)


class Children:
    """The ``web`` and ``work`` children of one ``up``, and the archive when backups are wanted."""

    def __init__(
        self, settings: Settings, home: Home, sockets: list[socket.socket], gate: Gate, say: Callable[[str], None]
    ) -> None:
        descriptors = [opened.fileno() for opened in sockets]
        listening = [f"--listen-fd={descriptor}" for descriptor in descriptors]

        def keepers(role: str, count: int, options: list[str], passed: list[int]) -> list[Keeper]:
            names = [f"{role}-{number}" for number in range(count)]
            waiting = [*options, f"--gate-fd={gate.descriptor}"]
            starters = [_starter(settings, home, name, role, waiting, [*passed, gate.descriptor]) for name in names]
            return [Keeper(home, name, start, say) for name, start in zip(names, starters, strict=True)]

        self._web = keepers("web", settings.web_processes, listening, descriptors)
        self._work = keepers("work", settings.work_processes, [], [])
        self._archive = keepers("archive", int(settings.backup is not None), [], [])
        self.keeping: list[asyncio.Task[None]] = []

    @property
    def names(self) -> list[str]:
        """What they are called in logs, figures and `run`."""
        return [keeper.name for keeper in (*self._web, *self._work)]

    def start(self) -> None:
        """Start everybody, and keep them running until ``end``."""
        self.keeping = [asyncio.create_task(keeper.keep()) for keeper in (*self._web, *self._work, *self._archive)]

    async def end(self) -> None:
        """End everybody, the pages first, so that nobody gives work to those who finish theirs. Twice is once."""
        keeping, self.keeping = self.keeping, []
        if not keeping:
            return
        for task in keeping:
            task.cancel()
        await asyncio.wait(keeping)  # what they had to say was heard by who waited for them before
        await asyncio.gather(*(keeper.end(grace_s=WEB_GRACE_S) for keeper in self._web))
        await asyncio.gather(*(keeper.end(grace_s=WORK_GRACE_S) for keeper in self._work))
        await asyncio.gather(*(keeper.end(grace_s=ARCHIVE_GRACE_S) for keeper in self._archive))


def _starter(
    settings: Settings, home: Home, name: str, role: str, options: list[str], descriptors: list[int]
) -> Callable[[], Child]:
    """Make the function that starts one child; it learns the home, and reads the secrets from there."""
    environment = {**os.environ, "SAHUT_HOME": str(settings.home)}
    command: list[str | Path] = [sys.executable, "-P", "-m", "sahut", role, f"--name={name}", "--watched", *options]

    def start() -> Child:
        try:
            output = open_private(home.log / f"{name}.err")
        except OSError:  # a log that cannot be opened is no reason not to serve
            return launch(subprocess.DEVNULL)
        with output:
            return launch(output.fileno())

    def launch(output: int) -> Child:
        return Child.start(
            name,
            command,
            death_signal=signal.SIGKILL,  # at once, so that the port is free for the next start
            environment=environment,
            pass_fds=descriptors,
            output=output,
        )

    return start

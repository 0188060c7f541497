"""A child process that dies with its parent.

The kernel sends the child its death signal when the parent is gone, however it went (``PR_SET_PDEATHSIG``), so nothing
stays behind a ``kill -9`` of ``sahut up``: no orphan that holds the port, no database without a supervisor.

Children are started from the main thread only, because the kernel means the *thread* that forked when it says parent.
"""

import asyncio
import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the operating system under whom a child runs."""

    name: str
    user_id: int
    group_id: int


def dropped_to(account: Account | None) -> dict[str, Any]:
    """Give the options of ``subprocess`` that change the user to ``account``; None changes nothing."""
    if account is None:
        return {}
    return {"user": account.user_id, "group": account.group_id, "extra_groups": []}


class Child:
    """A running child process; made by ``Child.start``."""

    def __init__(self, process: "subprocess.Popen[bytes]", name: str) -> None:
        self._process = process
        self.name = name

    @classmethod
    def start(
        cls,
        name: str,
        argv: Sequence[str | Path],
        *,
        death_signal: signal.Signals,
        account: Account | None = None,
        pass_fds: Sequence[int] = (),
        environment: Mapping[str, str] | None = None,
        output: IO[bytes] | int | None = None,
    ) -> "Child":
        """Start ``argv`` in a session of its own, so that a Ctrl-C in the terminal reaches only the parent.

        ``account`` None keeps the parent's user; ``output`` None keeps the parent's standard output and error.
        """
        process = subprocess.Popen(
            [str(part) for part in argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=_die_with(os.getpid(), death_signal),  # noqa: PLW1509 — the parent forks from its only thread
            pass_fds=pass_fds,
            env=environment,
            **dropped_to(account),
        )
        return cls(process, name)

    @property
    def pid(self) -> int:
        return self._process.pid

    def exit_code(self) -> int | None:
        """**Returns**: None while it runs; minus the signal's number when a signal ended it."""
        return self._process.poll()

    def send(self, what: signal.Signals) -> None:
        """Send a signal; nothing happens when the child has ended already."""
        self._process.send_signal(what)

    async def wait(self) -> int:
        """Wait for the end of the child without a thread. **Returns**: as ``exit_code``."""
        if (code := self._process.poll()) is not None:
            return code
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        watch = os.pidfd_open(self._process.pid)
        try:
            loop.add_reader(watch, ended.set)
            await ended.wait()
        finally:
            loop.remove_reader(watch)
            os.close(watch)
        return self._process.wait()

    async def end(self, what: signal.Signals, *, grace_s: float) -> int:
        """Ask the child to end, and kill it when it has not done so within ``grace_s``."""
        self.send(what)
        try:
            return await asyncio.wait_for(self.wait(), grace_s)
        except TimeoutError:
            self.send(signal.SIGKILL)
            return await self.wait()


def _die_with(parent: int, death_signal: signal.Signals) -> Callable[[], None]:
    """Make what runs in the child between fork and exec, after the change of user (which would clear the setting)."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def set_death_signal() -> None:
        if prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0) != 0 or os.getppid() != parent:
            os._exit(1)  # the parent died before it could be watched

    return set_death_signal

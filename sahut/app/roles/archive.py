"""The ``archive`` role: base backups and the continuous archive of the write-ahead log.

A process of its own, because the disk of the backups may hang: then this process hangs, and nothing else does.
"""

import asyncio
import contextlib
import os
import signal

import structlog

from sahut.app.backups.archive import Archive
from sahut.app.home import Home
from sahut.app.logs import write_logs
from sahut.app.settings import Settings

_log = structlog.get_logger()


def archive(settings: Settings, *, name: str, watched: bool, gate_fd: int | None = None) -> None:
    """Run the role until SIGTERM or SIGINT; ``watched``: by ``up``, so logs go to the home; ``gate_fd``: it begins when
    this descriptor ends.

    **Refuses**: ``CannotStart`` when a setting is missing or another archive works in the same place.
    """
    write_logs(settings.log, name, settings.home / "log" / f"{name}.log" if watched else None)
    if gate_fd is not None:
        os.read(gate_fd, 1)
        os.close(gate_fd)
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_archive(settings))


async def _archive(settings: Settings) -> None:
    ending = asyncio.Event()
    for order in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(order, ending.set)
    Home(settings.home).prepare()
    await Archive(settings).run(ending)
    _log.info("archive_ended")

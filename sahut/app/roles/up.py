"""``sahut up``: everything on one machine, under one supervisor.

It starts the engine, migrates, binds the port, runs the roles as children and starts again whatever ends. At the end it
goes backwards: first nobody new comes in, then the work in hand is finished, then the database stops. When it is killed
itself, its children die with it and the next ``up`` finds a clean ground.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import structlog

from sahut.app.cannot_start import CannotStart
from sahut.app.child import Child
from sahut.app.engines import Engine
from sahut.app.home import Home, open_private
from sahut.app.listening import listen_on
from sahut.app.logs import write_logs
from sahut.app.roles.announcement import announce
from sahut.app.roles.keeper import Keeper, Pauses
from sahut.app.settings import Settings
from sahut.db import AWAY, MigrationChanged, migrate

WEB_GRACE_S = 6.0  # its own drain takes five at most
WORK_GRACE_S = 6.0

Say = Callable[[str], None]
Keeping = asyncio.Task[None]
_log = structlog.get_logger()


async def up(settings: Settings, *, demo: bool, say: Say) -> None:
    """Run until SIGINT, SIGTERM or SIGHUP, and end cleanly.

    **Refuses**: ``CannotStart``.
    """
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for order in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(order, ending.set)
    home = Home(settings.home)
    home.prepare()
    with home.held():
        running = asyncio.ensure_future(_run(settings, home, demo=demo, say=say))
        told = asyncio.ensure_future(ending.wait())
        await asyncio.wait({running, told}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if not running.done():
            say("Ending.")
            running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def _run(settings: Settings, home: Home, *, demo: bool, say: Say) -> None:
    began = time.monotonic()
    if demo:
        home.mark_as_demo()
    home.refuse_elsewhere(settings)
    write_logs(settings.log, "up", home.log / "up.log")
    home.note_process("up", os.getpid())
    sockets = await listen_on(settings.port)
    try:
        async with _engine(settings, home, say) as keeping_engine:
            await _prepare_database(settings, home)
            async with _children(settings, home, sockets, say) as keeping_children:
                await announce(settings, home, say, began)
                # They keep for ever: this returns when somebody ends us, or raises what should never have happened.
                await asyncio.gather(*keeping_engine, *keeping_children)
    finally:
        for opened in sockets:
            opened.close()
        home.forget_process("up")


@contextlib.asynccontextmanager
async def _engine(settings: Settings, home: Home, say: Say) -> AsyncIterator[list[Keeping]]:
    """Run the embedded database, unless the operator gave one, and start it again whenever it ends."""
    if settings.database_url is not None:
        yield []
        return
    engine = Engine(home.path, say)
    await engine.start()
    home.note_process("postgres", engine.pid)
    keeping = asyncio.create_task(_keep_engine(engine, home, say))
    try:
        yield [keeping]
    finally:
        await _cancelled(keeping)
        await engine.stop()
        home.forget_process("postgres")


async def _keep_engine(engine: Engine, home: Home, say: Say) -> None:
    pauses = Pauses()
    while True:
        began = time.monotonic()
        code = await engine.wait()
        home.forget_process("postgres")
        _log.warning("child_ended", child="postgres", code=code)
        await asyncio.sleep(pauses.after(time.monotonic() - began))
        while True:
            try:
                await engine.start()
                break
            except (CannotStart, asyncpg.PostgresError, *AWAY) as problem:
                _log.error("engine_not_started", error=type(problem).__name__)
                if isinstance(problem, CannotStart):
                    say(f"{problem} It is tried again.")
                await asyncio.sleep(pauses.after(0))
        home.note_process("postgres", engine.pid)


async def _prepare_database(settings: Settings, home: Home) -> None:
    """Bring the tables to this release, and the people of a demo into a demo home."""
    if settings.owner_dsn is not None:
        try:
            for name in await migrate(settings.owner_dsn):
                _log.info("migrated", migration=name)
        except MigrationChanged as problem:
            raise CannotStart(f"The database belongs to another release: {problem}.") from problem
        except AWAY as problem:
            raise CannotStart("SAHUT_DATABASE_OWNER_URL does not answer: is the database running?") from problem
    if home.is_demo:
        from sahut.app.laboratory import laboratory  # noqa: PLC0415 — only a demo home needs it

        await laboratory("demo").seed(settings.app_dsn)


@contextlib.asynccontextmanager
async def _children(
    settings: Settings, home: Home, sockets: list[socket.socket], say: Say
) -> AsyncIterator[list[Keeping]]:
    """Run the roles. At the end the pages go first, so that nobody gives work to those who finish theirs."""
    descriptors = [opened.fileno() for opened in sockets]
    listening = [f"--listen-fd={descriptor}" for descriptor in descriptors]
    web = [
        Keeper(home, f"web-{number}", _starter(settings, home, f"web-{number}", "web", listening, descriptors), say)
        for number in range(settings.web_processes)
    ]
    work = [
        Keeper(home, f"work-{number}", _starter(settings, home, f"work-{number}", "work", [], []), say)
        for number in range(settings.work_processes)
    ]
    keeping = [asyncio.create_task(keeper.keep()) for keeper in (*web, *work)]
    try:
        yield keeping
    finally:
        for task in keeping:
            await _cancelled(task)
        await asyncio.gather(*(keeper.end(grace_s=WEB_GRACE_S) for keeper in web))
        await asyncio.gather(*(keeper.end(grace_s=WORK_GRACE_S) for keeper in work))


def _starter(
    settings: Settings, home: Home, name: str, role: str, options: list[str], descriptors: list[int]
) -> Callable[[], Child]:
    """Make the function that starts one child; it learns the home, and reads the secrets from there."""
    environment = {**os.environ, "SAHUT_HOME": str(settings.home)}
    command: list[str | Path] = [sys.executable, "-P", "-m", "sahut", role, f"--name={name}", "--watched", *options]

    def start() -> Child:
        with open_private(home.log / f"{name}.err") as output:
            return Child.start(
                name,
                command,
                death_signal=signal.SIGKILL,  # at once, so that the port is free for the next start
                environment=environment,
                pass_fds=descriptors,
                output=output.fileno(),
            )

    return start


async def _cancelled(task: Keeping) -> None:
    """Cancel and wait; what the task has to say was heard by who waited for it before."""
    task.cancel()
    await asyncio.wait({task})

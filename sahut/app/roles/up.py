"""``sahut up``: everything on one machine, under one supervisor.

It binds the port, gives up root, starts the engine, migrates, runs the roles as children and starts again whatever
ends. The roles read their programs in while the database starts, and wait at a gate until it is ready. At the end it
goes backwards: first nobody new comes in, then the work in hand is finished, then the database stops. When it is killed
itself, its children die with it and the next ``up`` finds a clean ground.
"""

import asyncio
import contextlib
import errno
import os
import signal
import time
from collections.abc import AsyncIterator, Callable

import asyncpg
import structlog

from sahut.app.cannot_start import CannotStart
from sahut.app.engines import Engine, check_database, max_connections
from sahut.app.home import Home
from sahut.app.listening import listen_on
from sahut.app.logs import keep_small, write_logs
from sahut.app.observing.collector import collector_of
from sahut.app.observing.ends import child_ended
from sahut.app.observing.gathering import gathered
from sahut.app.roles.announcement import announce
from sahut.app.roles.children import Children, Gate
from sahut.app.roles.keeper import Pauses
from sahut.app.roles.watch import watch_database
from sahut.app.settings import Settings
from sahut.app.stepping_down import close_to_others, step_down
from sahut.db import (
    AWAY,
    MigrationBlocked,
    MigrationChanged,
    NewerDatabase,
    migrate,
    open_connection,
    pending_migrations,
)

_TIDY_EVERY_S = 60.0
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}

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
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await running
        except asyncpg.DiskFullError as problem:
            raise CannotStart("The disk of the database is full: make room and start again.") from problem
        except OSError as problem:
            if problem.errno not in _NO_ROOM:
                raise
            raise CannotStart(f"SAHUT_HOME {settings.home} cannot be written: {problem.strerror}.") from problem


async def _run(settings: Settings, home: Home, *, demo: bool, say: Say) -> None:
    began = time.monotonic()
    if demo:
        home.mark_as_demo()
    home.refuse_elsewhere(settings)
    collector_of()  # a wrong address is told here once, and not by each child again and again
    sockets = await listen_on(settings.port)
    try:
        if settings.backup is not None:
            from sahut.app.backups.store import give_place_to_service  # noqa: PLC0415 — most starts do without

            give_place_to_service(settings)
        if step_down(home.path, say) is None:
            close_to_others(home.path)
        write_logs(settings.log, "up", home.log / "up.log")
        home.note_process("up", os.getpid())
        gate = Gate()
        children = Children(settings, home, sockets, gate, say)
        async with contextlib.AsyncExitStack() as closing:
            await closing.enter_async_context(gathered(settings, children.names))
            closing.push_async_callback(children.end)  # also when the database does not start
            children.start()
            keeping_engine = await closing.enter_async_context(_engine(settings, home, say))
            _reached("engine", began)
            await _prepare_database(settings, home)
            _reached("migrated", began)
            closing.push_async_callback(children.end)  # before the database stops
            gate.open()
            watching = [asyncio.create_task(watch_database(settings, home, say)), asyncio.create_task(_tidy(home))]
            if settings.log_keep_months:
                from sahut.app.retention import keep_log_short  # noqa: PLC0415 — most houses keep it for ever

                watching.append(asyncio.create_task(keep_log_short(settings)))
            closing.push_async_callback(_all_cancelled, watching)
            await announce(settings, home, say, began)
            _reached("ready", began)
            # They keep for ever: this returns when somebody ends us, or raises what should never have happened.
            await asyncio.gather(*keeping_engine, *children.keeping, *watching)
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
    engine = Engine(home.path, say, connections=max_connections(settings.web_processes, settings.work_processes))
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
        began, told = time.monotonic(), ""
        code = await engine.wait()
        home.forget_process("postgres")
        child_ended("postgres")
        _log.warning("child_ended", child="postgres", code=code)
        await asyncio.sleep(pauses.after(time.monotonic() - began))
        while True:
            try:
                await engine.start()
                break
            except (CannotStart, asyncpg.PostgresError, *AWAY) as problem:
                _log.error("engine_not_started", error=type(problem).__name__)
                if isinstance(problem, CannotStart) and str(problem) != told:
                    told = str(problem)
                    say(f"{problem} It is tried again every few seconds.")
                await asyncio.sleep(pauses.after(0))
        home.note_process("postgres", engine.pid)


async def _prepare_database(settings: Settings, home: Home) -> None:
    """Bring the tables to this release, and the people of a demo into a demo home."""
    if settings.database_url is not None:
        await check_database(settings.database_url, settings.database_owner_url)
    if settings.owner_dsn is not None:
        try:
            for name in await migrate(settings.owner_dsn):
                _log.info("migrated", migration=name)
        except (MigrationChanged, NewerDatabase) as problem:
            raise CannotStart(f"The database belongs to another release: {problem}.") from problem
        except MigrationBlocked as problem:
            raise CannotStart(f"The tables cannot be brought to this release now: {problem}; start again.") from problem
        except AWAY as problem:
            raise CannotStart("The database went away while it was migrated: start again when it is back.") from problem
    elif pending := await _pending(settings):
        raise CannotStart(
            f"SAHUT_DATABASE_OWNER_URL is missing and the database lacks {pending}: set it, or run `sahut migrate` "
            "where it is set."
        )
    if home.is_demo:
        from sahut.app.laboratory import laboratory  # noqa: PLC0415 — only a demo home needs it

        await laboratory("demo").seed(settings.app_dsn)


async def _pending(settings: Settings) -> str | None:
    """Name what the database lacks of this release, as the application sees it; None: nothing."""
    connection = await open_connection(settings.app_dsn, name="up")
    try:
        return ", ".join((await pending_migrations(connection))[:3]) or None
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError, asyncpg.InsufficientPrivilegeError):
        return "all tables"
    finally:
        connection.terminate()


async def _tidy(home: Home) -> None:
    """Keep the words of children and PostgreSQL's files small, until cancelled."""
    while True:
        await asyncio.to_thread(keep_small, home.log)
        await asyncio.sleep(_TIDY_EVERY_S)


def _reached(phase: str, began: float) -> None:
    _log.info("phase", phase=phase, after_s=round(time.monotonic() - began, 3))


async def _all_cancelled(tasks: list[Keeping]) -> None:
    for task in tasks:
        await _cancelled(task)


async def _cancelled(task: Keeping) -> None:
    """Cancel and wait; what the task has to say was heard by who waited for it before."""
    task.cancel()
    await asyncio.wait({task})

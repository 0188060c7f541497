"""One examination: everything is looked at, one after the other, and what cannot be looked at is a finding too."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import asyncpg

from sahut.app.backups import backup_troubles, drill_reminder
from sahut.app.cannot_start import CannotStart
from sahut.app.doctor import asking, looking, machine, promises, server
from sahut.app.doctor.finding import Finding, warn, wrong
from sahut.app.engines import superuser_dsn
from sahut.app.engines.addresses import DATABASE
from sahut.app.engines.foreign import APP_URL, COULD_NOT_LOOK, read_server, why_no_answer
from sahut.app.home import Home
from sahut.app.settings import Settings
from sahut.db import Connection

# Without these the roles would make new ones, and what the old ones signed or opened would be worth nothing.
KEYS = ("cursor.key", "desk.key", "number.key")
_EMBEDDED_PASSWORDS = ("app", "owner", "postgres")
_LOOK_S = 10.0
_UNKNOWN = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)

Seen = TypeVar("Seen")


async def examine(settings: Settings, known_kinds: frozenset[str]) -> list[Finding]:
    """Look at everything. ``known_kinds``: the kinds of jobs that this release has.

    **Returns**: a finding for each check, in the order machine, server, promises; some are left out when the database
    does not answer. Reads only.
    """
    return [*await _machine(settings), *await _database(settings, known_kinds), await _backups(settings)]


async def _machine(settings: Settings) -> list[Finding]:
    home = settings.home
    looks: list[tuple[str, Callable[[], Finding]]] = [
        ("home", lambda: machine.check_home(looking.see_home(home))),
        *((f"disk of {what}", _disk(what, path)) for what, path in _disks(home)),
        ("secrets", lambda: machine.check_secrets(looking.see_secrets(home), _expected_secrets(settings))),
        ("processes", lambda: machine.check_processes(looking.see_processes(home))),
        ("port", lambda: machine.check_port(looking.see_port(settings.port))),
        ("memory", lambda: machine.check_memory(looking.see_memory())),
    ]
    return [await _looked(check, look) for check, look in looks]


def _disks(home: Path) -> list[tuple[str, Path]]:
    """Each disk once: the usual case is that everything lies on one."""
    wanted = [("home", home), ("database", home / "engine"), ("log", home / "log"), ("heads", home / "heads")]
    found: dict[int, tuple[str, Path]] = {}
    for what, path in wanted:
        with contextlib.suppress(OSError):
            found.setdefault(path.stat().st_dev, (what, path))
    return list(found.values()) or wanted[:1]


def _disk(what: str, path: Path) -> Callable[[], Finding]:
    return lambda: machine.check_disk(looking.see_disk(what, path))


def _expected_secrets(settings: Settings) -> tuple[str, ...]:
    embedded = () if settings.database_url else _EMBEDDED_PASSWORDS
    # A home that has never been up has none yet, and that is said once, by the home itself.
    return (*KEYS, *embedded) if (settings.home / "secrets").is_dir() else ()


async def _looked(check: str, look: Callable[[], Finding]) -> Finding:
    try:
        return await asyncio.wait_for(asyncio.to_thread(look), _LOOK_S)
    except (OSError, TimeoutError) as problem:
        return wrong(
            check, f"It cannot be looked at ({type(problem).__name__}).", "Run this as root; look at the disks."
        )


async def _database(settings: Settings, known_kinds: frozenset[str]) -> list[Finding]:
    try:
        seen = await read_server(settings.app_dsn)
    except CannotStart as sentence:
        return [wrong("database", str(sentence), "Nothing more can be asked until it runs.")]
    except COULD_NOT_LOOK as problem:
        name = APP_URL if settings.database_url else "The embedded database"
        return [wrong("database", why_no_answer(problem, name), "Nothing more can be asked until it answers.")]
    dsn = _strongest(settings)
    published = await asyncio.to_thread(looking.see_published, Home(settings.home).heads)
    questions: list[tuple[str, Awaitable[Finding]]] = [
        ("safety", _asked(dsn, asking.ask_safety, server.check_safety)),
        ("rights", _asked(dsn, asking.ask_rights, server.check_rights)),
        ("migrations", _asked(dsn, asking.ask_migrations, server.check_migrations)),
        ("clock", _asked(dsn, asking.ask_clock, server.check_clock)),
        ("connections", _asked(dsn, asking.ask_sessions, server.check_connections)),
        ("sessions", _asked(dsn, asking.ask_sessions, server.check_sessions)),
        ("vacuum", _asked(dsn, asking.ask_vacuum, server.check_vacuum)),
        ("sealing", _asked(dsn, asking.ask_sealing, promises.check_sealing)),
        ("heads", _asked(dsn, lambda connection: asking.ask_heads(connection, published), promises.check_heads)),
        ("clocks", _asked(dsn, asking.ask_clocks, promises.check_clocks)),
        ("jobs", _asked(dsn, lambda connection: asking.ask_jobs(connection, known_kinds), promises.check_jobs)),
    ]
    findings = [server.check_version(seen)]
    for check, question in questions:
        try:
            findings.append(await asyncio.wait_for(question, _LOOK_S))
        except _UNKNOWN as problem:
            findings.append(
                warn(check, f"The database does not tell ({type(problem).__name__}).", "Look at migrations and server.")
            )
    return findings


def _strongest(settings: Settings) -> str:
    """Give the address that sees most: sessions of others show themselves to their own role and to a superuser only."""
    if settings.database_url is None:
        return superuser_dsn(settings.home, DATABASE)
    return settings.database_owner_url or settings.database_url


async def _asked(dsn: str, ask: Callable[[Connection], Awaitable[Seen]], check: Callable[[Seen], Finding]) -> Finding:
    async with asking.asked(dsn) as connection:
        return check(await ask(connection))


async def _backups(settings: Settings) -> Finding:
    def look() -> Finding:
        demo = Home(settings.home).is_demo
        return promises.check_backups(
            backup_troubles(settings), drill_reminder(settings), wanted=settings.backup is not None, demo=demo
        )

    return await _looked("backups", look)

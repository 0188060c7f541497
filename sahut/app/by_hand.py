"""The database by hand: psql, after the log has been told who opens it and why.

The password goes to psql through a file that has no name and ends with the process: never a command line, which
everybody on the machine can read, and never the environment.
"""

import asyncio
import os
import pwd
import shutil
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

import asyncpg

from sahut.app.cannot_start import CannotStart
from sahut.app.engines.binaries import find_programs
from sahut.app.engines.foreign import APP_URL, COULD_NOT_LOOK, OWNER_URL, why_no_answer
from sahut.app.settings import Settings
from sahut.work import REASON_CHARACTERS, EventRow, append_event

_SECRET = ("password", "sslpassword")


def open_psql(settings: Settings, reason: str, arguments: Sequence[str], *, owner: bool) -> None:
    """Become psql. ``reason``: 3 to 200 characters; ``arguments``: as psql takes them.

    **Refuses**: ``CannotStart``. **Writes**: event `staff/database_opened`, committed before psql starts.
    """
    reason = reason.strip()
    if not 3 <= len(reason) <= REASON_CHARACTERS or not reason.isprintable():
        raise CannotStart(f"--reason must say why in 3 to {REASON_CHARACTERS} characters on one line.")
    dsn = settings.owner_dsn if owner else settings.app_dsn
    if dsn is None:
        raise CannotStart(f"{OWNER_URL} is missing: without it nobody can work as the owner.")
    program = find_psql(embedded=settings.database_url is None)
    name = (OWNER_URL if owner else APP_URL) if settings.database_url else "The embedded database"
    try:
        asyncio.run(_tell(dsn, reason, owner=owner))
    except COULD_NOT_LOOK as problem:
        raise CannotStart(why_no_answer(problem, name)) from problem
    address, password = without_password(dsn)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SAHUT_DATABASE_")}
    # What is asked names people; psql would keep it in a file for years.
    environment |= {"PGAPPNAME": "sahut psql", "PSQL_HISTORY": os.devnull}
    if password is not None:
        environment["PGPASSFILE"] = _passed_on(password)
    os.execve(program, [str(program), "-X", "-d", address, *arguments], environment)  # noqa: S606 — no shell is meant


def who() -> str:
    """Name the user of the operating system, and who is behind it when ``sudo`` says so."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    behind = os.environ.get("SUDO_USER", "")
    return f"{name} ({behind[:64]})" if behind.isprintable() and behind else name


def find_psql(*, embedded: bool) -> Path:
    """Find the program: for the embedded engine the one that came with it, else the system's, else that one again."""
    system = shutil.which("psql")
    if embedded or system is None:
        return find_programs() / "psql"
    return Path(system)


def without_password(dsn: str) -> tuple[str, str | None]:
    """Take the password out of an address. **Returns**: what may be shown to everybody, and the password."""
    parts = urlsplit(dsn)
    user, at, place = parts.netloc.rpartition("@")
    user, _, secret = user.partition(":")
    asked = parse_qsl(parts.query, keep_blank_values=True)
    secrets = [value for key, value in asked if key in _SECRET]
    query = urlencode([pair for pair in asked if pair[0] not in _SECRET], quote_via=quote, safe="/,")
    shown = urlunsplit((parts.scheme, f"{user}{at}{place}", parts.path, query, ""))
    return shown, unquote(secret) or (secrets[0] if secrets else None)


def _passed_on(password: str) -> str:
    """Put the password where psql looks for it. **Returns**: the path of a file in memory that nobody else can open."""
    file = os.memfd_create("password", 0)  # it stays open for the program that takes our place
    os.fchmod(file, 0o600)
    escaped = password.replace("\\", "\\\\").replace(":", "\\:")
    os.write(file, f"*:*:*:*:{escaped}\n".encode())
    return f"/proc/self/fd/{file}"


async def _tell(dsn: str, reason: str, *, owner: bool) -> None:
    connection = await asyncpg.connect(
        dsn, timeout=10, command_timeout=10, server_settings={"application_name": "sahut psql"}
    )
    try:
        if await connection.fetchval("select to_regclass('work.event') is null"):
            return  # before the first migration there is no log, and nobody's data either
        body = {"who": who(), "why": reason, "role": "owner" if owner else "application"}
        await append_event(connection, EventRow("staff", 0, "database_opened", body))
    except asyncpg.ReadOnlySQLTransactionError as problem:
        raise CannotStart("The database is read-only, so the log cannot say that you looked: go to the primary.") from (
            problem
        )
    finally:
        connection.terminate()

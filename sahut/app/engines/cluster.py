"""Making a database: files whole or not at all, passwords from the first moment, roles and database idempotently."""

import os
import secrets
import shutil
import signal
from pathlib import Path

import asyncpg

from sahut.app.cannot_start import CannotStart
from sahut.app.child import Account, Child
from sahut.app.engines.addresses import APPLICATION, BACKUP, DATABASE, OWNER, SUPERUSER
from sahut.app.private_files import sync_directory

# A store beside our tables, into which everybody could write as much as the disk holds. Nothing here uses it.
_LARGE_OBJECTS = (
    "lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea), lo_put(oid, bigint, bytea), "
    "lowrite(integer, bytea), lo_truncate(integer, integer), lo_truncate64(integer, bigint)"
)
_SETTINGS_OF_ROLES = """
select case when setrole = 0 and setdatabase = 0 then 'alter role all reset all'
            when setrole = 0 then format('alter database %I reset all', datname)
            when setdatabase = 0 then format('alter role %I reset all', rolname)
            else format('alter role %I in database %I reset all', rolname, datname) end
  from pg_db_role_setting left join pg_roles r on r.oid = setrole left join pg_database d on d.oid = setdatabase
"""
# The only ways in. There is no TCP, no `trust` and no `peer`: whoever connects knows a generated password.
ACCESS_RULES = """\
# Written once by Sahut. Only the socket, only with a password.
local all         all scram-sha-256
local replication all scram-sha-256
"""


async def make_files(data: Path, programs: Path, account: Account | None, superuser_password: str) -> None:
    """Run ``initdb`` beside ``data`` and rename the result, so that half-done work never looks finished.

    **Refuses**: ``CannotStart`` with initdb's own last words.
    """
    for leftover in data.parent.glob(f"{data.name}.init-*"):
        # What a killed start began may be written to for another moment; the rest goes next time.
        shutil.rmtree(leftover, ignore_errors=True)
    draft = data.with_name(f"{data.name}.init-{secrets.token_hex(8)}")
    draft.mkdir(mode=0o700)
    try:
        password_file = draft / "password"
        password_file.touch(mode=0o600, exist_ok=False)
        password_file.write_text(superuser_password)
        if account is not None:
            for path in (draft, password_file):
                os.chown(path, account.user_id, account.group_id)
        await _initdb(draft, programs, account, password_file)
        (draft / "data" / "pg_hba.conf").write_text(ACCESS_RULES)  # keeps the owner and mode that initdb gave it
        (draft / "data").rename(data)
        sync_directory(data.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


async def _initdb(draft: Path, programs: Path, account: Account | None, password_file: Path) -> None:
    options: list[str | Path] = [
        *("-D", draft / "data", "-U", SUPERUSER, "-E", "UTF8", "--data-checksums", "--sync-method=syncfs"),
        *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
        *("--auth=scram-sha-256", f"--pwfile={password_file}"),
    ]
    output = draft / "initdb.out"
    with output.open("wb") as file:
        child = Child.start(
            "initdb",
            [programs / "initdb", *options],
            death_signal=signal.SIGKILL,
            account=account,
            environment={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            output=file.fileno(),
        )
        try:
            code = await child.wait()
        finally:
            await child.end(signal.SIGINT, grace_s=5)
    if code != 0:
        words = output.read_text(errors="replace").strip().splitlines()
        # What it said last is that it tidied up; the reason stands before that, unless there was no room even for it.
        reasons = [line for line in words if "FATAL" in line or "error:" in line] or ["there is no room for it."]
        raise CannotStart(f"The database cannot be made in {draft.parent}: {reasons[0].strip()}")


def check_files(data: Path, major: str) -> bool:
    """**Returns**: whether ``data`` holds a finished database of PostgreSQL ``major``; False when there is none yet.

    **Refuses**: ``CannotStart`` when there is something else.
    """
    version = data / "PG_VERSION"
    if version.exists():
        found = version.read_text().strip()
        if found != major:
            raise CannotStart(
                f"{data} belongs to PostgreSQL {found} and this is {major}: run the release that made it."
            )
        return True
    if data.exists():
        if any(data.iterdir()):
            raise CannotStart(f"{data} is not empty and holds no database: move away what is there.")
        data.rmdir()
    return False


async def make_roles(superuser_dsn: str, *, owner_password: str, app_password: str, backup_password: str) -> None:
    """Make the three roles and the database, and see that the roles' passwords are those of the home.

    **Writes**: only what is missing or other than it should be, so it may run at every start.
    """
    connection = await asyncpg.connect(superuser_dsn, timeout=30)
    try:
        # Statements that fail would otherwise stand in the log with the password in them.
        await connection.execute("set log_min_error_statement = panic")
        for role, secret in ((OWNER, owner_password), (APPLICATION, app_password)):
            known = await connection.fetchval("select true from pg_roles where rolname = $1", role)
            verb = "alter" if known else "create"
            await connection.execute(f"{verb} role {role} login password '{secret}'")
        await _make_backup_role(connection, backup_password)
        if not await connection.fetchval("select true from pg_database where datname = $1", DATABASE):
            await connection.execute(f"create database {DATABASE} owner {OWNER} template template0")
        await connection.execute(f"revoke connect, temporary on database {DATABASE} from public")
        await connection.execute(f"grant connect on database {DATABASE} to {APPLICATION}")
        await connection.execute("revoke connect on database postgres, template1 from public")
        await connection.execute("revoke temporary on database postgres from public")
        await connection.execute(f"grant connect on database postgres to {BACKUP}")
        await connection.execute(f"revoke execute on function {_LARGE_OBJECTS} from public")
        await _forget_settings(connection)
    finally:
        await connection.close()
    # Rights on functions belong to a database, so this is said inside ours.
    connection = await asyncpg.connect(superuser_dsn, timeout=30, database=DATABASE)
    try:
        await connection.execute(f"revoke execute on function {_LARGE_OBJECTS} from public")
    finally:
        await connection.close()


async def _forget_settings(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Take away what was set for a role or a database: each role may do that for itself, and a stolen password would
    outlive its change (`synchronous_commit = off`). Settings are given with the engine's start and by who connects."""
    for order in await connection.fetch(_SETTINGS_OF_ROLES):
        await connection.execute(order[0])


async def _make_backup_role(connection: "asyncpg.Connection[asyncpg.Record]", secret: str) -> None:
    """It replicates and does nothing else: whoever has its password can copy the database, and change nothing."""
    known = await connection.fetchval("select true from pg_roles where rolname = $1", BACKUP)
    verb = "alter" if known else "create"
    await connection.execute(f"{verb} role {BACKUP} login replication connection limit 8 password '{secret}'")

"""A PostgreSQL of the operator's own: what it has to be, and one sentence for each thing that it is not.

``read_server`` looks, ``objections`` decides, ``why_no_answer`` puts a failed connection into words. An address is
never repeated, since it holds a password.
"""

import ssl
from dataclasses import dataclass

import asyncpg

from sahut.app.cannot_start import CannotStart
from sahut.app.engines.addresses import APPLICATION

OLDEST_MAJOR = 16
CONNECT_S = 10.0
APP_URL, OWNER_URL = "SAHUT_DATABASE_URL", "SAHUT_DATABASE_OWNER_URL"

_LOOK = """
    select current_setting('server_version_num')::int as version_num,
           current_setting('server_version') as version,
           pg_encoding_to_char(encoding) as encoding,
           pg_is_in_recovery() as is_standby,
           current_setting('transaction_read_only') = 'on' as is_read_only,
           current_user::text as role,
           rolsuper as is_superuser,
           rolbypassrls or rolcreaterole or rolcreatedb or rolreplication as has_attributes,
           exists (select from pg_roles where rolname = $1) as has_application,
           exists (select from pg_roles r where r.rolname = $1 and pg_has_role(current_user, r.oid, 'usage'))
               as is_application,
           pg_has_role(current_user, datdba, 'member') as owns_database,
           has_database_privilege(current_database(), 'create') as may_create,
           array(select format('%I.%I', nspname, relname) from pg_class c join pg_namespace s on s.oid = relnamespace
                 where relkind in ('r', 'p') and pg_has_role(current_user, relowner, 'member')
                   and nspname not like 'pg\\_%' and nspname <> 'information_schema'
                 order by 1 limit 3) as owned_tables
      from pg_database, pg_roles
     where datname = current_database() and rolname = current_user"""


@dataclass(frozen=True, slots=True)
class Server:
    """What one connection of ours found: the server, the database, and who we are there."""

    version_num: int
    version: str
    encoding: str
    is_standby: bool
    is_read_only: bool
    role: str
    is_superuser: bool
    has_attributes: bool
    has_application: bool
    is_application: bool
    owns_database: bool
    may_create: bool
    owned_tables: tuple[str, ...]


async def read_server(dsn: str) -> Server:
    """Look at the server behind an address; reads only. It raises what a failed connection raises."""
    connection = await asyncpg.connect(
        dsn, timeout=CONNECT_S, command_timeout=CONNECT_S, server_settings={"application_name": "sahut-look"}
    )
    try:
        row = await connection.fetchrow(_LOOK, APPLICATION)
        assert row is not None
        return Server(**{**dict(row), "owned_tables": tuple(row["owned_tables"])})
    finally:
        await connection.close(timeout=CONNECT_S)


def objections(server: Server, url: str) -> list[str]:
    """**Returns**: why server or role cannot be used behind the setting ``url``, a sentence each; empty: they can."""
    found = []
    if server.version_num < OLDEST_MAJOR * 10_000:
        found.append(
            f"{url} is PostgreSQL {server.version}, and Sahut needs {OLDEST_MAJOR} or newer: upgrade the server."
        )
    if server.encoding != "UTF8":
        found.append(
            f"{url} is a database in {server.encoding}, and names and messages need UTF8: "
            "make the database anew with `encoding 'UTF8' template template0`."
        )
    if server.is_standby:
        found.append(
            f"{url} leads to a standby, which cannot be written: name the primary (target_session_attrs=primary)."
        )
    elif server.is_read_only:
        found.append(f"{url} leads to a database that is read-only (default_transaction_read_only): switch that off.")
    if not server.has_application:
        found.append(f"{url}: the role {APPLICATION} is missing on that server: `create role {APPLICATION} login`.")
    found += _rights_of_application(server) if url == APP_URL else _rights_of_owner(server)
    return found


def _rights_of_application(server: Server) -> list[str]:
    if server.is_superuser:
        return [f"{APP_URL} is the superuser {server.role}, who could change the sealed log: use {APPLICATION}."]
    found = []
    if server.owned_tables or server.owns_database:
        what = f"the table {server.owned_tables[0]}" if server.owned_tables else "the database"
        found.append(
            f"{APP_URL}: the role {server.role} owns {what} and so could change what is append-only: use {APPLICATION}."
        )
    if server.has_attributes:
        found.append(
            f"{APP_URL}: the role {server.role} may make roles or databases, replicate or pass row security: "
            f"`alter role {server.role} nocreaterole nocreatedb noreplication nobypassrls`."
        )
    if server.has_application and not server.is_application:
        found.append(f"{APP_URL}: the role {server.role} does not have the rights of {APPLICATION}: use that role.")
    return found


def _rights_of_owner(server: Server) -> list[str]:
    if server.may_create:
        return []
    return [f"{OWNER_URL}: the role {server.role} may not make schemas in that database: let it own the database."]


def why_no_answer(problem: BaseException, url: str) -> str:
    """Put a failed connection into one sentence, without what the server or the driver said: that may hold secrets."""
    for kind, words in _WORDS:
        if isinstance(problem, kind):
            return f"{url}: {words}"
    return f"{url} does not answer ({type(problem).__name__}): is the database running and reachable from here?"


# From the particular to the general; the first that fits speaks.
_WORDS: tuple[tuple[type[BaseException], str], ...] = (
    (asyncpg.InvalidPasswordError, "the password is wrong, or the role is unknown there."),
    (
        asyncpg.InvalidAuthorizationSpecificationError,
        "the server does not let this role in from here: look at its pg_hba.conf, and whether the role may log in.",
    ),
    (
        asyncpg.InvalidCatalogNameError,
        "the database is unknown on that server: `create database`, or correct the name.",
    ),
    (asyncpg.InsufficientPrivilegeError, "the role may not connect to that database: `grant connect on database`."),
    (asyncpg.TooManyConnectionsError, "all connections of that server are taken: raise max_connections."),
    (asyncpg.CannotConnectNowError, "the server is starting, recovering or stopping: try again when it is ready."),
    (asyncpg.TargetServerAttributeNotMatched, "no server in the address is what target_session_attrs asks for."),
    (ssl.SSLCertVerificationError, "the server's certificate is not trusted: name its authority with sslrootcert."),
    (ssl.SSLError, "TLS with the server failed: look at sslmode, sslrootcert, sslcert and sslkey in the address."),
    (asyncpg.ClientConfigurationError, "the address or a parameter in it is not understood."),
    (FileNotFoundError, "it is not running: start `sahut up` first."),
    (ConnectionRefusedError, "nobody listens at that address: is the database running there?"),
    (TimeoutError, f"the server has not answered within {CONNECT_S:.0f} s: is it running and reachable from here?"),
    (ConnectionError, "the connection was refused or cut: with sslmode=require the server must speak TLS."),
    (ValueError, "the address or a parameter in it is not understood."),
)
COULD_NOT_LOOK = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, ValueError)


async def check_database(app_url: str, owner_url: str | None) -> None:
    """See that a database of the operator's own is what Sahut needs, before anything is changed in it.

    **Refuses**: ``CannotStart`` with the first sentence of what is wrong.
    """
    if owner_url is not None:
        await check_owner(owner_url)
    await _check(app_url, APP_URL)


async def check_owner(owner_url: str) -> None:
    """The same for the address with which migrations run. **Refuses**: ``CannotStart``."""
    await _check(owner_url, OWNER_URL)


async def _check(dsn: str, url: str) -> None:
    try:
        server = await read_server(dsn)
    except COULD_NOT_LOOK as problem:
        raise CannotStart(why_no_answer(problem, url)) from problem
    for sentence in objections(server, url):
        raise CannotStart(sentence)

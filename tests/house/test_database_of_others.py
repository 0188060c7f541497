"""A PostgreSQL of the operator's own: made by the guide's three statements, or refused in one sentence."""

import asyncio
import contextlib
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest

from sahut.app.by_hand import without_password
from sahut.app.cannot_start import CannotStart
from sahut.app.child import Child
from sahut.app.doctor import Severity, examine
from sahut.app.engines import check_database, check_owner
from sahut.app.engines.account import engine_account
from sahut.app.engines.binaries import find_programs_for
from sahut.app.settings import read_settings
from sahut.db import migrate

ROOT = Path(__file__).resolve().parents[2]
SUPERUSER_PASSWORD = "of the other team: é %/@"
DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class Others:
    """Somebody else's server: on TCP, with SCRAM."""

    port: int

    def url(self, role: str, password: str, database: str = "sahut", more: str = "") -> str:
        return f"postgresql://{role}:{quote(password, safe='')}@127.0.0.1:{self.port}/{database}{more}"

    @property
    def superuser_url(self) -> str:
        return self.url("postgres", SUPERUSER_PASSWORD, "postgres")

    async def execute(self, *statements: str, database: str = "postgres") -> None:
        connection = await asyncpg.connect(self.url("postgres", SUPERUSER_PASSWORD, database))
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()


@contextlib.contextmanager
def server_of(programs: Path) -> Iterator[Others]:
    """Make a server as another team would, run it, and take everything away."""
    place = Path(tempfile.mkdtemp(prefix="sahut-others-"))
    account = engine_account(place / "data")
    (place / "password").write_text(SUPERUSER_PASSWORD)
    if account is not None:
        for path in (place, place / "password"):
            os.chown(path, account.user_id, account.group_id)
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port = int(asked.getsockname()[1])
    options = ["-D", place / "data", "-U", "postgres", "-E", "UTF8", "--locale=C", "-A", "scram-sha-256"]
    made = Child.start(
        "initdb",
        [programs / "initdb", *options, f"--pwfile={place / 'password'}"],
        death_signal=signal.SIGKILL, account=account, output=subprocess.DEVNULL,
    )  # fmt: skip
    asyncio.run(made.wait())
    running = Child.start(
        "others",
        [programs / "postgres", "-D", place / "data", "-h", "127.0.0.1", "-p", str(port), "-k", place, "-F"],
        death_signal=signal.SIGQUIT, account=account, output=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        asyncio.run(_answers(Others(port), running))
        yield Others(port)
    finally:
        asyncio.run(running.end(signal.SIGINT, grace_s=10))
        shutil.rmtree(place, ignore_errors=True)


async def _answers(others: Others, running: Child) -> None:
    for _ in range(600):
        assert running.exit_code() is None
        try:
            return await others.execute("select 1")
        except (OSError, asyncpg.PostgresError):
            await asyncio.sleep(0.05)
    raise AssertionError("the other server does not answer")


@pytest.fixture(scope="module")
def others() -> Iterator[Others]:
    account = engine_account(Path("/nonexistent/data"))
    with server_of(find_programs_for(account)) as server:
        yield server


@dataclass(frozen=True, slots=True)
class Given:
    """What the guide's statements gave: both addresses."""

    owner: str
    app: str


@pytest.fixture
def given(others: Others) -> Iterator[Given]:
    """Run the guide's three statements, with passwords in place of the dots; take everything away afterwards."""
    owner, app = secrets.token_urlsafe(20), secrets.token_urlsafe(20)
    statements = guide().replace("…", owner, 1).replace("…", app, 1).split(";")
    asyncio.run(others.execute(*(statement for statement in statements if statement.strip())))
    try:
        yield Given(others.url("sahut_owner", owner), others.url("sahut_app", app))
    finally:
        gone = ["drop database if exists sahut with (force)"]
        asyncio.run(others.execute(*gone, "drop role sahut_owner", "drop role sahut_app"))


def guide() -> str:
    told = re.search(
        r"```sql\n(create role sahut_owner.*?)```", (ROOT / "docs/operators-guide.md").read_text(), re.DOTALL
    )
    assert told is not None
    assert told[1].count(";") == 3
    return told[1]


async def refused(app: str, owner: str | None = None) -> str:
    with pytest.raises(CannotStart) as sentence:
        await check_database(app, owner)
    assert "\n" not in str(sentence.value)
    password = without_password(app)[1]
    assert password is None or password not in str(sentence.value)
    return str(sentence.value)


async def test_the_guide_makes_a_database_that_migrates(given: Given, tmp_path: Path) -> None:
    await check_database(given.app, given.owner)
    assert len(await migrate(given.owner)) > 5
    await check_database(given.app, given.owner)

    settings = read_settings({"SAHUT_HOME": str(tmp_path), "SAHUT_DATABASE_URL": given.app, "SAHUT_PORT": "1"})
    found = {finding.check: finding for finding in await examine(settings, frozenset())}
    for check in ("server", "rights", "migrations", "clock", "sealing", "jobs"):
        assert found[check].severity is Severity.OK, found[check]


async def test_a_superuser_is_refused(others: Others, given: Given) -> None:
    assert "superuser postgres" in await refused(others.url("postgres", SUPERUSER_PASSWORD))


async def test_the_owner_in_the_place_of_the_application_is_refused(given: Given) -> None:
    assert "owns the database" in await refused(given.owner)


async def test_an_application_that_owns_a_table_is_refused(others: Others, given: Given) -> None:
    await others.execute("create table mine (n int)", "alter table mine owner to sahut_app", database="sahut")

    assert "owns the table public.mine" in await refused(given.app, given.owner)


async def test_an_application_that_may_make_roles_is_refused(others: Others, given: Given) -> None:
    await others.execute("alter role sahut_app createrole")

    assert "nocreaterole" in await refused(given.app)


async def test_an_owner_who_may_make_nothing_is_refused(others: Others, given: Given) -> None:
    with pytest.raises(CannotStart, match="SAHUT_DATABASE_OWNER_URL: the role sahut_app may not make schemas"):
        await check_owner(given.app)


async def test_a_missing_application_role_is_named(others: Others) -> None:
    await others.execute("create role alone login password 'x'", "create database alone owner alone")
    try:
        with pytest.raises(CannotStart, match="the role sahut_app is missing"):
            await check_owner(others.url("alone", "x", "alone"))
    finally:
        await others.execute("drop database alone", "drop role alone")


async def test_another_role_than_the_application_is_refused(others: Others, given: Given) -> None:
    await others.execute("create role somebody login password 'x'")
    try:
        assert "does not have the rights of sahut_app" in await refused(others.url("somebody", "x"))
    finally:
        await others.execute("drop role somebody")


async def test_another_encoding_is_refused(others: Others, given: Given) -> None:
    await others.execute("create database latin encoding 'LATIN1' locale 'C' template template0")
    try:
        assert "LATIN1" in await refused(given.app.removesuffix("sahut") + "latin")
    finally:
        await others.execute("drop database latin")


async def test_a_database_that_is_read_only_is_refused(others: Others, given: Given) -> None:
    await others.execute("alter database sahut set default_transaction_read_only = on")

    assert "read-only" in await refused(given.app)


async def test_a_wrong_password_an_unknown_database_and_nobody_there_are_told_apart(
    others: Others, given: Given
) -> None:
    assert "password is wrong" in await refused(others.url("sahut_app", "guessed"))
    assert "database is unknown" in await refused(given.app.removesuffix("sahut") + "nothing")
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        assert "nobody listens" in await refused(replace(others, port=asked.getsockname()[1]).url("sahut_app", "x"))


async def test_parameters_of_the_address_reach_the_driver(given: Given) -> None:
    await check_database(f"{given.app}?sslmode=prefer", None)

    assert "TLS" in await refused(f"{given.app}?sslmode=require")
    assert "not understood" in await refused(f"{given.app}?sslmode=perhaps")
    assert "target_session_attrs" in await refused(f"{given.app}?target_session_attrs=standby")


@pytest.mark.skipif(not DEBIAN_15.is_dir(), reason="no PostgreSQL 15 on this machine")
def test_fifteen_is_refused_with_its_version() -> None:
    with server_of(DEBIAN_15) as old:
        asyncio.run(old.execute("create role sahut_app login password 'x'"))
        sentence = asyncio.run(refused(old.url("sahut_app", "x", "postgres")))

    assert re.search(r"is PostgreSQL 15\.\d+.*needs 16", sentence)


def up(home: Path, told: Path, **variables: str) -> Child:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port = str(asked.getsockname()[1])
    own = {name: value for name, value in os.environ.items() if not name.startswith("SAHUT_")}
    own |= {"SAHUT_HOME": str(home), "SAHUT_PORT": port, "PYTHONPATH": str(ROOT), **variables}
    with told.open("wb") as output:
        return Child.start(
            "up", [sys.executable, "-P", "-m", "sahut", "up"],
            death_signal=signal.SIGTERM, environment=own, output=output.fileno(),
        )  # fmt: skip


def wait_for(told: Path, word: str, child: Child) -> None:
    until = time.monotonic() + 30
    while word not in told.read_text():
        assert time.monotonic() < until, told.read_text()
        assert child.exit_code() is None, told.read_text()
        time.sleep(0.05)


def test_up_uses_it_and_starts_no_engine(given: Given, tmp_path: Path) -> None:
    told = tmp_path / "told"
    home = tmp_path / "home"
    running = up(home, told, SAHUT_DATABASE_URL=given.app, SAHUT_DATABASE_OWNER_URL=given.owner)
    try:
        wait_for(told, "Ctrl-C", running)
        assert not (home / "engine").exists()
        assert "postgres" not in {path.stem for path in (home / "run").glob("*.pid")}
    finally:
        assert asyncio.run(running.end(signal.SIGTERM, grace_s=20)) == 0


def test_up_without_the_owner_says_what_is_missing(given: Given, tmp_path: Path) -> None:
    told = tmp_path / "told"
    running = up(tmp_path / "home", told, SAHUT_DATABASE_URL=given.app)

    assert asyncio.run(running.wait()) == 1
    assert "SAHUT_DATABASE_OWNER_URL is missing and the database lacks all tables" in told.read_text()
    assert "Traceback" not in told.read_text()

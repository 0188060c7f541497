"""A real PostgreSQL for every test that wants one, fresh and in some 50 ms.

How to use it:

- ask for ``pool`` (what the application has), ``app_dsn``, ``owner_dsn`` or ``database``: each test that asks for any
  of them gets a database of its own, with all migrations, copied from a template that is made once a session;
- ask for ``engine`` when the test wants the server itself (its home, its process number);
- a test that leaves the books wrong on purpose says so: ``@pytest.mark.books_may_be_wrong("why")``.

After every test that used a database the auditor goes over it (``_check_the_books``): money, care and the sealed log.
A test with a synchronous browser asks for its database before the browser, since only one loop runs in a thread.
"""

import asyncio
import secrets
import shutil
import tempfile
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import hypothesis
import pytest

from sahut.app.audit import audit
from sahut.app.engines import Engine, app_dsn, owner_dsn, superuser_dsn
from sahut.db import Pool, migrate, open_pool

TEMPLATE = "sahut_template"
_QUICK_PLACE_BYTES = 3 << 30

# An example that takes long on a busy machine is no defect; the benches measure.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")


@dataclass(frozen=True, slots=True)
class TestEngine:
    """A running PostgreSQL and the home that it belongs to."""

    __test__ = False

    home: Path
    pid: int


@dataclass(frozen=True, slots=True)
class Database:
    """One test's own database: ``owner_dsn`` may change everything, ``app_dsn`` is what the application has."""

    name: str
    owner_dsn: str
    app_dsn: str
    superuser_dsn: str


@pytest.fixture(scope="session")
def engine() -> Iterator[TestEngine]:
    """PostgreSQL for the whole session, by the product's own supervisor, in a home that goes afterwards."""
    home = Path(tempfile.mkdtemp(prefix="sahut-tests-", dir=_quick_place()))
    server = Engine(home)
    asyncio.run(server.start())
    try:
        yield TestEngine(home=home, pid=server.pid)
    finally:
        asyncio.run(server.stop())
        shutil.rmtree(home, ignore_errors=True)


def _quick_place() -> str | None:
    """Memory that looks like a disk, where there is enough: waiting for a disk five hundred times proves nothing here.

    What a disk has to do is tried where servers are killed, on homes of their own.
    """
    memory = Path("/dev/shm")  # noqa: S108 (a directory of our own is made in it)
    if memory.is_dir() and shutil.disk_usage(memory).free > _QUICK_PLACE_BYTES:
        return str(memory)
    return None


@pytest.fixture(scope="session")
def template(engine: TestEngine) -> str:
    """The database that every test's own is a copy of: migrated, empty, and nobody connected."""
    owner = owner_dsn(engine.home, TEMPLATE)
    _apart(_execute(superuser_dsn(engine.home), f"create database {TEMPLATE} owner sahut_owner template template0"))
    _apart(migrate(owner))
    return TEMPLATE


@pytest.fixture
def database(engine: TestEngine, template: str, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database for this test alone; the books are checked when the test has passed through it."""
    name = f"t_{secrets.token_hex(6)}"
    above = superuser_dsn(engine.home)
    _apart(_execute(above, f"create database {name} owner sahut_owner template {template}"))
    made = Database(
        name=name,
        owner_dsn=owner_dsn(engine.home, name),
        app_dsn=app_dsn(engine.home, name),
        superuser_dsn=superuser_dsn(engine.home, name),
    )
    try:
        yield made
        if request.node.get_closest_marker("books_may_be_wrong") is None:
            _check_the_books(made)
    finally:
        _apart(_execute(above, f"drop database {name} with (force)"))


@pytest.fixture(name="owner_dsn")
def owner_dsn_of_database(database: Database) -> str:
    return database.owner_dsn


@pytest.fixture(name="app_dsn")
def app_dsn_of_database(database: Database) -> str:
    return database.app_dsn


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    """A pool with the application's rights, as the roles have it."""
    opened = await open_pool(database.app_dsn, size=8, name="sahut-test")
    try:
        yield opened
    finally:
        await asyncio.wait_for(opened.close(), 10)


def _check_the_books(database: Database) -> None:
    """After every test the books must balance: the same auditor as ``sahut audit``."""
    findings = _apart(audit(database.owner_dsn))
    assert not findings, f"the books do not balance after this test: {findings}"


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _apart(work: Coroutine[Any, Any, Any]) -> Any:
    """Run ``work`` in a loop of its own, whatever loop the test uses."""
    outcome: list[Any] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(asyncio.run(work))
        except BaseException as problem:  # noqa: BLE001 — handed over to the test below
            failure.append(problem)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]

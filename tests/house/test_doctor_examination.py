"""The doctor looks at real things: each fault is made, and it is seen."""

import asyncio
import json
import os
import signal
import socket
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import asyncpg
import pytest
from typer.testing import CliRunner

from sahut.app.commands import app
from sahut.app.doctor import Severity, asking, examine, looking
from sahut.app.home import Home
from sahut.app.settings import Settings, read_settings
from sahut.db import Connection
from tests.conftest import Database, TestEngine

Seen = TypeVar("Seen")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    Home(home).prepare()
    (home / "secrets").mkdir(mode=0o700)
    return home


async def ask(dsn: str, question: Callable[[Connection], Awaitable[Seen]]) -> Seen:
    async with asking.asked(dsn) as connection:
        return await question(connection)


async def execute(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def test_a_file_that_others_may_read_is_seen(home: Path) -> None:
    (home / "log" / "up.log").touch(mode=0o600)
    assert looking.see_home(home).open_paths == ()

    (home / "log" / "up.log").chmod(0o640)
    assert looking.see_home(home).open_paths == ("home/log/up.log",)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_somebody_else_is_seen(home: Path) -> None:
    for path in (home, *home.rglob("*")):
        os.chown(path, 65534, 65534)
    assert looking.see_home(home).foreign == ()

    os.chown(home / "heads", 0, 0)
    assert looking.see_home(home).foreign == ("home/heads",)


def test_secrets_are_measured(home: Path) -> None:
    for name, length in (("desk.key", 31), ("app", 43)):
        (home / "secrets" / name).touch(mode=0o600)
        (home / "secrets" / name).write_bytes(b"x" * length)

    assert [(one.name, one.length, one.mode) for one in looking.see_secrets(home)] == [
        ("app", 43, 0o600),
        ("desk.key", 31, 0o600),
    ]


def test_dead_stopped_and_living_processes_are_told_apart(home: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    stopped = subprocess.Popen(["sleep", "60"])
    try:
        stopped.send_signal(signal.SIGSTOP)
        os.waitpid(stopped.pid, os.WUNTRACED)
        with Home(home).held():
            for name, pid in (("a", gone.pid), ("b", stopped.pid), ("c", os.getpid())):
                Home(home).note_process(name, pid)
            seen = looking.see_processes(home)

        assert seen.supervised
        assert gone.pid not in seen.states
        assert seen.states[stopped.pid] == "T"
        assert os.getpid() in seen.states
        assert not looking.see_processes(home).supervised
    finally:
        stopped.kill()
        stopped.wait()


def test_the_newest_whole_published_head_is_found(home: Path) -> None:
    lines = [
        json.dumps({"n": n, "root": f"{n:064x}", "signed_at": f"2026-11-22T12:0{n}:00.000000+00:00"}) for n in (1, 2)
    ]
    (home / "heads" / "2026-11-21.jsonl").write_text(lines[0] + "\n")
    (home / "heads" / "2026-11-22.jsonl").write_text("\n".join([*lines, lines[0][:20]]))

    assert looking.see_published(home / "heads") == (2, f"{2:064x}", datetime(2026, 11, 22, 12, 2, tzinfo=UTC))
    assert looking.see_published(home / "nothing") is None


async def test_rights_that_the_application_should_not_have_are_seen(database: Database) -> None:
    assert (await ask(database.superuser_dsn, asking.ask_rights)).changeable == ()
    await execute(database.owner_dsn, "grant update on work.event to sahut_app", "create table work.lost (n int)")
    await execute(database.superuser_dsn, "alter table work.lost owner to sahut_app")

    seen = await ask(database.superuser_dsn, asking.ask_rights)

    assert seen.changeable == ("work.event",)
    assert seen.owned == ("work.lost",)


async def test_pending_and_changed_migrations_are_seen(database: Database) -> None:
    whole = await ask(database.superuser_dsn, asking.ask_migrations)
    assert dict(whole.applied) == dict(whole.known)
    await execute(database.superuser_dsn, "delete from db.migration where name like '0001%'",
                  "update db.migration set sha256 = '\\x00' where name like '0002%'")  # fmt: skip

    seen = await ask(database.superuser_dsn, asking.ask_migrations)

    assert {name[:4] for name in set(seen.known) - set(seen.applied)} == {"0001"}
    assert {name[:4] for name in seen.applied if seen.applied[name] != seen.known[name]} == {"0002"}


async def test_what_keeps_the_books_safe_is_seen(database: Database) -> None:
    seen = await ask(database.superuser_dsn, asking.ask_safety)
    assert (seen.data_checksums, seen.fsync, seen.full_page_writes) == (True, True, True)

    await execute(database.superuser_dsn, f"alter database {database.name} set synchronous_commit = off")
    assert (await ask(database.superuser_dsn, asking.ask_safety)).synchronous_commit == "off"


async def test_a_long_transaction_and_a_hung_session_are_seen(database: Database) -> None:
    holding = await asyncpg.connect(database.app_dsn, server_settings={"application_name": "holds"})
    hanging = await asyncpg.connect(database.app_dsn, server_settings={"application_name": "hangs"})
    try:
        await holding.execute("begin; select 1")
        await hanging.execute("begin")
        cursor = asyncio.ensure_future(hanging.fetch("select repeat('x', 1000000) from generate_series(1, 500)"))
        await asyncio.sleep(0)
        hanging._transport.pause_reading()
        async with asyncio.timeout(20):
            while not (await _sessions(database, hung_after_s=0.0)).hung:
                await asyncio.sleep(0.05)
        seen = await _sessions(database, hung_after_s=0.0)

        assert seen.hung == ("hangs",)
        assert seen.longest_name == "holds"
        assert seen.longest_s > 0
        assert 0 < seen.used < seen.allowed
    finally:
        cursor.cancel()
        holding.terminate()
        hanging.terminate()
        await asyncio.gather(cursor, return_exceptions=True)


async def _sessions(database: Database, *, hung_after_s: float) -> asking.SessionsSeen:
    async with asking.asked(database.superuser_dsn) as connection:
        return await asking.ask_sessions(connection, hung_after_s=hung_after_s)


async def test_an_event_without_a_number_is_late(database: Database) -> None:
    assert await ask(database.superuser_dsn, asking.ask_sealing) == 0
    await execute(
        database.app_dsn, "insert into work.event (topic, subject, kind, body) values ('staff', 0, 'x', '{}')"
    )

    assert await ask(database.superuser_dsn, asking.ask_sealing) > 0


@pytest.mark.books_may_be_wrong("a head is signed by nobody")
async def test_a_published_head_that_the_table_does_not_have_is_seen(database: Database) -> None:
    await execute(
        database.superuser_dsn,
        "insert into work.signed_head (signed_at, n, root, key_id, signature) "
        "values ('2026-11-22T12:00:00Z', 0, '\\xab', 'k', decode(repeat('00', 64), 'hex'))",
    )
    at = datetime(2026, 11, 22, 12, tzinfo=UTC)

    same = await ask(database.superuser_dsn, lambda connection: asking.ask_heads(connection, (0, "ab", at)))
    other = await ask(database.superuser_dsn, lambda connection: asking.ask_heads(connection, (0, "cd", at)))

    assert same.signed == (0, "ab", at)
    assert (same.published_matches, other.published_matches) == (True, False)


@pytest.mark.books_may_be_wrong("a job is buried")
async def test_buried_and_unknown_jobs_are_seen(database: Database) -> None:
    await execute(
        database.owner_dsn,
        "insert into work.job (key, kind, body, buried_at) values ('a', 'classify', '{}', clock_timestamp())",
        "insert into work.job (key, kind, body, run_at) "
        "values ('b', 'classify', '{}', clock_timestamp() - interval '1 hour'), "
        "('c', 'send_fax', '{}', clock_timestamp() - interval '2 minutes'), ('d', 'new', '{}', clock_timestamp())",
    )

    seen = await ask(database.superuser_dsn, lambda connection: asking.ask_jobs(connection, frozenset({"classify"})))

    assert (seen.buried, seen.unknown, seen.oldest_kind) == (1, ("send_fax",), "classify")
    assert seen.oldest_due_s > timedelta(minutes=59).total_seconds()


async def test_machine_and_database_have_one_clock_here(database: Database) -> None:
    assert abs(await ask(database.superuser_dsn, asking.ask_clock)) < 1


def settings(home: Path, **other: str) -> Settings:
    return read_settings({"SAHUT_HOME": str(home), "SAHUT_PORT": "1", **other})


async def test_a_whole_examination_of_a_running_database(engine: TestEngine, database: Database) -> None:
    found = {finding.check: finding for finding in await examine(settings(engine.home), frozenset())}

    assert found["server"].severity is Severity.OK
    assert found["safety"].severity is Severity.OK
    assert found["port"].severity is Severity.WARN
    assert found["migrations"].severity is Severity.WRONG  # the engine's own database is empty: tests have copies


async def test_it_works_when_everything_is_down(tmp_path: Path) -> None:
    found = {finding.check: finding for finding in await examine(settings(tmp_path / "nothing"), frozenset())}

    assert found["home"].severity is Severity.WRONG
    assert found["database"].severity is Severity.WRONG
    assert "jobs" not in found


@pytest.mark.slow
async def test_a_database_that_hangs_is_one_finding(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the kernel accepts, and nobody ever answers
        url = f"postgresql://sahut_app:secret-word@127.0.0.1:{silent.getsockname()[1]}/sahut"
        found = await examine(replace(settings(tmp_path / "nothing"), database_url=url), frozenset())

    told = [finding for finding in found if finding.check == "database"]
    assert "has not answered" in told[0].sentence
    assert not any("secret-word" in finding.sentence + finding.advice for finding in found)


def test_the_command_says_it_and_ends_with_one(tmp_path: Path) -> None:
    outcome = CliRunner().invoke(app, ["doctor", "--json"], env={"SAHUT_HOME": str(tmp_path / "nothing")})

    said = json.loads(outcome.stdout)
    assert outcome.exit_code == 1
    assert said["healthy"] is False
    assert {"check", "severity", "sentence", "advice"} == set(said["findings"][0])


def test_a_wrong_setting_is_a_finding() -> None:
    outcome = CliRunner().invoke(app, ["doctor", "--json"], env={"SAHUT_PORT": "eight"})

    assert json.loads(outcome.stdout)["findings"][0]["check"] == "settings"
    assert outcome.exit_code == 1

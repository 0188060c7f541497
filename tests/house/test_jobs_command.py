"""`sahut jobs`: what an operator sees of the jobs, and what stays in the log of what an operator does."""

import asyncio
import getpass
import json
import os
import pwd
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest
from click.testing import Result
from typer.testing import CliRunner

from sahut.app.cannot_start import CannotStart
from sahut.app.commands import app
from tests.conftest import Database, TestEngine

Sahut = Callable[..., Result]
BURIED = pytest.mark.books_may_be_wrong("a buried job waits for a person")


@pytest.fixture
def sahut(database: Database, tmp_path: Any) -> Sahut:
    """The command line beside an external database."""

    def run(*words: str) -> Result:
        environment = {"SAHUT_HOME": str(tmp_path), "SAHUT_DATABASE_URL": database.app_dsn}
        return CliRunner().invoke(app, ["jobs", *words], env=environment)

    return run


def execute(database: Database, statement: str) -> list[asyncpg.Record]:
    async def go() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(database.owner_dsn)  # makes up rows that the application could not
        try:
            return await connection.fetch(statement)
        finally:
            await connection.close()

    return asyncio.run(go())


@pytest.fixture
def some_jobs(database: Database) -> Database:
    execute(
        database,
        """insert into work.job (kind, key, body, run_at, attempts, held_by, buried_at, story) values
        ('find_case', 'find_case 1 1', '{"contact": 1}', now() - interval '90 minutes', 0, null, null, '[]'),
        ('find_case', 'find_case 1 2', '{"contact": 2}', now() + interval '1 hour', 2, null, null, '[]'),
        ('find_case', 'find_case 1 3', '{"contact": 3}', now() + interval '5 seconds', 1, 'work-0', null, '[]'),
        ('find_case', 'find_case 1 4', '{"contact": 4}', now(), 12, null, now(),
            '[{"at": "2026-01-05T10:00:00+00:00", "error": "LookupError at flow.py:1 find_case"}]'),
        ('of_older', 'of_older 1', '{}', now() - interval '3 days', 0, null, null, '[]')""",
    )
    return database


@BURIED
def test_the_list_counts_by_kind_and_names_what_needs_a_person(some_jobs: Database, sahut: Sahut) -> None:
    told = sahut("--json")
    answer = json.loads(told.output)

    assert told.exit_code == 0
    assert [
        (one["kind"], one["known"], one["waiting"], one["due"], one["running"], one["buried"])
        for one in answer["kinds"]
    ] == [("find_case", True, 1, 1, 1, 1), ("of_older", False, 0, 1, 0, 0)]
    assert 5_400 <= answer["kinds"][0]["oldest_due_s"] < 5_500
    assert [one["key"] for one in answer["buried"]] == ["find_case 1 4"]
    assert answer["sentences"] == [
        "1 jobs of the kind of_older are due, and this release does not know it; the oldest for 3 days."
    ]


@BURIED
def test_the_list_can_be_read(some_jobs: Database, sahut: Sahut) -> None:
    lines = sahut().output.splitlines()

    assert lines[0].split() == ["kind", "waiting", "due", "running", "buried", "oldest", "due"]
    assert lines[1].split() == ["find_case", "1", "1", "1", "1", "1", "h"]
    assert lines[2].split() == ["of_older", "0", "1", "0", "0", "3", "d", "not", "known", "to", "this", "release"]
    assert lines[3].startswith("Buried since ")
    assert lines[3].endswith(": find_case 1 4")
    assert lines[4].startswith("1 jobs of the kind of_older are due")


def test_an_empty_list_is_a_sentence(sahut: Sahut) -> None:
    assert sahut().output == "Nothing is to be done.\n"


@BURIED
@pytest.mark.parametrize(
    ("key", "state"),
    [("find_case 1 1", "due"), ("find_case 1 2", "waiting"), ("find_case 1 3", "running"), ("find_case 1 4", "buried")],
)
def test_one_job_is_shown_with_its_story(some_jobs: Database, sahut: Sahut, key: str, state: str) -> None:
    told, as_json = sahut("show", key), sahut("show", key, "--json")

    assert told.exit_code == as_json.exit_code == 0
    assert told.output.startswith(f"{key}: {state}, of the kind find_case.\n")
    assert ("LookupError at flow.py:1" in told.output) == (state == "buried")
    assert ("Claimed last by work-0." in told.output) == (state == "running")
    assert json.loads(as_json.output)["state"] == state


@pytest.mark.parametrize(
    "words",
    [
        ("show", "nothing 1"),
        ("revive", "nothing 1", "--reason", "r"),
        ("revive", "--kind", "nothing", "--reason", "r"),
        ("bury", "nothing 1", "--reason", "r"),
    ],
)
def test_what_is_not_there_is_a_sentence_and_exit_code_1(sahut: Sahut, words: tuple[str, ...]) -> None:
    told = sahut(*words)

    assert told.exit_code == 1
    assert "nothing" in told.output
    assert told.output.rstrip().endswith(".")


@pytest.mark.parametrize(
    "words",
    [
        ("revive", "find_case 1 4"),
        ("bury", "find_case 1 1"),
        ("revive", "--reason", "r"),
        ("revive", "find_case 1 4", "--kind", "find_case", "--reason", "r"),
        ("revive", "find_case 1 4", "--reason", " "),
        ("bury", "find_case 1 1", "--reason", "r" * 201),
    ],
)
@BURIED
def test_nothing_is_done_without_a_reason_or_without_saying_to_what(
    some_jobs: Database, sahut: Sahut, words: tuple[str, ...]
) -> None:
    assert sahut(*words).exit_code == 2
    assert execute(some_jobs, "select count(*) from work.event")[0][0] == 0
    assert execute(some_jobs, "select count(*) from work.job where buried_at is not null")[0][0] == 1


@pytest.mark.parametrize("words", [("find_case 1 4",), ("--kind", "find_case")])
def test_a_revived_job_has_all_its_tries_again_and_the_log_says_who_and_why(
    some_jobs: Database, sahut: Sahut, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_USER", "bima")

    told = sahut("revive", *words, "--reason", "the bank answers again")

    assert told.exit_code == 0, told.output
    (job,) = execute(some_jobs, "select * from work.job where key = 'find_case 1 4'")
    assert (job["buried_at"], job["held_by"], job["attempts"] - job["forgiven"]) == (None, None, 0)
    assert json.loads(job["story"])[0]["error"].startswith("LookupError")
    (event,) = execute(some_jobs, "select topic, subject, kind, body from work.event")
    body = json.loads(event["body"])
    assert (event["topic"], event["subject"]) == ("staff", 0)
    assert (body["by"], body["reason"]) == (f"{pwd.getpwuid(os.getuid()).pw_name} (bima)", "the bank answers again")
    assert event["kind"] == ("jobs_revived" if "--kind" in words else "job_revived")


@BURIED
def test_a_job_is_buried_with_a_reason_also_while_it_runs(some_jobs: Database, sahut: Sahut) -> None:
    told, again = (sahut("bury", "find_case 1 3", "--reason", "it pays twice") for _ in range(2))

    assert (told.exit_code, again.exit_code) == (0, 1)
    (job,) = execute(some_jobs, "select * from work.job where key = 'find_case 1 3'")
    assert job["attempts"] == 2, "whoever runs it holds an older attempt"
    assert job["buried_at"] is not None
    assert json.loads(job["story"])[-1]["error"] == f"buried by {getpass.getuser()}"
    (event,) = execute(some_jobs, "select kind, body from work.event")
    assert event["kind"] == "job_buried"
    assert json.loads(event["body"])["reason"] == "it pays twice"


def test_a_database_that_is_away_is_a_sentence(sahut: Sahut, tmp_path: Any) -> None:
    environment = {"SAHUT_HOME": str(tmp_path), "SAHUT_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}

    told = CliRunner().invoke(app, ["jobs"], env=environment)

    assert isinstance(told.exception, CannotStart)
    assert str(told.exception) == "The database does not answer: is Sahut running?"


def test_the_embedded_database_is_found_by_its_home_and_an_older_one_is_a_sentence(engine: TestEngine) -> None:
    """The tests' own engine has the product's database, and nobody has migrated it."""
    told = CliRunner().invoke(app, ["jobs"], env={"SAHUT_HOME": str(engine.home)})

    assert isinstance(told.exception, CannotStart)
    assert str(told.exception) == "The database is of an older release: `sahut migrate` brings it to this one."


@BURIED
def test_what_stands_in_the_database_gives_no_orders_to_a_terminal(database: Database, sahut: Sahut) -> None:
    execute(
        database,
        "insert into work.job (kind, key, body, buried_at, story, held_by) values ('odd' || chr(27) || '[2J',"
        " 'key' || chr(27) || ']0;mine' || chr(7), '{}', now(),"
        " jsonb_build_array(jsonb_build_object('at', '2026-01-01T00:00:00', 'error', chr(27) || 'no')), chr(8238))",
    )
    for told in (sahut(), sahut("show", "key\x1b]0;mine\x07"), sahut("revive", "no\x1b[2J", "--reason", "why")):
        assert not set(told.output) & set("\x1b\x07\u202e"), ascii(told.output)
    assert "odd?[2J" in sahut().output


@BURIED
def test_rows_that_nobody_of_ours_wrote_are_shown_too(database: Database, sahut: Sahut) -> None:
    execute(
        database,
        "insert into work.job (kind, key, body, run_at, story) values"
        " ('odd', 'never', '{}', 'infinity', '[{}]'), ('odd', 'ever', '{}', '-infinity', '[]')",
    )
    assert "for ever" in sahut().output
    for key in ("never", "ever"):
        assert sahut("show", key).exit_code == 0

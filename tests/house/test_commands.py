"""The command line: one table, help from docstrings, one sentence for what cannot be done."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sahut.app.cannot_start import CannotStart
from sahut.app.commands import GROUPS, TABLE, app

RUN = CliRunner()


def test_help_names_every_command_of_the_table() -> None:
    told = RUN.invoke(app, ["--help"]).output

    for name, function in TABLE:
        assert name in told
        assert function.__doc__
    for name, group in GROUPS:
        assert name in told
        assert group.info.help


@pytest.mark.parametrize("name", [name for name, _what in (*TABLE, *GROUPS)])
def test_every_command_explains_itself(name: str) -> None:
    assert RUN.invoke(app, [name, "--help"]).exit_code == 0


@pytest.mark.parametrize("command", ["bench", "trial"])
def test_an_unknown_bench_or_trial_is_answered_with_all_there_are(command: str) -> None:
    outcome = RUN.invoke(app, [command, "nothing"])

    assert isinstance(outcome.exception, CannotStart)
    assert "There are:" in str(outcome.exception)


def test_a_file_that_is_no_receipt_does_not_hold(tmp_path: Path) -> None:
    file = tmp_path / "receipt.json"
    file.write_text("{}")

    assert RUN.invoke(app, ["verify", str(file), "--json"]).exit_code == 1


def test_a_key_that_is_no_key_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "receipt.json"
    file.write_text("{}")

    outcome = RUN.invoke(app, ["verify", str(file), "--key", "xyz"])

    assert outcome.exit_code == 2
    assert "64 hex digits" in outcome.output


def test_a_home_where_nothing_ran_is_left_as_it_is(tmp_path: Path) -> None:
    home = tmp_path / "home"

    outcome = RUN.invoke(app, ["audit"], env={"SAHUT_HOME": str(home)})

    assert isinstance(outcome.exception, CannotStart)
    assert not home.exists()


def test_a_command_that_crashes_leaves_no_secrets_in_a_file() -> None:
    program = (
        "import resource, sys; from sahut.app.commands import run; sys.argv = ['sahut', '--help']\n"
        "try:\n    run()\nexcept SystemExit:\n    print(resource.getrlimit(resource.RLIMIT_CORE)[0])"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines()[-1] == "0"

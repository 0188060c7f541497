"""``docs/capabilities.tsv`` says what stands: what is done or begun names tests that exist, and commands are real ones.

Several tests are separated by spaces; a test is a path, or ``path::function``.
"""

import csv
import re
from pathlib import Path

import pytest

from sahut.app.commands import TABLE

ROOT = Path(__file__).resolve().parents[2]
STATES = {"done", "begun", "not yet"}

FILE = ROOT / "docs" / "capabilities.tsv"
ROWS = list(csv.DictReader(FILE.read_text().splitlines(), delimiter="\t")) if FILE.exists() else []


def test_the_table_has_its_columns_and_no_id_twice() -> None:
    ids = [row["id"] for row in ROWS]

    assert ROWS
    assert {"id", "state", "test", "command"} <= ROWS[0].keys()
    assert len(ids) == len(set(ids))
    assert {row["state"] for row in ROWS} <= STATES


@pytest.mark.parametrize("row", [row for row in ROWS if row["state"] != "not yet"], ids=lambda row: row["id"])
def test_what_is_done_or_begun_names_a_test_that_exists(row: dict[str, str]) -> None:
    named = row["test"].split()

    assert named
    for test in named:
        path, _, function = test.partition("::")
        assert (ROOT / path).is_file(), f"{path} is not there"
        if function:
            assert re.search(rf"def {re.escape(function)}\b", (ROOT / path).read_text()), f"{path} has no {function}"


def test_every_command_can_be_typed() -> None:
    known = {name for name, _function in TABLE}
    for row in ROWS:
        for command in re.findall(r"\bsahut (\w+)", row["command"] or ""):
            assert command in known, row

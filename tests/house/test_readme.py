"""README tells the truth: its paths are there, the names beside them are in them, its commands can be typed."""

import re
from pathlib import Path

from sahut.app.commands import GROUPS, TABLE

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text()
_PATH = r"(?:sahut|sahut_lab|tests|tools|docs)/[\w./-]+"


def test_every_path_is_there() -> None:
    paths = re.findall(rf"`({_PATH})`", TEXT)

    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_name_is_in_the_file_beside_it() -> None:
    pairs = re.findall(rf"`({_PATH}\.\w+)`\s*\(`(\w+)`", TEXT) + [
        (path, name) for path, name in re.findall(rf"\(`({_PATH}\.\w+)`,\s*`(\w+)`", TEXT)
    ]

    assert len(pairs) > 8
    for path, name in pairs:
        defined = re.search(
            rf"(?:\bclass|\bdef|-- name:)\s+{name}\b|^{name}\b", (ROOT / path).read_text(), re.MULTILINE
        )
        assert defined, f"{path} has no {name}"


def test_both_ways_are_told() -> None:
    assert "## Follow one message" in TEXT
    assert "## Follow one payment" in TEXT


def test_every_command_can_be_typed() -> None:
    known = {name for name, _ in (*TABLE, *GROUPS)}

    assert set(re.findall(r"^sahut (\w+)", TEXT, re.MULTILINE)) <= known
    for script in re.findall(r"^\./(\w+)", TEXT, re.MULTILINE):
        assert (ROOT / script).stat().st_mode & 0o111, script

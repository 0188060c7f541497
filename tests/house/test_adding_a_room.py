"""`docs/adding-a-room.md` is done literally, on a copy of the house: every file written, every command typed."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from sahut_lab.trial.patches import apply_text

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "adding-a-room.md").read_text()
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NEW = re.compile(r"^(?:#|--) new: (\S+)\n")
COPIED = ("sahut", "sahut_lab", "tests", "tools", "docs", "pyproject.toml", "README.md")


@dataclass(frozen=True)
class Block:
    """One fenced block of the page. `sort`: what stands behind the fence."""

    sort: str
    text: str


def blocks() -> list[Block]:
    return [Block(sort, text) for sort, text in _BLOCK.findall(PAGE)]


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the sources, in which the commands of the page find our programs."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def carry_out(block: Block, house: Path, number: str) -> None:
    """Do what one block says."""
    text = block.text.replace("NNNN", number)
    if new := _NEW.match(text):
        path = house / new[1]
        assert not path.exists() or not path.read_text(), f"{new[1]} is there already"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text[new.end() :])
    elif block.sort == "diff":
        apply_text("the page", text, house)
    else:
        assert block.sort == "sh", f"nobody knows what to do with a block of {block.sort}"
        for line in text.splitlines():
            type_in(line, house)


def type_in(line: str, house: Path) -> None:
    programs = Path(sys.executable).parent
    variables = {name: value for name, value in os.environ.items() if not name.startswith("SAHUT_")}
    variables |= {"PATH": f"{programs}{os.pathsep}{variables.get('PATH', '')}", "PYTHONPATH": str(house)}
    done = subprocess.run(
        ["sh", "-ec", line], cwd=house, env=variables, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, f"{line}\n{done.stdout[-4000:]}\n{done.stderr[-2000:]}"


@pytest.mark.slow
def test_a_newcomer_who_does_what_the_page_says_has_a_room(house: Path) -> None:
    migrations = sorted((house / "sahut" / "db" / "migrations").glob("*.sql"))
    number = f"{int(migrations[-1].name[:4]) + 1:04d}"

    for block in blocks():
        carry_out(block, house, number)

    assert (house / "sahut" / "reminders" / "schema.sql").read_text().count("CREATE TABLE") == 1


@pytest.mark.slow
def test_the_house_notices_what_a_newcomer_leaves_out(house: Path) -> None:
    """Without the row of its refusal, or with a number too high, the same room does not stand."""
    written = [block for block in blocks() if block.sort != "sh" and "web/words" not in block.text]
    (house / "sahut" / "reminders").mkdir()
    for block in written:
        carry_out(block, house, "9999")

    with pytest.raises(AssertionError, match="bad_reminder_time"):
        type_in("pytest -q tests/house/test_refusals.py", house)
    with pytest.raises(AssertionError, match="without_holes"):
        type_in("pytest -q tests/house/test_schema.py -k without_holes", house)


def test_every_step_of_the_page_can_be_carried_out() -> None:
    sorts = [block.sort for block in blocks()]

    assert {"python", "sql", "diff", "sh"} == set(sorts)
    assert all(_NEW.match(block.text) for block in blocks() if block.sort in {"python", "sql"})
    paths = re.findall(r"`((?:sahut|docs)/[\w./-]+)`", PAGE)
    assert [path for path in paths if "reminders" not in path and not (ROOT / path).exists()] == []

"""The picture of the house has no circle: import-linter holds the floors, with every room."""

import tomllib
from pathlib import Path

from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).resolve().parents[2]


def test_imports_only_go_down() -> None:
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), cache_dir=None) == EXIT_STATUS_SUCCESS


def test_every_room_stands_on_a_floor() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    named = {room for floor in contracts[0]["layers"] for room in floor.split(" | ")}
    rooms = {path.parent.name for path in (ROOT / "sahut").glob("*/__init__.py")}

    assert len(rooms) >= 16
    assert rooms == named
    assert contracts[0]["exhaustive"] is True

"""The environment of ``./run`` and ``./test``: an interrupted one is not taken for a whole one, a whole one is kept."""

import importlib.util
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("environment", ROOT / "tools" / "environment.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOOL = _tool()
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sources with an empty lock and the environment made from it."""
    root = tmp_path_factory.mktemp("sources with a space")
    (root / "sahut").mkdir()
    (root / "sahut" / "__init__.py").touch()
    (root / "sahut" / "__main__.py").write_text("import sys; print('started', *sys.argv[1:])")
    (root / "some.lock").touch()
    TOOL.Environment(root).prepare("some.lock")
    return root


def test_the_command_is_installed(made: Path) -> None:
    told = subprocess.run([made / ".venv" / "bin" / "sahut", "up", "a b"], capture_output=True, text=True, check=True)

    assert told.stdout == "started up a b\n"


def test_a_whole_one_is_kept(made: Path) -> None:
    (made / ".venv" / "mark").touch()

    TOOL.Environment(made).prepare("some.lock")

    assert (made / ".venv" / "mark").exists()


def test_one_without_its_stamp_is_made_anew(made: Path) -> None:
    (made / ".venv" / "mark").touch()
    (made / ".venv" / "sahut-installed.json").unlink()

    TOOL.Environment(made).prepare("some.lock")

    assert not (made / ".venv" / "mark").exists()


def test_what_cannot_be_installed_leaves_no_stamp_and_says_why(made: Path, tmp_path: Path) -> None:
    root = tmp_path / "sources"
    root.mkdir()
    (root / "some.lock").write_text("no-such-thing @ file:///nowhere\n")
    shutil.copytree(made / ".venv", root / ".venv", symlinks=True)

    with pytest.raises(TOOL.EnvironmentFailed, match=r"some\.lock could not be installed"):
        TOOL.Environment(root).prepare("some.lock")
    assert not (root / ".venv").exists()


def test_a_python_is_found() -> None:
    found = subprocess.run([ROOT / "tools" / "find-python"], capture_output=True, text=True, check=True).stdout.strip()

    version = subprocess.run(
        [found, "-c", "import sys; print(sys.version_info >= (3, 11))"], capture_output=True, check=True
    )
    assert version.stdout == b"True\n"

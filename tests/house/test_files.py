"""What is in the repository: no path of a machine, no address of an index, locks that serve everywhere."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Written in pieces, so that this file does not find itself.
FORBIDDEN = {
    "a path of some machine": re.compile(r"(?<![\w.])/" + r"(?:root|work|home|Users)/[\w.]"),
    "an index of packages": re.compile(
        r"py" + r"pi\.org|python" + r"hosted\.org|registry\.npm" + r"js\.org|deb\.deb" + "ian"
    ),
}
TEXT = {".py", ".sql", ".md", ".toml", ".txt", ".in", ".lock", ".html", ".css", ".js", ".json", ".tsv", ".patch", ""}


def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name]


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_tracked_file_holds(what: str) -> None:
    found = []
    for path in _tracked():
        if path.suffix in TEXT and path.is_file():
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
                if FORBIDDEN[what].search(line):
                    found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}")
    assert not found, "\n".join(found)


def _pins(lock: str) -> dict[str, str]:
    pinned = re.findall(r"^([\w.-]+)==([^ ;\\]+)", (ROOT / lock).read_text(), re.MULTILINE)
    return dict(pinned)


def test_the_locks_carry_hashes_and_agree() -> None:
    product, tests = _pins("requirements.lock"), _pins("requirements-dev.lock")

    assert product.items() <= tests.items()
    for lock in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / lock).read_text()
        assert text.count("--hash=sha256:") >= len(_pins(lock))
        assert "--index-url" not in text
        assert "--find-links" not in text


def test_everything_asked_for_is_locked() -> None:
    for asked, lock in (("requirements.in", "requirements.lock"), ("requirements-dev.in", "requirements-dev.lock")):
        names = {line for line in (ROOT / asked).read_text().split("\n") if re.fullmatch(r"[\w-]+", line)}
        assert names <= _pins(lock).keys()

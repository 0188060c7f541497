"""Applying a patch to a copy of the tree by its text, so that it outlives the moving of lines and needs no tool."""

import shutil
from pathlib import Path

from sahut_lab.house import TREE

FOLDER = TREE / "sahut_lab" / "broken"


class DoesNotApply(Exception):
    """The lines that a patch replaces do not stand in the tree exactly once."""


def patch_names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.patch"))


def copy_tree(target: Path) -> None:
    """The product and its laboratory as they stand here, without what was compiled."""
    for package in ("sahut", "sahut_lab"):
        shutil.copytree(TREE / package, target / package, ignore=shutil.ignore_patterns("__pycache__"))


def apply(name: str, tree: Path) -> None:
    """Change the files below `tree` as the patch says. Raises `DoesNotApply`."""
    apply_text(name, (FOLDER / f"{name}.patch").read_text("utf-8"), tree)


def apply_text(name: str, patch: str, tree: Path) -> None:
    """The same with the text of a patch; `name` is what a complaint calls it. Raises `DoesNotApply`."""
    for path, old, new in hunks(patch):
        text = (tree / path).read_text("utf-8")
        if (found := text.count(old)) != 1:
            raise DoesNotApply(f"{name}: {path} has these lines {found} times:\n{old}")
        (tree / path).write_text(text.replace(old, new), "utf-8")


def hunks(patch: str) -> list[tuple[str, str, str]]:
    """(path, old lines, new lines) of each hunk, in order."""
    found: list[tuple[str, str, str]] = []
    path = ""
    for line in patch.splitlines(keepends=True):
        if line.startswith(("diff ", "index ", "--- ")):
            continue
        if line.startswith("+++ "):
            path = line.split()[1].removeprefix("b/")
        elif line.startswith("@@"):
            found.append((path, "", ""))
        elif found:
            kind, text = line[:1], line[1:] if line.strip() else "\n"
            _, old, new = found[-1]
            found[-1] = (path, old + text if kind != "+" else old, new + text if kind != "-" else new)
    return found

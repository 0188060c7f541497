"""The environment that ``./run`` and ``./test`` share: ``.venv``, installed from the lock files with their hashes.

Only the standard library is used here, since this runs before anything is installed. The stamp is written last and
names what was installed: an installation that was interrupted has no stamp and is made anew.
"""

import contextlib
import fcntl
import hashlib
import json
import re
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from pathlib import Path

_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)


class EnvironmentFailed(Exception):
    """The environment could not be made; the text tells what the installer said last."""


class Environment:
    """``.venv`` beside the sources; several starters at once take turns."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._directory = root / ".venv"
        self._stamp = self._directory / "sahut-installed.json"
        self.python = self._directory / "bin" / "python"

    def prepare(self, *locks: str) -> None:
        """See that everything in ``locks`` is installed; quick when it is.

        The first lock is the product's: when it changed, the environment is made from nothing. Further ones are added.

        **Refuses**: ``EnvironmentFailed``.
        """
        wanted = {lock: self._fingerprint(lock) for lock in locks}
        if self._has(wanted):
            return
        with self._turn():
            if self._has(wanted):
                return
            try:
                if not self._has({locks[0]: wanted[locks[0]]}):
                    self._make()
                for lock in locks:
                    if not self._has({lock: wanted[lock]}):
                        self._install(lock)
                        self._remember(lock, wanted[lock])
            except BaseException:
                if not self._stamp.exists():
                    shutil.rmtree(self._directory, ignore_errors=True)
                raise

    def _has(self, wanted: dict[str, str]) -> bool:
        try:
            installed = json.loads(self._stamp.read_text())
        except (OSError, ValueError):
            return False
        return self.python.exists() and wanted.items() <= installed.items()

    def _fingerprint(self, lock: str) -> str:
        """An environment is bound to its lock, to its place and to the Python that it was made with."""
        made_of = f"{self._root}\n{sys.version}\n".encode() + (self._root / lock).read_bytes()
        return hashlib.sha256(made_of).hexdigest()

    def _make(self) -> None:
        _say("Making the environment in .venv (once; later starts take seconds).")
        self._stamp.unlink(missing_ok=True)  # first, so that a half removed environment is not taken for a whole one
        shutil.rmtree(self._directory, ignore_errors=True)
        try:
            venv.create(self._directory, with_pip=True)
        except (OSError, subprocess.CalledProcessError) as problem:
            raise EnvironmentFailed(f"The environment {self._directory} could not be made: {problem}") from problem
        packages = next((self._directory / "lib").glob("python3.*/site-packages"))
        (packages / "sahut-sources.pth").write_text(f"{self._root}\n")
        command = self._directory / "bin" / "sahut"
        command.write_text(f'#!/bin/sh\nexec "{self.python}" -P -m sahut "$@"\n')
        command.chmod(0o755)

    def _install(self, lock: str) -> None:
        count = len(_PINNED.findall((self._root / lock).read_text()))
        options = [
            "--no-deps",
            "--require-hashes",
            "--no-input",
            "--disable-pip-version-check",
            "--progress-bar",
            "off",
        ]
        pip = [str(self.python), "-m", "pip", "install", *options, "-r", str(self._root / lock)]
        began, seen, words = time.monotonic(), 0, list[str]()
        with subprocess.Popen(pip, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as installer:
            try:
                for line in installer.stdout or ():
                    words = [*words[-30:], line.rstrip()]
                    if line.startswith(("Collecting ", "Requirement already satisfied: ", "Ignoring ")):
                        seen += 1
                        _progress(f"  {lock}: {seen} of {count} packages", done=False)
                    elif line.startswith("Installing collected"):
                        _progress(f"  {lock}: {count} of {count} packages, unpacking", done=False)
            except BaseException:
                installer.terminate()
                raise
        if installer.returncode != 0:
            _progress("", done=True)
            told = "\n".join(f"  {word}" for word in words if not word.startswith("WARNING"))
            raise EnvironmentFailed(f"{told}\nThe packages in {lock} could not be installed (above: pip's last words).")
        _progress(f"  {lock}: {count} packages in {time.monotonic() - began:.0f} s", done=True)

    def _remember(self, lock: str, fingerprint: str) -> None:
        installed = json.loads(self._stamp.read_text()) if self._stamp.exists() else {}
        draft = self._stamp.with_suffix(".draft")
        draft.write_text(json.dumps({**installed, lock: fingerprint}, indent=1) + "\n")
        draft.replace(self._stamp)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """The lock goes with the process, so a killed starter holds up nobody."""
        with (self._root / ".venv.lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                _say("Another start is making the environment; waiting for it.")
                fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _progress(text: str, *, done: bool) -> None:
    """One line that grows in a terminal; elsewhere only its last state."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="\n" if done else "", file=sys.stderr, flush=True)
    elif done and text:
        _say(text)

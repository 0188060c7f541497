"""The home: the one directory in which an installation keeps its database, its secrets and its traces.

``engine/`` data, ``secrets/``, ``run/`` process numbers, ``log/``, ``heads/`` published heads of the sealed log, and
``demo``, the mark that makes a home a demo home for ever.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from sahut.app.cannot_start import CannotStart
from sahut.app.private_files import open_private
from sahut.app.settings import Settings

_PROBE, _PROBE_BYTES = ".writable", 4096
# What a home consists of, apart from the engine's own files.
OURS = ("secrets", "log", "run", "heads", "spool", "demo", "up.lock", "engine.at", "engine.socket", "restored.json")


class Home:
    """A home and what ``sahut up`` writes there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path / "log"
        self.heads = path / "heads"
        self._run = path / "run"
        self._mark = path / "demo"

    def prepare(self) -> None:
        """Make the directories that are missing. **Refuses**: ``CannotStart``."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for directory in (self.log, self.heads, self._run):
                directory.mkdir(mode=0o700, exist_ok=True)
        except OSError as problem:
            raise CannotStart(f"SAHUT_HOME {self.path} cannot be used: {problem.strerror}.") from problem

    @property
    def is_demo(self) -> bool:
        return self._mark.exists()

    def mark_as_demo(self) -> None:
        """Make this a demo home for ever.

        **Refuses**: ``CannotStart`` when it already has a database that is not a demo's: a demo brings invented people,
        and real ones must not find themselves among them.
        """
        if self.is_demo:
            return
        # The mark comes before anything else of a demo, so what is here without it is real.
        if any((self.path / made).exists() for made in ("engine", "engine.at", "secrets")):
            raise CannotStart(f"{self.path} is a real home and stays one: choose another SAHUT_HOME for --demo.")
        with open_private(self._mark) as mark:
            mark.write(b"This home is a demo and stays one: its people and its money are invented.\n")

    def refuse_elsewhere(self, settings: Settings) -> None:
        """A demo home uses its own database and no other. **Refuses**: ``CannotStart``."""
        if self.is_demo and settings.database_url is not None:
            raise CannotStart(
                f"{self.path} is a demo of invented people and uses its own database: unset SAHUT_DATABASE_URL."
            )

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the home as the one supervisor in it; a killed supervisor holds nothing.

        **Refuses**: ``CannotStart`` when another one runs.
        """
        try:
            opened = open_private(self.path / "up.lock")
        except OSError as problem:
            raise CannotStart(f"SAHUT_HOME {self.path} cannot be used: {problem.strerror} (up.lock).") from problem
        with opened as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CannotStart(f"Sahut is running in {self.path} already: end that one first.") from None
            self._try_to_write()
            yield

    def _try_to_write(self) -> None:
        try:
            # Root does this before it steps down, and the service account could have laid a link: none is followed.
            run = os.open(self._run, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                for name in os.listdir(run):  # noqa: PTH208 — by descriptor: a path could be changed meanwhile
                    if name.endswith(".pid") or name == _PROBE:
                        os.unlink(name, dir_fd=run)
                opened = os.open(_PROBE, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=run)
                with os.fdopen(opened, "wb") as probe:
                    probe.write(bytes(_PROBE_BYTES))
                os.unlink(_PROBE, dir_fd=run)
            finally:
                os.close(run)
        except OSError as problem:
            raise CannotStart(f"SAHUT_HOME {self.path} cannot be written: {problem.strerror}.") from problem

    def note_process(self, name: str, pid: int) -> None:
        """Write ``run/<name>.pid``, whole at every moment. A full disk costs the note, not the process."""
        draft = self._run / f".{name}.draft"
        with contextlib.suppress(OSError):
            draft.write_text(f"{pid}\n")
            draft.replace(self._run / f"{name}.pid")

    def forget_process(self, name: str) -> None:
        with contextlib.suppress(OSError):
            (self._run / f"{name}.pid").unlink(missing_ok=True)

    def noted_processes(self) -> dict[str, int]:
        """**Returns**: name → process number, as noted; whether they still run is another question."""
        found: dict[str, int] = {}
        for path in sorted(self._run.glob("*.pid")):
            with contextlib.suppress(OSError, ValueError):
                found[path.stem] = int(path.read_text())
        return found

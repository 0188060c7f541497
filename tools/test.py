"""What ``./test`` does: the environment, then part after part, then one table of what came out."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

from environment import Environment, EnvironmentFailed

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("sahut", "sahut_lab", "tests", "tools")


@dataclass(frozen=True)
class Part:
    """One thing that is checked. ``folders``: the tests of a pytest part. ``needs``: Debian packages by program."""

    name: str
    what: str
    command: tuple[str, ...]
    fast: bool = True
    folders: tuple[str, ...] = ()
    needs: tuple[tuple[str, str], ...] = ()


def _tests(
    name: str, what: str, *folders: str, fast: bool, beside: int = 0, needs: tuple[tuple[str, str], ...] = ()
) -> Part:
    """``beside``: how many processes share the tests, each with a database server of its own; 0: one by one."""
    command = ("pytest", "-q", "--durations=5", *(("-n", str(beside), "--dist=worksteal") if beside else ()))
    return Part(name, what, command, fast=fast, folders=folders, needs=needs)


PARTS = (
    Part("format", "ruff format", ("ruff", "format", "--check", *SOURCES)),
    Part("lint", "ruff check", ("ruff", "check", *SOURCES)),
    Part("types", "mypy strict", ("mypy",)),
    Part("floors", "import-linter", ("lint-imports", "--no-cache")),
    _tests("house", "the house itself, rules, rooms", "tests/house", "tests/rules", "tests/rooms", fast=True, beside=2),
    _tests("journeys", "through the door and back", "tests/journeys", fast=False, needs=(("chromium", "chromium"),)),
    _tests("trials", "plugs pulled under load", "tests/trials", fast=False),
)


@dataclass
class Outcome:
    """How a part went; the counts are of single tests, and none for the parts that have none."""

    part: Part
    good: bool
    seconds: float
    passed: int = 0
    failed: int = 0
    skipped: int = 0


def main() -> int:
    arguments = argparse.ArgumentParser(prog="./test", description="Check everything, or some parts.")
    names = [part.name for part in PARTS]
    arguments.add_argument("parts", nargs="*", metavar="PART", help=f"fast, or any of {', '.join(names)}")
    wanted = arguments.parse_args().parts
    if unknown := set(wanted) - {*names, "fast"}:
        arguments.error(f"no part is named {', '.join(sorted(unknown))}")
    chosen = [part for part in PARTS if not wanted or part.name in wanted or ("fast" in wanted and part.fast)]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    environment = Environment(ROOT)
    try:
        environment.prepare("requirements.lock", "requirements-dev.lock")
        for program, package in sorted({need for part in chosen for need in part.needs}):
            _install_from_debian(program, package)
        quick = "fast" in wanted
        outcomes = [_check(part, environment.python.parent, quick=quick) for part in chosen]
    except EnvironmentFailed as failed:
        print(failed, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130
    return _report(outcomes)


def _check(part: Part, programs: Path, *, quick: bool) -> Outcome:
    print(f"\n== {part.name}: {part.what}", flush=True)
    folders = [folder for folder in part.folders if (ROOT / folder).is_dir()]
    # The caller's own home and port are not for tests.
    variables = {name: value for name, value in os.environ.items() if not name.startswith("SAHUT_")}
    variables["PATH"] = f"{programs}{os.pathsep}{variables.get('PATH', '')}"
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sahut-test-") as scratch:
        counted = Path(scratch) / "counted.xml"
        command = [str(programs / part.command[0]), *part.command[1:], *folders]
        if part.folders:
            command += [f"--junitxml={counted}", *(["-m", "not slow"] if quick else [])]
        code = subprocess.run(command, cwd=ROOT, env=variables, check=False).returncode
        outcome = Outcome(part, good=code == 0, seconds=time.monotonic() - began)
        if counted.exists():
            _count(outcome, counted)
    return outcome


def _count(outcome: Outcome, counted: Path) -> None:
    for suite in ET.parse(counted).iter("testsuite"):  # noqa: S314 — pytest has just written it
        numbers = {name: int(suite.get(name, "0")) for name in ("tests", "failures", "errors", "skipped")}
        wrong = numbers["failures"] + numbers["errors"]
        outcome.failed += wrong
        outcome.skipped += numbers["skipped"]
        outcome.passed += numbers["tests"] - wrong - numbers["skipped"]


def _report(outcomes: list[Outcome]) -> int:
    print()
    for outcome in outcomes:
        result = "good" if outcome.good else "FAILED"
        tests = f"{outcome.passed} tests" if outcome.part.folders else ""
        print(
            f"{outcome.part.name:<10} {result:<7} {outcome.seconds:7.1f} s   {outcome.part.what:<32} {tests}".rstrip()
        )
    print(f"{'together':<10} {'':<7} {sum(outcome.seconds for outcome in outcomes):7.1f} s\n")
    passed, failed, skipped = (sum(getattr(one, what) for one in outcomes) for what in ("passed", "failed", "skipped"))
    if any(outcome.part.folders for outcome in outcomes):
        print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 0 if all(outcome.good for outcome in outcomes) else 1


def _install_from_debian(program: str, package: str) -> None:
    """Install a Debian package when its program is missing."""
    if shutil.which(program):
        return
    rights = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if not shutil.which("apt-get") or (rights and not shutil.which("sudo")):
        raise EnvironmentFailed(f"The tests need the program `{program}`: install it (Debian's package: {package}).")
    print(f"Installing Debian's package {package}.", file=sys.stderr, flush=True)
    variables = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", package]
    for command in (["apt-get", "update", "--quiet"], install):
        done = subprocess.run([*rights, *command], env=variables, stdout=subprocess.DEVNULL, check=False)
    if done.returncode != 0 or not shutil.which(program):
        raise EnvironmentFailed(f"Debian's package {package} could not be installed: install it, then start again.")


if __name__ == "__main__":
    sys.exit(main())

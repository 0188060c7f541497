"""`bench start`: from the command to the first page: an empty home, a warm one, and after `kill -9` of everything.

The page is asked for from outside from the first moment on; the phases are those that `up` writes into its log.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from sahut_lab.bench.report import Figure, figure, report
from sahut_lab.house import TREE, RunningHouse, temporary_home
from sahut_lab.outside import NoAnswer, Talk, ask

ROUNDS, QUICK_ROUNDS = 5, 1
FIRST_PAGE_WITHIN_S = 60.0
# What each phase ends with, in the order in which `up` writes it.
PHASES = {
    "engine": "until the database answers",
    "migrated": "until the tables are those of this release, and the demo's people are there",
    "ready": "until `up` says that it is ready",
}


async def bench(*, quick: bool, size: int | None) -> dict[str, Any]:
    count = QUICK_ROUNDS if quick else (size or ROUNDS)
    taken: dict[str, list[float]] = defaultdict(list)
    for _ in range(count):
        with temporary_home("bench-start") as home:
            await _one_life(home, taken)
    empty = [_python("pass") for _ in range(count)]
    imports = {
        role: [_python(f"import sahut.app.roles.{role}") for _ in range(count)] for role in ("up", "web", "work")
    }
    return report("start", [*_figures(taken), *_import_figures(imports, empty)], rounds=count, roles="1 web, 2 work")


async def _one_life(home: Path, taken: dict[str, list[float]]) -> None:
    """A first start, an end, a warm start, everything killed, a start after that, an end."""
    house = RunningHouse(home, web=1, work=2)
    try:
        await _start(house, "first", taken)
        await house.stop_and_stay()
        await _start(house, "warm", taken)
        house.kill_everything()
        await _start(house, "killed", taken)
    finally:
        await house.stop()


async def _start(house: RunningHouse, which: str, taken: dict[str, list[float]]) -> None:
    house.start()
    began, began_at = time.monotonic(), time.time()
    while True:
        with suppress(NoAnswer):
            if (await ask(Talk(house.port), "GET", "/", wait_s=5)).status in {200, 303, 307}:
                break
        assert time.monotonic() - began < FIRST_PAGE_WITHIN_S, house.last_words()
        await asyncio.sleep(0.005)
    taken[f"{which} page"].append(time.monotonic() - began)
    await house.await_ready()
    await _announced(house, began_at)
    for phase, (after_s, at) in _phases(house.home, began_at).items():
        taken[f"{which} {phase}"].append(at - began_at)
        if phase == "engine":
            taken[f"{which} interpreter"].append(at - after_s - began_at)


async def _announced(house: RunningHouse, began_at: float) -> None:
    async with asyncio.timeout(FIRST_PAGE_WITHIN_S):
        while "ready" not in _phases(house.home, began_at):
            await asyncio.sleep(0.01)


def _phases(home: Path, since: float) -> dict[str, tuple[float, float]]:
    """Phase → seconds after `up` began to work, and when; of the start that happened after `since`."""
    found = {}
    with suppress(FileNotFoundError):
        for line in (home / "log" / "up.log").read_text().splitlines():
            said = json.loads(line)
            if said.get("event") == "phase":
                at = datetime.fromisoformat(said["timestamp"]).timestamp()
                if at > since:
                    found[said["phase"]] = (float(said["after_s"]), at)
    return found


def _python(program: str) -> float:
    """Seconds that a fresh interpreter needs for a program."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-P", "-c", program], cwd=TREE, check=True)
    return time.monotonic() - began


def _figures(taken: dict[str, list[float]]) -> list[Figure]:
    names = {"first": "on an empty home", "warm": "on a warm home", "killed": "after kill -9 of everything"}
    found = []
    for which, where in names.items():
        found.append(figure(f"{where}: from the command to the first page", taken[f"{which} page"], "s"))
        found.append(figure(f"{where}: interpreter and imports of `up`", taken[f"{which} interpreter"], "s"))
        for phase, until in PHASES.items():
            found.append(figure(f"{where}: {until}", taken[f"{which} {phase}"], "s"))
    return found


def _import_figures(imports: dict[str, list[float]], empty: list[float]) -> list[Figure]:
    reference = "an interpreter that does nothing"
    return [
        figure(f"interpreter and imports of {role}", values, "s", reference, empty) for role, values in imports.items()
    ]

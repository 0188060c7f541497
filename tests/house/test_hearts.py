"""A child that hangs has not ended, and is killed and started again all the same."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from sahut.app.child import Child
from sahut.app.home import Home
from sahut.app.roles import heart
from sahut.app.roles.keeper import Keeper

# Beats three times and then stops itself, as a debugger or a full machine would stop it.
HANGS = """
import os, pathlib, signal, sys, time
for _ in range(3):
    pathlib.Path(sys.argv[1]).touch()
    time.sleep(0.1)
os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heart, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(heart, "SILENT_LOOKS", 50)


class Recorded:
    """A child to which nothing is done."""

    name = "web-0"

    def __init__(self) -> None:
        self.sent: list[signal.Signals] = []

    def send(self, what: signal.Signals) -> None:
        self.sent.append(what)


async def test_a_child_that_hangs_is_killed_and_started_again(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.prepare()
    children: list[Child] = []

    def start() -> Child:
        command: list[Any] = [sys.executable, "-c", HANGS, heart.heart_of(tmp_path, "web-0")]
        children.append(Child.start("web-0", command, death_signal=signal.SIGKILL))
        return children[-1]

    keeper = Keeper(home, "web-0", start, lambda _: None)
    keeping = asyncio.create_task(keeper.keep())
    async with asyncio.timeout(30):
        while len(children) < 2:
            await asyncio.sleep(0.02)
    keeping.cancel()
    await asyncio.wait({keeping})
    await keeper.end(grace_s=0)

    assert children[0].exit_code() == -signal.SIGKILL


async def test_who_beats_or_has_not_begun_to_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    beats, waits = Recorded(), Recorded()
    left_by_another = heart.heart_of(tmp_path, "web-1")
    left_by_another.touch()
    looking = [
        asyncio.create_task(heart.kill_when_silent(beats, heart.heart_of(tmp_path, "web-0"))),  # type: ignore[arg-type]
        asyncio.create_task(heart.kill_when_silent(waits, left_by_another)),  # type: ignore[arg-type]
    ]
    for _ in range(150):
        heart.heart_of(tmp_path, "web-0").touch()
        await asyncio.sleep(0.01)
    assert (beats.sent, waits.sent) == ([], [])

    await asyncio.wait({looking[0]}, timeout=30)
    assert (beats.sent, waits.sent) == ([signal.SIGKILL], [])
    looking[1].cancel()


async def test_a_heart_beats_while_its_block_lasts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(heart, "BEAT_EVERY_S", 0.01)
    path = heart.heart_of(tmp_path, "web-0")
    async with asyncio.timeout(30), heart.beating(path):
        while not path.exists():
            await asyncio.sleep(0.01)
        first = path.stat().st_mtime_ns
        while path.stat().st_mtime_ns == first:
            await asyncio.sleep(0.01)

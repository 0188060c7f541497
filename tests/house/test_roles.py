"""The roles alone, as under another supervisor: the database may be away when they start and may go at any time."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from sahut.app.child import Child
from sahut.app.engines import Engine, owner_dsn
from sahut.db import migrate

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture
def home() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="sahut-roles-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


def start(role: str, home: Path, port: int) -> Child:
    own = {name: value for name, value in os.environ.items() if not name.startswith("SAHUT_")}
    own |= {"SAHUT_HOME": str(home), "SAHUT_PORT": str(port), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-P", "-m", "sahut", role]
    return Child.start(role, command, death_signal=signal.SIGKILL, environment=own, output=subprocess.DEVNULL)


async def readiness(port: int) -> int:
    def ask() -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code if refused.headers["retry-after"] else 0
        except OSError:
            return 0

    return await asyncio.to_thread(ask)


async def reach(status: int, port: int) -> None:
    async with asyncio.timeout(10):
        while await readiness(port) != status:
            await asyncio.sleep(0.05)


async def test_pages_and_work_wait_for_the_database_and_go_on(home: Path) -> None:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port = int(asked.getsockname()[1])
    engine = Engine(home)
    await engine.start()
    await migrate(owner_dsn(home))
    await engine.stop()
    roles = [start("web", home, port), start("work", home, port)]
    try:
        for _ in range(2):
            await reach(503, port)
            await engine.start()
            await reach(200, port)
            await engine.stop()
        await engine.start()
        await reach(200, port)
        assert [role.exit_code() for role in roles] == [None, None]
    finally:
        codes = [await role.end(signal.SIGTERM, grace_s=15) for role in roles]
        await engine.stop()
    assert codes == [0, 0]

"""Health: what balancers and probes are told, by each process and by `up` for all, and what is said while it ends."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from sahut.app.child import Child
from sahut.app.observing.gathering import Gathering
from sahut.app.observing.port import Port, Said, listen_at, not_ready
from sahut.app.observing.process import questions
from tests.conftest import Database

ROOT = Path(__file__).resolve().parents[2]


# One process.


async def test_a_process_tells_what_it_waits_for_by_name() -> None:
    missing = ["database"]

    async def waits() -> str | None:
        return missing[0] if missing else None

    asked = questions(waits)

    said = await asked["/readyz"]()
    assert (said.status, said.content_type) == (503, "application/problem+json")
    told = json.loads(said.body)
    assert (told["code"], told["missing"], told["status"]) == ("not_ready", missing, 503)
    assert (await asked["/livez"]()).status == 200
    missing.clear()
    assert (await asked["/readyz"]()).status == 200


# All of one `up`.


async def test_up_is_ready_when_all_are_and_names_who_is_not(tmp_path: Path) -> None:
    states: dict[str, list[str]] = {"web-0": [], "work-0": ["database"]}

    def readyz(name: str) -> Callable[[], object]:
        async def answer() -> Said:
            return not_ready(states[name]) if states[name] else Said(200, b"{}")

        return answer

    ports = []
    for name in states:
        port = Port({"/readyz": readyz(name)})  # type: ignore[dict-item]
        await port.listen([listen_at(tmp_path / f"{name}.metrics")])
        ports.append(port)
    gathering = Gathering(tmp_path, ["web-0", "work-0"], within_s=1)

    one_waits = await gathering.readyz()
    states["work-0"] = []
    all_are = await gathering.readyz()
    one_is_gone = await Gathering(tmp_path, ["web-0", "web-1"], within_s=1).readyz()

    for port in ports:
        await port.close()
    assert json.loads(one_waits.body)["missing"] == ["work-0: database"]
    assert all_are.status == 200
    assert json.loads(one_is_gone.body)["missing"] == ["web-1: process"]
    assert (await gathering.livez()).status == 200


# Real processes.


class Role:
    """A role that runs alone, with ports of its own. `port`: of its pages, `metrics`: of figures and health."""

    def __init__(self, role: str, home: Path, **variables: str) -> None:
        self.port, self.metrics = _free_port(), _free_port()
        own = {name: value for name, value in os.environ.items() if not name.startswith("SAHUT_")}
        own |= {"SAHUT_HOME": str(home), "SAHUT_PORT": str(self.port), "SAHUT_METRICS_PORT": str(self.metrics)}
        own |= {"PYTHONPATH": str(ROOT), **variables}
        command = [sys.executable, "-P", "-m", "sahut", role]
        self.child = Child.start(role, command, death_signal=signal.SIGKILL, environment=own, output=subprocess.DEVNULL)

    async def ask(self, path: str, *, pages: bool = False) -> tuple[int, dict[str, object]]:
        """Status and document; (0, {}) when nobody answers."""
        try:
            async with httpx.AsyncClient(timeout=5) as client:
                answer = await client.get(f"http://127.0.0.1:{self.port if pages else self.metrics}{path}")
        except httpx.HTTPError:
            return 0, {}
        return answer.status_code, answer.json() if "json" in answer.headers["content-type"] else {}

    async def reach(self, status: int, *, pages: bool = False) -> dict[str, object]:
        async with asyncio.timeout(30):
            while True:
                got, told = await self.ask("/readyz", pages=pages)
                if got == status:
                    return told
                await asyncio.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
async def roles() -> AsyncIterator[list[Role]]:
    started: list[Role] = []
    yield started
    for role in started:
        role.child.send(signal.SIGKILL)
        await role.child.wait()


@pytest.mark.slow
async def test_pages_that_end_say_so_before_they_stop_listening(
    database: Database, tmp_path: Path, roles: list[Role]
) -> None:
    web = Role("web", tmp_path, SAHUT_DATABASE_URL=database.app_dsn, SAHUT_DRAIN_S="5")
    roles.append(web)
    await web.reach(200, pages=True)
    await web.reach(200)

    web.child.send(signal.SIGTERM)
    told = await web.reach(503, pages=True)
    of_machines = await web.reach(503)

    assert (told["code"], told["missing"]) == ("not_ready", "draining")
    assert of_machines["missing"] == ["draining"]
    status, _ = await web.ask("/livez", pages=True)
    assert status == 200  # whoever was sent here a moment ago is still served
    web.child.send(signal.SIGTERM)  # whoever says it twice does not wait
    assert await asyncio.wait_for(web.child.wait(), 20) == 0


@pytest.mark.slow
async def test_work_is_ready_with_the_database_and_alive_without(
    database: Database, tmp_path: Path, roles: list[Role]
) -> None:
    work = Role("work", tmp_path, SAHUT_DATABASE_URL=database.app_dsn)
    lost = Role("work", tmp_path, SAHUT_DATABASE_URL=f"postgresql://x:y@127.0.0.1:{_free_port()}/z")
    roles += [work, lost]

    await work.reach(200)
    told = await lost.reach(503)

    assert told["missing"] == ["database"]
    assert (await lost.ask("/livez"))[0] == 200
    async with httpx.AsyncClient() as client:
        page = (await client.get(f"http://127.0.0.1:{work.metrics}/metrics")).text
    assert 'sahut_pool_connections{pool="main",state="most"}' in page


@pytest.mark.slow
async def test_without_the_setting_nobody_listens(database: Database, tmp_path: Path, roles: list[Role]) -> None:
    web = Role("web", tmp_path, SAHUT_DATABASE_URL=database.app_dsn, SAHUT_METRICS_PORT="")
    roles.append(web)

    await web.reach(200, pages=True)

    assert (await web.ask("/livez"))[0] == 0

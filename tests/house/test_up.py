"""``sahut up``: ready again within ten seconds whatever is killed, and nothing left behind."""

import contextlib
import http.client
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sahut.app.child import Child

ROOT = Path(__file__).resolve().parents[2]
READY_WITHIN_S = 10.0
pytestmark = pytest.mark.slow
ROLES = ("web-0", "work-0", "work-1", "postgres")


class Started:
    """A process of our own that ends with these tests, however they end, and what it told so far."""

    def __init__(self, command: list[str], environment: dict[str, str], told: Path) -> None:
        self._told = told
        with told.open("wb") as output:
            self.child = Child.start(
                "up", command, death_signal=signal.SIGTERM, environment=environment, output=output.fileno()
            )

    def wait(self) -> int:
        _wait_until(lambda: self.child.exit_code() is not None, within_s=30)
        code = self.child.exit_code()
        assert code is not None
        return code

    def told(self) -> str:
        return self._told.read_text()


class Running:
    """One ``sahut up --demo`` on a home and a port of its own."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="sahut-up-"))
        self.port = _free_port()
        self._up: Started | None = None
        self._starts = 0

    def start(self, *, demo: bool = True, **variables: str) -> "Started":
        own = {name: value for name, value in os.environ.items() if not name.startswith("SAHUT_")}
        own |= {"SAHUT_HOME": str(self.home), "SAHUT_PORT": str(self.port), "PYTHONPATH": str(ROOT), **variables}
        command = [sys.executable, "-P", "-m", "sahut", "up", *(["--demo"] if demo else [])]
        self._starts += 1
        return Started(command, own, self.home / f"told-{self._starts}")

    def up(self) -> None:
        self._up = self.start()
        self.await_ready()

    def await_ready(self) -> None:
        until = time.monotonic() + READY_WITHIN_S
        while self.status("/readyz") != 200:
            assert time.monotonic() < until, f"not ready within {READY_WITHIN_S} s: {self.said()}"
            time.sleep(0.02)

    def status(self, path: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def pid(self, name: str) -> int:
        """The process number of a role, once the role has been started (again)."""
        found = 0

        def noted() -> bool:
            nonlocal found
            with contextlib.suppress(OSError, ValueError):
                found = int((self.home / "run" / f"{name}.pid").read_text())
            return found != 0

        _wait_until(noted)
        return found

    def said(self) -> str:
        logs = sorted((self.home / "log").glob("*.err")) + sorted((self.home / "log").glob("*.log"))
        return "\n".join(f"{log.name}: {log.read_text(errors='replace')[-500:]}" for log in logs)

    def kill(self, *names: str) -> dict[str, int]:
        """Kill with SIGKILL; the process numbers that are gone."""
        killed = {name: self.pid(name) for name in names}
        for pid in killed.values():
            os.kill(pid, signal.SIGKILL)
        return killed

    def end(self, order: signal.Signals = signal.SIGTERM) -> int:
        assert self._up is not None
        self._up.child.send(order)
        return self._up.wait()

    def wait_for_up(self) -> None:
        assert self._up is not None
        self._up.wait()


def _free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _wait_until(reached: Callable[[], bool], within_s: float = READY_WITHIN_S) -> None:
    until = time.monotonic() + within_s
    while not reached():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.fixture(scope="module")
def house() -> Iterator[Running]:
    running = Running()
    try:
        running.up()
        yield running
    finally:
        running.end()
        shutil.rmtree(running.home, ignore_errors=True)


def test_nobody_ends_by_himself(house: Running) -> None:
    before = {name: house.pid(name) for name in ROLES}

    time.sleep(1.5)

    assert {name: house.pid(name) for name in ROLES} == before
    assert all(_is_alive(pid) for pid in before.values())


@pytest.mark.parametrize("victims", [("web-0",), ("work-0",), ("work-0", "work-1"), ("postgres",), ROLES])
def test_whoever_is_killed_is_there_again(house: Running, victims: tuple[str, ...]) -> None:
    killed = house.kill(*victims)

    _wait_until(lambda: all(house.pid(name) != pid for name, pid in killed.items()))
    house.await_ready()
    assert not any(_is_alive(pid) for pid in killed.values())


def test_a_connection_waits_while_the_pages_are_replaced(house: Running) -> None:
    house.kill("web-0")

    with socket.create_connection(("127.0.0.1", house.port), timeout=READY_WITHIN_S) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert connection.recv(15).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("victims", [("up",), ("up", *ROLES), ("up", "postgres")])
def test_a_killed_up_takes_all_along_and_the_next_is_ready(house: Running, victims: tuple[str, ...]) -> None:
    others = [house.pid(name) for name in ROLES]
    house.kill(*victims)
    house.wait_for_up()

    house.up()
    assert not any(_is_alive(pid) for pid in others)


def test_it_listens_on_both_loopback_addresses_only(house: Running) -> None:
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family) as connection:
            connection.settimeout(5)
            connection.connect((address, house.port))
    with socket.socket() as connection, pytest.raises(OSError, match="refused"):
        connection.connect(("127.0.0.2", house.port))


def test_a_second_up_on_the_same_home_refuses_with_a_sentence(house: Running) -> None:
    second = house.start(SAHUT_PORT=str(_free_port()))

    assert second.wait() == 1
    assert second.told() == f"Sahut is running in {house.home} already: end that one first.\n"
    assert house.status("/readyz") == 200


def test_a_port_that_is_taken_is_one_sentence(house: Running) -> None:
    another = Running()
    another.port = house.port
    try:
        started = another.start()
        assert started.wait() == 1
        assert (
            started.told()
            == f"Port {house.port} belongs to another program: end it, or choose another one with SAHUT_PORT.\n"
        )
    finally:
        shutil.rmtree(another.home)


def test_the_first_page_is_quick_and_the_end_leaves_nothing(house: Running) -> None:
    everybody = [house.pid(name) for name in ("up", *ROLES)]
    assert house.end(signal.SIGINT) == 0
    assert not any(_is_alive(pid) for pid in everybody)
    assert not list((house.home / "run").glob("*.pid"))

    began = time.monotonic()
    house.up()
    assert house.status("/") in (200, 307)
    assert time.monotonic() - began < 5


def test_a_demo_stays_a_demo(house: Running) -> None:
    house.end()
    again = house.start(demo=False)
    _wait_until(lambda: "Ctrl-C" in again.told())
    again.child.send(signal.SIGTERM)

    assert again.wait() == 0
    assert "A demo" in again.told()
    house.up()


def test_a_real_home_never_becomes_a_demo() -> None:
    real = Running()
    try:
        (real.home / "engine").mkdir()
        started = real.start()
        assert started.wait() == 1
        assert started.told() == f"{real.home} is a real home and stays one: choose another SAHUT_HOME for --demo.\n"
    finally:
        shutil.rmtree(real.home)

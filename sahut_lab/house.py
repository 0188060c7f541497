"""A house of its own: the program as an operator starts it, on a temporary home, to be hurt and thrown away.

`RunningHouse` is `sahut up` and everything below it; `bare_database` is the engine with its migrations and nobody else.
Only processes that were started here are ever signalled: those below our own `up`.
"""

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from sahut.app.child import Child
from sahut.app.engines import Engine, app_dsn, owner_dsn, superuser_dsn
from sahut.db import migrate
from sahut_lab.outside import NoAnswer, Talk, ask

TREE = Path(__file__).resolve().parent.parent
READY_WITHIN_S = 30.0


@contextmanager
def temporary_home(purpose: str) -> Iterator[Path]:
    """A private directory that is gone afterwards. It can be entered (not listed) by the engine's own user."""
    home = Path(tempfile.mkdtemp(prefix=f"sahut-{purpose}-"))
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


@asynccontextmanager
async def bare_database(purpose: str) -> AsyncIterator[Path]:
    """The home of a fresh, migrated database with the product's own engine settings, and no process of the product."""
    with temporary_home(purpose) as home:
        engine = Engine(home)
        await engine.start()
        try:
            await migrate(owner_dsn(home))
            yield home
        finally:
            await engine.stop()


def free_port() -> int:
    """A port that nobody has on either loopback address."""
    while True:
        with socket.socket() as four, socket.socket(socket.AF_INET6) as six:
            four.bind(("127.0.0.1", 0))
            port: int = four.getsockname()[1]
            with suppress(OSError):
                six.bind(("::1", port))
                return port


class RunningHouse:
    """`sahut up --demo` on `home`, with `web` and `work` processes, at `port`; `more`: other settings."""

    def __init__(self, home: Path, *, web: int, work: int, more: Mapping[str, str] | None = None) -> None:
        self.home, self.port = home, free_port()
        self._more = dict(more or {})
        self._web, self._work = web, work
        self._up: Child | None = None
        (home / "log").mkdir(mode=0o700, exist_ok=True)
        self._log = (home / "log" / "lab-up.words").open("ab")

    def start(self) -> None:
        """Start the program; the next word is `await_ready`. One that was killed before is taken off the list first."""
        while self._up is not None and self._up.exit_code() is None:
            time.sleep(0.005)
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "VIRTUAL_ENV") if name in os.environ}
        environment |= {
            "PYTHONPATH": str(TREE),
            "SAHUT_HOME": str(self.home),
            "SAHUT_PORT": str(self.port),
            "SAHUT_WEB_PROCESSES": str(self._web),
            "SAHUT_WORK_PROCESSES": str(self._work),
            **self._more,
        }
        self._up = Child.start(
            "up",
            [sys.executable, "-m", "sahut", "up", "--demo"],
            death_signal=signal.SIGTERM,
            environment=environment,
            output=self._log.fileno(),
        )

    async def await_ready(self, within_s: float = READY_WITHIN_S) -> float:
        """Seconds until /readyz answers 200. Raises `TimeoutError` with the last words of `up`."""
        began = time.monotonic()
        while time.monotonic() - began < within_s:
            with suppress(NoAnswer):
                if (await ask(Talk(self.port), "GET", "/readyz", wait_s=1)).status == 200:
                    return time.monotonic() - began
            if self._up is not None and (code := self._up.exit_code()) is not None:
                raise TimeoutError(f"`up` ended with {code}: {self.last_words()}")
            await asyncio.sleep(0.02)
        raise TimeoutError(f"not ready within {within_s} s: {self.last_words()}")

    def last_words(self) -> str:
        """What `up` said last, and its children into their error files."""
        files = [self.home / "log" / "lab-up.words", *sorted((self.home / "log").glob("*.err"))]
        return "\n".join(f"{path.name}: {path.read_text(errors='replace')[-600:]}" for path in files if path.exists())

    def faults_logged(self) -> Counter[str]:
        """What the processes wrote down as errors, and how often: the event with the exception it named."""
        found: Counter[str] = Counter()
        for path in (self.home / "log").glob("*.log"):
            for line in path.read_text(errors="replace").splitlines():
                with suppress(json.JSONDecodeError, TypeError, AttributeError):
                    said = json.loads(line)
                    if said.get("level") in {"error", "critical"}:
                        found[
                            f"{path.stem.split('-')[0]}: {said.get('event')}: {said.get('exception', said)}"[:600]
                        ] += 1
        return found

    @property
    def app_dsn(self) -> str:
        return app_dsn(self.home)

    @property
    def superuser_dsn(self) -> str:
        return superuser_dsn(self.home, "sahut")

    def pids(self, role: str) -> dict[str, int]:
        """Name → process number of the running processes of a role: `web`, `work`, `postgres`, `up`."""
        found: dict[str, int] = {}
        for path in sorted((self.home / "run").glob(f"{role}*.pid")):
            with suppress(ValueError, OSError):
                pid = int(path.read_text().split()[0])
                if _is_alive(pid):
                    found[path.stem] = pid
        return found

    def cpu_seconds(self) -> dict[str, float]:
        """Role → what its processes that run now have taken of the processor since they began."""
        backends = [pid for server in self.pids("postgres").values() for pid in [server, *_below(server)]]
        roles = {"web": self.pids("web").values(), "work": self.pids("work").values(), "postgres": backends}
        return {role: sum(_cpu_seconds(pid) for pid in pids) for role, pids in roles.items()}

    def is_whole(self) -> bool:
        """Whether every process that belongs to the house runs."""
        wanted = {"web": self._web, "work": self._work, "postgres": 1, "up": 1}
        return all(len(self.pids(role)) == count for role, count in wanted.items())

    async def await_whole(self, without: set[int], within_s: float = READY_WITHIN_S) -> float:
        """Seconds until the house is whole and none of the processes in `without` is one of it."""
        began = time.monotonic()
        while time.monotonic() - began < within_s:
            here = {pid for role in ("web", "work", "postgres", "up") for pid in self.pids(role).values()}
            if self.is_whole() and not here & without:
                return time.monotonic() - began
            await asyncio.sleep(0.02)
        raise TimeoutError(f"not whole again within {within_s} s: {self.last_words()}")

    def kill_everything(self) -> set[int]:
        """`kill -9` for `up` and all that runs below it, as near to one moment as a loop can be. The numbers killed."""
        assert self._up is not None
        everybody = {self._up.pid, *_below(self._up.pid)}
        for pid in everybody:
            kill(pid)
        return everybody

    async def stop(self) -> int:
        """End it as an operator does. The exit code; -9 when it had to be killed."""
        try:
            return await self.stop_and_stay()
        finally:
            self._log.close()

    async def stop_and_stay(self) -> int:
        """The same, and the home stays to be started again."""
        if self._up is None:
            return 0
        everybody = _below(self._up.pid)
        code = await self._up.end(signal.SIGTERM, grace_s=20)
        for pid in everybody:
            if _is_alive(pid) and code != 0:
                kill(pid)
        return code


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _cpu_seconds(pid: int) -> float:
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _below(root: int) -> list[int]:
    """All processes below `root`, however deep."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
    found, waiting = [], [root]
    while waiting:
        above = waiting.pop()
        children = [pid for pid, parent in parents.items() if parent == above]
        found += children
        waiting += children
    return found

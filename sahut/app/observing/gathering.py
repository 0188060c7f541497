"""The figures and the health of everything under one `up`, on one port.

Each child is asked at its own socket, all at the same time. A child that hangs, is away or says too much costs its own
part, after two seconds at most, and never the answer.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from sahut.app.listening import listen_on
from sahut.app.observing.merging import merge
from sahut.app.observing.port import Port, Said, ask_at, healthy, not_ready
from sahut.app.observing.process import SOCKET, answering, figures
from sahut.app.settings import Settings

WITHIN_S, AT_MOST_BYTES = 2.0, 4 << 20


class Gathering:
    """Asks the children of one `up`. `run`: the folder of their sockets; `names`: who should be there."""

    def __init__(self, run: Path, names: Sequence[str], *, within_s: float = WITHIN_S) -> None:
        self._run, self._names, self._within_s = run, tuple(names), within_s

    async def metrics(self) -> Said:
        """All figures on one page; `sahut_process_up` says whose are there."""
        answers = await self._ask_all("/metrics")
        pages = {"up": figures().decode()}
        present = ["# HELP sahut_process_up Whether a process answered this scrape.", "# TYPE sahut_process_up gauge"]
        for name, answer in answers.items():
            good = answer is not None and answer[0] == 200
            present.append(f'sahut_process_up{{process="{name}"}} {int(good)}')
            if answer is not None and good:
                pages[name] = answer[1].decode(errors="replace")
        return Said(200, (merge(pages) + "\n".join(present) + "\n").encode())

    async def livez(self) -> Said:
        """`up` itself runs; whoever it watches is started again by it, not by who asks here."""
        return healthy()

    async def readyz(self) -> Said:
        """All children may be given work; else what each waits for, as `web-0: database`."""
        missing: list[str] = []
        for name, answer in (await self._ask_all("/readyz")).items():
            if answer is None:
                missing.append(f"{name}: process")
            elif answer[0] != 200:
                missing += [f"{name}: {what}" for what in _missing_in(answer[1])]
        return not_ready(missing) if missing else healthy()

    async def _ask_all(self, question: str) -> dict[str, tuple[int, bytes] | None]:
        answers = await asyncio.gather(*(self._ask(name, question) for name in self._names))
        return dict(zip(self._names, answers, strict=True))

    async def _ask(self, name: str, question: str) -> tuple[int, bytes] | None:
        try:
            socket = self._run / f"{name}{SOCKET}"
            return await ask_at(socket, question, within_s=self._within_s, at_most_bytes=AT_MOST_BYTES)
        except (OSError, TimeoutError, ValueError, IndexError):
            return None


def _missing_in(body: bytes) -> list[str]:
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return [str(what)[:64] for what in json.loads(body)["missing"]][:20]
    return ["unknown"]


@contextlib.asynccontextmanager
async def gathered(settings: Settings, names: Sequence[str]) -> AsyncIterator[None]:
    """Answer for all processes of this `up` on `SAHUT_METRICS_PORT` during the block, when it is set.

    Refuses: `CannotStart` when another program has the port.
    """
    if settings.observing.port is None:
        yield
        return
    gathering = Gathering(settings.home / "run", names)
    port = Port({"/metrics": gathering.metrics, "/livez": gathering.livez, "/readyz": gathering.readyz})
    sockets = await listen_on(settings.observing.port, "SAHUT_METRICS_PORT", settings.observing.host)
    async with answering(port, sockets):
        yield

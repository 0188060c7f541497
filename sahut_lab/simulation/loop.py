"""A loop whose time jumps: when nobody can go on, it is the next timer's moment at once.

While something real is under way (a statement in the server) time stands still, so that how long the machine takes for
it decides nothing.
"""

import asyncio
import heapq
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_REAL_PAUSE_S = 0.01


class VirtualLoop(asyncio.SelectorEventLoop):
    """Seconds begin at 0 and pass only when everybody waits for them."""

    def __init__(self) -> None:
        self._now_s = 0.0
        self._real = 0
        self._pausing: list[asyncio.Future[None]] = []
        self._closing = threading.Event()
        super().__init__()
        threading.Thread(target=self._end_pauses_for_ever, daemon=True).start()

    def time(self) -> float:
        return self._now_s

    @contextmanager
    def really(self) -> Iterator[None]:
        """Time stands still in this block: what is awaited here happens outside of the simulation."""
        self._real += 1
        try:
            yield
        finally:
            self._real -= 1

    async def real_pause(self) -> None:
        """Let some ten real milliseconds pass, while time stands still in here."""
        pause: asyncio.Future[None] = self.create_future()
        self._pausing.append(pause)
        with self.really():
            try:
                await pause
            finally:
                with suppress(ValueError):
                    self._pausing.remove(pause)

    def close(self) -> None:
        self._closing.set()
        super().close()

    def _end_pauses_for_ever(self) -> None:
        while not self._closing.wait(_REAL_PAUSE_S):
            if self._pausing:
                with suppress(RuntimeError):  # closed a moment ago
                    self.call_soon_threadsafe(self._end_pauses)

    def _end_pauses(self) -> None:
        ending, self._pausing = self._pausing, []
        for pause in ending:
            if not pause.done():
                pause.set_result(None)

    def _run_once(self) -> None:
        if not self._ready and not self._real:  # type: ignore[attr-defined]
            self._jump()
        super()._run_once()  # type: ignore[misc]

    def _jump(self) -> None:
        waiting = self._scheduled  # type: ignore[attr-defined]
        while waiting and waiting[0].cancelled():
            heapq.heappop(waiting)._scheduled = False  # noqa: SLF001 (as the loop itself forgets a timer)
            self._timer_cancelled_count -= 1  # type: ignore[attr-defined]
        if waiting:
            self._now_s = max(self._now_s, waiting[0].when())

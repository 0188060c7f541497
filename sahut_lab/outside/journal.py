"""What a client meant to do and what it was told, on disk before it goes on: the truth that a trial judges by.

A line is written and synced *before* a request leaves (so nothing can happen that the journal does not know) and again
after its answer. Lines that wait for the disk at the same time share one sync.
"""

import asyncio
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any


class Journal:
    """Append-only lines of JSON at `path`."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "journal")

    async def write(self, **line: Any) -> None:
        """Returns when the line is on disk."""
        written = asyncio.get_running_loop().create_future()
        self._waiting.append((json.dumps(line, separators=(",", ":")).encode() + b"\n", written))
        if self._writing is None:
            self._writing = asyncio.create_task(self._drain())
        await written

    async def _drain(self) -> None:
        while self._waiting:
            lines, self._waiting = self._waiting, []
            await asyncio.get_running_loop().run_in_executor(self._thread, self._put, b"".join(raw for raw, _ in lines))
            for _, written in lines:
                if not written.done():
                    written.set_result(None)
        self._writing = None

    def _put(self, raw: bytes) -> None:
        os.write(self._file, raw)
        os.fsync(self._file)

    def close(self) -> None:
        self._thread.shutdown()
        os.close(self._file)


def read_journal(path: Path) -> list[dict[str, Any]]:
    """Every whole line, oldest first."""
    with path.open("rb") as lines:
        return [json.loads(line) for line in lines if line.endswith(b"\n")]

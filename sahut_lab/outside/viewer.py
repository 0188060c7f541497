"""A screen on the live stream: it keeps everything it was shown, and comes back after each cut where it was.

It behaves as the strictest browser does: every `id:` counts as seen, also that of a heartbeat, so a server that tells
an id ahead of what it has sent loses an event here.
"""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from sahut_lab.outside.wire import NoAnswer, Talk, read_answer, read_head, request_bytes, stream_lines

PAUSE_S = 0.1
SILENCE_S = 40.0  # heartbeats come every 15 s; two missed ones are a dead line


@dataclass(frozen=True, slots=True)
class Shown:
    """One event as the screen got it; `at` is the loop's time."""

    n: int
    topic: str
    kind: str
    subject: int
    body: dict[str, Any]
    at: float


@dataclass
class Viewer:
    name: str
    talk: Talk
    last: int = 0
    shown: list[Shown] = field(default_factory=list)
    cuts: int = 0
    resets: int = 0
    complaints: list[str] = field(default_factory=list)

    async def follow(self) -> None:
        """Watch for ever; ends only by being cancelled."""
        while True:
            with suppress(NoAnswer, OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                await self._watch_once()
            self.cuts += 1
            await asyncio.sleep(PAUSE_S)

    async def _watch_once(self) -> None:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(self.talk.host, self.talk.port, limit=1 << 20)
        try:
            path = f"/api/v1/live?after={self.last}"
            writer.write(request_bytes(self.talk, "GET", path, keep=True, extra={"Accept": "text/event-stream"}))
            async with asyncio.timeout(10):
                status, headers = await read_head(reader)
            if status != 200:
                await self._refused(reader, status)
                return
            lines = stream_lines(reader, headers)
            block: dict[str, str] = {}
            while True:
                async with asyncio.timeout(SILENCE_S):
                    line = await anext(lines, None)
                if line is None:
                    return
                self._take(line, block)
        finally:
            writer.close()

    async def _refused(self, reader: asyncio.StreamReader, status: int) -> None:
        if status not in {429, 503}:
            self.complaints.append(f"{self.name}: the stream answered {status}")
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await read_answer(reader)

    def _take(self, line: str, block: dict[str, str]) -> None:
        if line:
            name, _, value = line.partition(":")
            if name:  # a line that begins with a colon is a comment
                block[name] = value.removeprefix(" ")
            return
        if "id" in block:
            self.last = int(block["id"])
        kind, data = block.get("event", "message"), block.get("data")
        block.clear()
        if kind == "reset":
            self.resets += 1
        elif kind == "message" and data is not None:
            self._show(json.loads(data))

    def _show(self, event: dict[str, Any]) -> None:
        if event["n"] != self.last:
            self.complaints.append(f"{self.name}: id {self.last} came with n {event['n']}")
        self.shown.append(
            Shown(
                event["n"],
                event["topic"],
                event["kind"],
                event["subject"],
                event["body"],
                asyncio.get_running_loop().time(),
            )
        )

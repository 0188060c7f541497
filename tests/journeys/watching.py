"""A client of the live stream for tests: reads blocks, remembers the last number, comes back where it was."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass
class Watch:
    """One open stream. `said`: ready and reset in order; `events`: what came; `last`: the newest id, beats included."""

    said: list[tuple[str, int]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    last: int = 0
    ended: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, block: str) -> None:
        name, data, number = "message", None, None
        for line in block.splitlines():
            key, _, value = line.partition(": ")
            if key == "event":
                name = value
            elif key == "data":
                data = json.loads(value)
            elif key == "id":
                number = int(value)
        if number is not None:
            assert number >= self.last or name == "reset", "numbers never go back"
            self.last = number
        if data is not None and name == "message":
            self.events.append(data)
        elif data is not None:
            self.said.append((name, data["n"]))
        self.changed.set()

    async def until(self, count: int, *, within_s: float = 5) -> list[dict[str, Any]]:
        """The events, once there are so many."""
        async with asyncio.timeout(within_s):
            while len(self.events) < count:
                self.changed.clear()
                await self.changed.wait()
        return self.events

    async def until_said(self, *, within_s: float = 5) -> tuple[str, int]:
        """The first word of the stream: ready or reset."""
        async with asyncio.timeout(within_s):
            while not self.said:
                self.changed.clear()
                await self.changed.wait()
        return self.said[0]

    async def until_ended(self, *, within_s: float) -> None:
        async with asyncio.timeout(within_s):
            while not self.ended:
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def watching(client: httpx.AsyncClient, after: int | None = None) -> AsyncIterator[Watch]:
    """A stream that is read in the background until the block ends."""
    watch = Watch()
    task = asyncio.create_task(_read(client, after, watch))
    try:
        yield watch
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _read(client: httpx.AsyncClient, after: int | None, watch: Watch) -> None:
    params = {} if after is None else {"after": after}
    async with client.stream("GET", "/api/v1/live", params=params, timeout=None) as response:
        assert response.status_code == 200, await response.aread()
        rest = ""
        async for text in response.aiter_text():
            *blocks, rest = (rest + text).split("\n\n")
            for block in blocks:
                watch.take(block)
    watch.ended = True
    watch.changed.set()

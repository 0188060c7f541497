"""`python -m sahut_lab.bench.stream_client PORT APP_DSN_FILE TOKENS_FILE PER_S SECONDS`: many screens, some messages.

Opens one live stream for each token, says "open" on a line, waits for a line on its input, then commits messages for
random persons at a set rate and measures from each commit to its screen. Writer and screens share one clock.
"""

import asyncio
import json
import random
import sys
import time
from pathlib import Path
from typing import cast

import asyncpg
import uvloop

from sahut_lab.bench.report import percentiles

OPEN_AT_ONCE = 200
INSERT = "insert into work.event (topic, subject, kind, body) values ('care', $1, 'message_added', $2::jsonb)"


class Screen(asyncio.Protocol):
    """One stream; hands every whole event that came to `seen`."""

    def __init__(self, request: bytes, screens: "Screens") -> None:
        self._request, self._screens, self._heard = request, screens, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        if not self._heard and b" 200 " in data[:20]:
            self._screens.opened += 1
        *whole, rest = (self._heard + data).split(b"\n\n")
        for event in whole:
            at = event.rfind(b'"lab":')
            if at >= 0:
                self._screens.shown(int(event[at + 6 :].split(b"}")[0].split(b",")[0]), now)
        self._heard = rest or b" "

    def connection_lost(self, _error: Exception | None) -> None:
        self._screens.lost += 1


class Screens:
    """What all screens saw. `committed`: number of a message → when its commit was acknowledged."""

    def __init__(self) -> None:
        self.opened = self.lost = 0
        self.committed: dict[int, float] = {}
        self.seen: dict[int, float] = {}

    def shown(self, number: int, at: float) -> None:
        self.seen.setdefault(number, at)

    def waits_ms(self) -> list[float]:
        both = self.committed.keys() & self.seen.keys()
        # The ring may overtake the writer's own acknowledgement; that is no wait.
        return [max(0.0, self.seen[number] - self.committed[number]) * 1e3 for number in both]


async def main(port: int, dsn: str, people: list[tuple[int, str]], per_s: int, seconds: float) -> None:
    screens, loop = Screens(), asyncio.get_running_loop()
    for first in range(0, len(people), OPEN_AT_ONCE):
        batch = people[first : first + OPEN_AT_ONCE]
        await asyncio.gather(
            *(
                loop.create_connection(lambda token=token: Screen(_request(port, token), screens), "127.0.0.1", port)  # type: ignore[misc]
                for _, token in batch
            )
        )
    end = loop.time() + 30
    while screens.opened < len(people) and loop.time() < end:
        await asyncio.sleep(0.05)
    print(json.dumps({"opened": screens.opened}), flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await _say(dsn, [person_id for person_id, _ in people], per_s, seconds, screens)
    await asyncio.sleep(1)
    answer = {"said": len(screens.committed), "shown": len(screens.seen), "lost_streams": screens.lost}
    print(json.dumps(answer | percentiles(screens.waits_ms())), flush=True)


async def _say(dsn: str, people: list[int], per_s: int, seconds: float, screens: Screens) -> None:
    """Commit messages at the rate, whatever a commit takes; four connections are plenty for it."""
    pool = await asyncpg.create_pool(dsn, min_size=4, max_size=4)
    running: set[asyncio.Task[None]] = set()

    async def one(number: int) -> None:
        await pool.execute(INSERT, random.choice(people), json.dumps({"case": "000000000", "seq": 1, "lab": number}))
        screens.committed[number] = time.monotonic()

    began = time.monotonic()
    for number in range(int(per_s * seconds)):
        await asyncio.sleep(max(0.0, began + number / per_s - time.monotonic()))
        task = asyncio.create_task(one(number))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
    await pool.close()


def _request(port: int, token: str) -> bytes:
    return (
        f"GET /api/v1/live HTTP/1.1\r\nHost: localhost:{port}\r\nAuthorization: Bearer {token}\r\n"
        "Accept: text/event-stream\r\n\r\n"
    ).encode()


if __name__ == "__main__":
    known = [(person_id, token) for person_id, token in json.loads(Path(sys.argv[3]).read_text())]
    uvloop.run(main(int(sys.argv[1]), Path(sys.argv[2]).read_text(), known, int(sys.argv[4]), float(sys.argv[5])))

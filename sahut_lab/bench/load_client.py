"""`python -m sahut_lab.bench.load_client PORT CONNECTIONS SECONDS [TOKEN]`: messages over kept connections, cheaply.

Each connection sends the next message when the last was acknowledged. It reads no more of an answer than its status and
length, so that the client takes little of the machine that it measures; it says how much of a core it took.
"""

import asyncio
import json
import os
import sys
import time
from typing import cast

import uvloop

from sahut_lab.bench.report import percentiles

TEXT = "saldo saya kepotong tapi pembayaran gagal " * 6
WARM_UP_S = 0.5
HEAD = "POST /api/v1/contacts HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Type: application/json\r\n{session}"


class Sender(asyncio.Protocol):
    """One kept connection. `finished` is set when it has sent its last."""

    def __init__(self, head: bytes, warm: float, stop: float) -> None:
        self._head, self._warm, self._stop = head, warm, stop
        self._transport: asyncio.Transport | None = None
        self._began = 0.0
        self._heard = b""
        self.waits: list[float] = []
        self.acknowledged = self.refused = 0
        self.finished = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._heard += data
        end = self._heard.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._heard[:end].lower()
        place = head.index(b"content-length:") + 15
        length = int(head[place : head.find(b"\r", place) if b"\r" in head[place:] else None])
        if len(self._heard) < end + 4 + length:
            return
        now = time.perf_counter()
        if self._heard[9:12] == b"202":
            self.acknowledged += 1
        else:
            self.refused += 1
        if self._began > self._warm:
            self.waits.append((now - self._began) * 1e3)
        self._heard = self._heard[end + 4 + length :]
        if now < self._stop:
            self._send()
        else:
            self._end()

    def connection_lost(self, _error: Exception | None) -> None:
        self._end()

    def _send(self) -> None:
        assert self._transport is not None
        body = b'{"client_message_id":"%s","text":"%s"}' % (os.urandom(16).hex().encode(), TEXT.encode())
        self._began = time.perf_counter()
        self._transport.write(self._head + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    def _end(self) -> None:
        if not self.finished.done():
            self.finished.set_result(None)
            if self._transport is not None:
                self._transport.close()


async def main(port: int, connections: int, seconds: float, token: str) -> None:
    session = f"Authorization: Bearer {token}\r\n" if token else ""
    head = HEAD.format(port=port, session=session).encode()
    warm = time.perf_counter() + WARM_UP_S
    loop, used = asyncio.get_running_loop(), time.process_time()
    senders = [Sender(head, warm, warm + seconds) for _ in range(connections)]
    for sender in senders:
        await loop.create_connection(lambda sender=sender: sender, "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*(sender.finished for sender in senders))
    waits = [wait for sender in senders for wait in sender.waits]
    answer = {
        "per_s": len(waits) / seconds,
        "acknowledged": sum(sender.acknowledged for sender in senders),
        "refused": sum(sender.refused for sender in senders),
        "client_cpu": round((time.process_time() - used) / (seconds + WARM_UP_S), 2),
    }
    print(json.dumps(answer | percentiles(waits)))


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4] if len(sys.argv) > 4 else ""))

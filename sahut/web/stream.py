"""One live stream: the open response of one browser, written to by the hub without a task of its own.

A stream costs what the server needs for a request that never ends, and little more. While the client reads, a write
goes straight into the server's `send`; only when the client stops reading does the stream get a bounded queue and a
task that empties it, and one that stays behind is cut off. It comes back with `after` and misses nothing.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any

from starlette.types import Send

from sahut.web.metrics import stream_cut

QUEUE_AT_MOST_BYTES = 256 * 1024
STALLED_AFTER_S = 20.0


class Stream:
    """An open response. `person_id` None means: all subjects (staff). `session`: the hash of the token.
    `seen`: no event up to this n is sent again. `joined`: it was brought up to date and hears what happens."""

    __slots__ = ("_queue", "_queued_bytes", "_send", "_writer", "ended", "joined", "person_id", "seen", "session")

    def __init__(self, send: Send, *, person_id: int | None, session: bytes) -> None:
        self._send = send
        self._queue: deque[bytes] | None = None
        self._queued_bytes = 0
        self._writer: asyncio.Task[None] | None = None
        self.person_id = person_id
        self.session = session
        self.seen = 0
        self.ended = self.joined = False

    def write(self, encoded: bytes) -> None:
        """Send bytes now, or queue them when the client does not read; too far behind, it is cut off."""
        if self.ended:
            return
        if self._queue is None:
            if _goes_at_once(self._send(_part(encoded))):
                return
            self._queue = deque()
            self._writer = asyncio.get_running_loop().create_task(self._empty_queue())
        self._queue.append(encoded)
        self._queued_bytes += len(encoded)
        if self._queued_bytes > QUEUE_AT_MOST_BYTES:
            self.cut_off()

    async def drained(self) -> None:
        """Wait until the client has been given everything, or is cut off."""
        if self._writer is not None:
            await asyncio.wait([self._writer])

    def end(self) -> None:
        """End the response properly; the client may come back."""
        if self.ended:
            return
        if self._queue is not None:
            self.cut_off()
            return
        self.ended = True
        if not _goes_at_once(self._send({"type": "http.response.body", "body": b"", "more_body": False})):
            self._abort()

    def cut_off(self) -> None:
        """Drop the connection without another word: the client does not read."""
        if self.ended:
            return
        self.ended = True
        stream_cut()
        if self._writer is not None:
            self._writer.cancel()
        self._queue = None
        self._abort()

    def left(self) -> None:
        """The client is gone; nothing may be written any more."""
        self.ended = True
        if self._writer is not None:
            self._writer.cancel()

    async def _empty_queue(self) -> None:
        try:
            while self._queue:
                async with asyncio.timeout(STALLED_AFTER_S):
                    await self._send(_part(self._queue[0]))
                self._queued_bytes -= len(self._queue.popleft())
        except TimeoutError:
            self.ended = True
            stream_cut()
            self._abort()
            return
        self._queue, self._writer = None, None

    def _abort(self) -> None:
        # ASGI has no word for "drop it": ending the response would wait for a client that does not read. The servers
        # that we run keep the transport beside `send`; without one the connection goes when the handler returns.
        transport = getattr(getattr(self._send, "__self__", None), "transport", None)
        if transport is not None:
            transport.abort()


def _part(encoded: bytes) -> dict[str, Any]:
    return {"type": "http.response.body", "body": encoded, "more_body": True}


def _goes_at_once(sending: Coroutine[Any, Any, None] | Any) -> bool:
    """Run `send` up to its first wait. True: it is done. False: it would have to wait, and has written nothing.

    Servers wait (for the client to read) before they write, so closing the waiting call leaves nothing half done.
    """
    try:
        sending.send(None)
    except StopIteration:
        return True
    sending.close()
    return False

"""HTTP with bounds on what a client may make us keep before it has asked for anything.

The parser itself takes a head of any length over any time. Bodies have their bounds where they are read, in ``web``.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 64 << 10
HEAD_WITHIN_S = 10.0

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class BoundedHttp(HttpToolsProtocol):
    """A connection whose request lines and headers are bounded in length and time, and which does not idle for ever."""

    _head_open = False
    _head_bytes = 0
    _head_limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # A client that connects and says nothing is treated like one that falls silent after an answer.
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._head_open:
            return
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_BYTES:
            self._refuse(_TOO_LARGE)
        elif self._head_limit is None:
            # Only for a head that comes in pieces; almost all come in one.
            self._head_limit = self.loop.call_later(HEAD_WITHIN_S, self._refuse, _TOO_SLOW)

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_over()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._head_open, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> Any:
        self._head_is_over()
        return super().on_headers_complete()

    def _head_is_over(self) -> None:
        self._head_open = False
        if self._head_limit is not None:
            self._head_limit.cancel()
            self._head_limit = None

    def _refuse(self, answer: bytes) -> None:
        self._head_is_over()
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()

"""HTTP with bounds on what a client may make us keep and how long it may take, whatever the application reads.

The parser itself takes heads, bodies and trailers of any length over any time. Bodies have narrower bounds where they
are read, in ``web``; these hold also for a body that nobody reads.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES, MESSAGE_BYTES = 32 << 10, 192 << 10
HEAD_WITHIN_S, REST_WITHIN_S = 10.0, 20.0

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class BoundedHttp(HttpToolsProtocol):
    """A connection whose requests are bounded in length and time, and which does not idle for ever.

    What comes after the body (trailers, RFC 9112 section 7.1.2) is counted and dropped: nothing here asks for it.
    """

    _head_open = False
    _message_open = False
    _message_bytes = 0
    _limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # A client that connects and says nothing is treated like one that falls silent after an answer.
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._message_open:
            return
        self._message_bytes += len(data)
        if self._message_bytes > (HEAD_BYTES if self._head_open else MESSAGE_BYTES):
            self._refuse(_TOO_LARGE)
        elif self._limit is None:
            # Only for a request that comes in pieces; almost all come in one.
            within_s = HEAD_WITHIN_S if self._head_open else REST_WITHIN_S
            self._limit = self.loop.call_later(within_s, self._refuse, _TOO_SLOW)

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_limit()
        self._head_open = self._message_open = False
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._head_open = self._message_open = True
        self._message_bytes = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head_open:
            super().on_header(name, value)

    def on_headers_complete(self) -> Any:
        self._head_open = False
        self._forget_limit()
        return super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._message_open = False
        self._forget_limit()
        super().on_message_complete()

    def _forget_limit(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _refuse(self, answer: bytes) -> None:
        self._forget_limit()
        # Until the first request there is no cycle, whatever the annotation says.
        begun = getattr(self.cycle, "response_started", False)
        self._head_open = self._message_open = False
        if not self.transport.is_closing():
            if not begun:
                self.transport.write(answer)
            self.transport.close()

"""HTTP/1.1 as a small client speaks it: one request on a fresh connection, many on a kept one, or a stream of lines.

Written on asyncio's streams alone, so that a client costs little beside the server it measures, and so that a fresh
connection is one: with several web processes behind a socket each of them gets its share.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

LONGEST_LINE = 1 << 20


class NoAnswer(Exception):
    """The connection ended or hung before the whole answer was there: whether it was done is unknown."""


@dataclass(frozen=True, slots=True)
class Talk:
    """Whom to speak to, and as whom. `token` is empty for somebody who is not signed in."""

    port: int
    token: str = ""
    host: str = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def request_bytes(
    talk: Talk, method: str, path: str, body: object = None, *, keep: bool, extra: dict[str, str] | None = None
) -> bytes:
    """The request as it goes over the wire; `body` becomes JSON unless it is None."""
    content = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: localhost:{talk.port}",
        f"Connection: {'keep-alive' if keep else 'close'}",
    ]
    if talk.token:
        lines.append(f"Authorization: Bearer {talk.token}")
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in (extra or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


async def ask(
    talk: Talk,
    method: str,
    path: str,
    body: object = None,
    *,
    extra: dict[str, str] | None = None,
    wait_s: float = 10.0,
) -> Answer:
    """One request on a connection of its own. Raises `NoAnswer` when the whole answer did not come within `wait_s`."""
    try:
        async with asyncio.timeout(wait_s):
            reader, writer = await asyncio.open_connection(talk.host, talk.port, limit=LONGEST_LINE)
            try:
                writer.write(request_bytes(talk, method, path, body, keep=False, extra=extra))
                await writer.drain()
                return await read_answer(reader)
            finally:
                writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as fault:
        raise NoAnswer(f"{method} {path}: {fault!r}") from fault


class Line:
    """A kept connection that carries one request after another."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, raw: bytes) -> Answer:
        """Send what `request_bytes` made and read its answer. Raises `NoAnswer`; the next call connects anew."""
        try:
            if self._reader is None or self._writer is None:
                self._reader, self._writer = await asyncio.open_connection(
                    self._talk.host, self._talk.port, limit=LONGEST_LINE
                )
            self._writer.write(raw)
            answer = await read_answer(self._reader)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as fault:
            self.close()
            raise NoAnswer(repr(fault)) from fault
        if answer.headers.get("connection", "").lower() == "close":
            self.close()
        return answer

    def close(self) -> None:
        if self._writer is not None:
            with suppress(OSError):
                self._writer.close()
        self._reader = self._writer = None


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """A whole answer: status, headers (names in lower case), body."""
    status, headers = await read_head(reader)
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = b"".join([part async for part in _chunks(reader)])
    elif "content-length" in headers:
        body = await reader.readexactly(int(headers["content-length"]))
    elif status in {204, 304}:
        body = b""
    else:
        body = await reader.read()
    return Answer(status, headers, body)


async def read_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    raw = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *rest = raw.split("\r\n")
    parted = (line.partition(":") for line in rest if line)
    return int(first.split(" ", 2)[1]), {name.strip().lower(): value.strip() for name, _, value in parted}


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        yield await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readuntil(b"\r\n")


async def stream_lines(reader: asyncio.StreamReader, headers: dict[str, str]) -> AsyncIterator[str]:
    """The lines of an endless body as they come; ends when the server ends it in order."""
    if headers.get("transfer-encoding", "").lower() != "chunked":
        while line := await reader.readline():
            yield line.decode().rstrip("\r\n")
        return
    rest = b""
    async for part in _chunks(reader):
        *whole, rest = (rest + part).split(b"\n")
        for line in whole:
            yield line.decode().rstrip("\r")

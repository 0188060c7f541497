"""A server for machines that ask a handful of fixed questions: GET, one answer for each connection, everything bounded.

It stands apart from the pages, so that a house whose pages are flooded can still be asked how it is.
"""

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import structlog

HEAD_BYTES = 8 << 10
HEAD_WITHIN_S, ANSWER_WITHIN_S = 5.0, 10.0
AT_ONCE, SILENT = 16, 64

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Said:
    """An answer."""

    status: int
    body: bytes
    content_type: str = "text/plain; version=0.0.4; charset=utf-8"


Ask = Callable[[], Awaitable[Said]]


def healthy() -> Said:
    """All is well."""
    return Said(200, b'{"status":"ok"}', "application/json")


def not_ready(missing: Sequence[str]) -> Said:
    """What is missing, by name, as a problem document (RFC 9457)."""
    told = {
        "type": "urn:sahut:refusal:not_ready",
        "title": "Not ready",
        "status": 503,
        "detail": "Waiting for: " + ", ".join(missing),
        "code": "not_ready",
        "missing": list(missing),
    }
    return Said(503, json.dumps(told).encode(), "application/problem+json")


class Port:
    """Answers `questions` (path → who answers) on the sockets it is given, until it is closed."""

    def __init__(self, questions: Mapping[str, Ask]) -> None:
        self._questions = dict(questions)
        self._servers: list[asyncio.Server] = []
        self._answering = 0
        self._silent: dict[asyncio.StreamWriter, None] = {}  # who has not asked yet, oldest first

    async def listen(self, sockets: Sequence[socket.socket]) -> None:
        """Serve on listening sockets, of whatever family; they are closed with the port."""
        for opened in sockets:
            start = asyncio.start_unix_server if opened.family == socket.AF_UNIX else asyncio.start_server
            self._servers.append(await start(self._serve, sock=opened, limit=HEAD_BYTES))

    async def close(self) -> None:
        """Listen no longer; what is being answered is dropped when the loop ends."""
        for server in self._servers:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self._silent[writer] = None
            if len(self._silent) > SILENT:  # who only holds connections must not keep others from asking
                oldest = next(iter(self._silent))
                self._silent.pop(oldest)
                oldest.transport.abort()
            question = await self._read(reader)
            self._silent.pop(writer, None)
            said = question if isinstance(question, Said) else await self._answer(question)
            writer.write(_head(said) + said.body)
            async with asyncio.timeout(ANSWER_WITHIN_S):
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            writer.transport.abort()
        finally:
            self._silent.pop(writer, None)
            with suppress(OSError):
                writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> str | Said:
        """What is asked, by its path; or the answer, when it is no question of ours."""
        try:
            async with asyncio.timeout(HEAD_WITHIN_S):
                head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return _plain(431)
        method, _, rest = head.partition(b" ")
        path = rest.split(b" ", 1)[0].partition(b"?")[0].decode("latin-1")
        if path not in self._questions:
            return _plain(404)
        return path if method == b"GET" else _plain(405)

    async def _answer(self, path: str) -> Said:
        if self._answering >= AT_ONCE:
            return _plain(503)
        self._answering += 1
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await self._questions[path]()
        except Exception as error:  # noqa: BLE001 — who asks is told no, and what is watched goes on
            _log.warning("question_not_answered", question=path, error=type(error).__name__)
            return _plain(500)
        finally:
            self._answering -= 1


def _plain(status: int) -> Said:
    return Said(status, HTTPStatus(status).phrase.encode() + b"\n")


def _head(said: Said) -> bytes:
    lines = (
        f"HTTP/1.1 {said.status} {HTTPStatus(said.status).phrase}",
        f"Content-Type: {said.content_type}",
        f"Content-Length: {len(said.body)}",
        "Cache-Control: no-store",
        *(("Retry-After: 1",) if said.status == 503 else ()),
        "Connection: close",
    )
    return "\r\n".join((*lines, "", "")).encode("latin-1")


def listen_at(path: Path) -> socket.socket:
    """A listening Unix socket at `path`, in place of what a killed process left there."""
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        with _Short(path) as short:
            opened.bind(short)
        path.chmod(0o600)
        opened.listen(AT_ONCE)
        opened.setblocking(False)
    except OSError:
        opened.close()
        raise
    return opened


async def ask_at(path: Path, question: str, *, within_s: float, at_most_bytes: int) -> tuple[int, bytes]:
    """Ask who listens at a Unix socket; status and body. Raises OSError, TimeoutError or ValueError."""
    async with asyncio.timeout(within_s):
        with _Short(path) as short:
            reader, writer = await asyncio.open_unix_connection(short)
        try:
            writer.write(f"GET {question} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            told = bytearray()
            while piece := await reader.read(64 << 10):
                told += piece
                if len(told) > at_most_bytes:
                    raise ValueError("more than we read")
        finally:
            writer.transport.abort()
    head, _, body = bytes(told).partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), body


class _Short:
    """A path to a socket that fits into 107 bytes, however deep the home lies: by way of its open directory."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> str:
        self._directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"/proc/self/fd/{self._directory}/{self._path.name}"

    def __exit__(self, *_: object) -> None:
        os.close(self._directory)

"""What a client may make us keep before it has asked for anything is bounded in length and time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import uvicorn

from sahut.app.roles import bounded_http
from sahut.app.roles.bounded_http import HEAD_BYTES, BoundedHttp


async def answer(_scope: object, _receive: object, send) -> None:  # type: ignore[no-untyped-def]
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    server = uvicorn.Server(uvicorn.Config(answer, port=0, http=BoundedHttp, lifespan="off", log_config=None))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


async def say(port: int, *parts: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        with suppress(ConnectionError):  # who is refused early may find nobody to write to
            for part in parts:
                writer.write(part)
                await asyncio.sleep(0.01)
        return await asyncio.wait_for(reader.readline(), 5)
    finally:
        writer.close()


async def test_a_usual_request_passes(port: int) -> None:
    assert b" 204 " in await say(port, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    assert b" 204 " in await say(port, b"GET / HT", b"TP/1.1\r\nho", b"st: a\r\n\r\n")


async def test_a_long_body_is_no_long_head(port: int) -> None:
    body = b"x" * (2 * HEAD_BYTES)
    head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(body)

    assert b" 204 " in await say(port, head + body)


async def test_a_head_without_end_is_refused(port: int) -> None:
    line = b"x-more: " + b"y" * 8000 + b"\r\n"

    assert b" 431 " in await say(port, b"GET / HTTP/1.1\r\nhost: a\r\n", *[line] * 5)


async def test_a_head_that_does_not_come_is_refused(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_http, "HEAD_WITHIN_S", 0.1)

    assert b" 408 " in await say(port, b"GET / HTTP/1.1\r\nhost: a\r\n")


async def test_what_follows_a_body_is_dropped_and_bounded(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"

    assert b" 204 " in await say(port, head + b"x-late: 1\r\n\r\n")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with suppress(ConnectionError):
        writer.write(head)
        for _ in range(40):
            writer.write(b"x-more: " + b"y" * 8000 + b"\r\n")
            await writer.drain()
            await asyncio.sleep(0)
    with suppress(ConnectionError):
        assert len(await asyncio.wait_for(reader.read(), 5)) < 1000
    writer.close()


async def test_a_body_that_nobody_reads_may_not_trickle_for_ever(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_http, "REST_WITHIN_S", 0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n")

    await asyncio.wait_for(reader.read(), 5)  # ends: the connection is closed
    writer.close()

"""Telling the person in front of the terminal that they can come in, once the first page is warm."""

import asyncio
import time
from collections.abc import Callable

from sahut.app.home import Home
from sahut.app.settings import Settings

_SENTENCE_EVERY_S = 5.0


async def announce(settings: Settings, home: Home, say: Callable[[str], None], began: float) -> None:
    """Wait until the house answers, open its front door once, and say where it is and whom to try in a demo.

    ``began``: the ``time.monotonic`` of the start.
    """
    next_sentence = time.monotonic() + _SENTENCE_EVERY_S
    while await _status(settings.port, "/readyz") != 200:
        if time.monotonic() > next_sentence:
            say(f"Not ready yet; what the processes say stands in {home.log}.")
            next_sentence += _SENTENCE_EVERY_S
        await asyncio.sleep(0.03)
    await _status(settings.port, "/")
    say(f"\nSahut is ready after {time.monotonic() - began:.1f} s:  {settings.public_url}")
    if home.is_demo:
        _show_people(settings, say)
    say("Ctrl-C ends it.")


def _show_people(settings: Settings, say: Callable[[str], None]) -> None:
    from sahut.app.laboratory import laboratory  # noqa: PLC0415 — only a demo home needs it

    say(f"A demo: its people and their money are invented. The desk is at {settings.public_url}/desk")
    for person in laboratory("demo").PEOPLE:
        say(f"  {person.name:<16} {person.role:<9} {person.phone}  PIN {person.pin}")


async def _status(port: int, path: str) -> int:
    """**Returns**: the status of a GET, 0 when there is no answer within a second."""
    try:
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                request = f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n"
                writer.write(request.encode())
                line = await reader.readline()
                while await reader.read(65536):
                    pass
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return 0
    parts = line.split()
    return int(parts[1]) if len(parts) > 1 else 0

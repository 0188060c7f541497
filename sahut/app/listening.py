"""The listening sockets: for pages, bound once by ``up`` and inherited by every ``web`` child; and for figures.

While a child is being replaced, connections wait in the kernel's queue instead of being refused.
"""

import asyncio
import errno
import socket
import time

from sahut.app.cannot_start import CannotStart

_LOOPBACK = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
_NO_SUCH_FAMILY = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
_BACKLOG = 2048
# Children of a supervisor that was killed a moment ago die with it, and the port is free again within milliseconds.
_WAIT_FOR_THE_DYING_S = 2.0


async def listen_on(port: int, setting: str = "SAHUT_PORT", host: str | None = None) -> list[socket.socket]:
    """Listen on both loopback addresses (a machine without IPv6 has one), or on the one address ``host``.

    **Refuses**: ``CannotStart`` when another program has the port; it names ``setting``.
    """
    until = time.monotonic() + _WAIT_FOR_THE_DYING_S
    while True:
        try:
            return _bound(port, _addresses(host))
        except OSError as problem:
            if problem.errno == errno.EACCES:
                raise CannotStart(f"{setting} {port} is reserved for root: choose one from 1024 up.") from problem
            if problem.errno in _NO_SUCH_FAMILY and host is not None:
                raise CannotStart(f"This machine has no address {host}: choose another one to listen on.") from problem
            if problem.errno != errno.EADDRINUSE:
                raise
            if time.monotonic() > until:
                raise CannotStart(
                    f"Port {port} belongs to another program: end it, or choose another one with {setting}."
                ) from problem
        await asyncio.sleep(0.05)


def _addresses(host: str | None) -> tuple[tuple[socket.AddressFamily, str], ...]:
    if host is None:
        return _LOOPBACK
    return ((socket.AF_INET6 if ":" in host else socket.AF_INET, host),)


def _bound(port: int, addresses: tuple[tuple[socket.AddressFamily, str], ...]) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    try:
        for family, address in addresses:
            try:
                sockets.append(_one(family, address, port))
            except OSError as problem:
                if problem.errno not in _NO_SUCH_FAMILY or not sockets:
                    raise
    except OSError:
        for opened in sockets:
            opened.close()
        raise
    return sockets


def _one(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind((address, port))
        opened.listen(_BACKLOG)
        opened.setblocking(False)
    except OSError:
        opened.close()
        raise
    return opened

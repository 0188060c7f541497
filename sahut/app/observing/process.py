"""What one process tells about itself: its figures, that its loop turns, and whether it may be given work.

A child of `up` answers on a private socket in the home, where `up` asks it; a role that runs alone answers on
`SAHUT_METRICS_PORT`. Without that setting nothing listens and nothing is measured that costs a timer.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from socket import socket
from time import perf_counter

import structlog
from prometheus_client import CollectorRegistry, Histogram, disable_created_metrics, generate_latest

from sahut.app.listening import listen_on
from sahut.app.observing.port import Port, Said, healthy, listen_at, not_ready
from sahut.app.settings import Settings
from sahut.db import SHORT_S

LAG_EVERY_S = 0.5
SOCKET = ".metrics"

# The name of what a process still waits for; None when it may be given work.
Missing = Callable[[], Awaitable[str | None]]

_log = structlog.get_logger()
_LAG = Histogram("sahut_loop_lag_seconds", "How late the event loop came back to a timer.", buckets=SHORT_S)
disable_created_metrics()  # type: ignore[no-untyped-call]  # when each counter began: it doubles the page, and nobody asks


def figures(registry: CollectorRegistry | None = None) -> bytes:
    """The figures of this process in Prometheus's text format."""
    return generate_latest(registry) if registry is not None else generate_latest()


@contextlib.asynccontextmanager
async def observed(settings: Settings, name: str, missing: Missing, *, watched: bool) -> AsyncIterator[None]:
    """Answer `/metrics`, `/livez` and `/readyz` during the block, when the operator has set a port.

    `missing`: asked for `/readyz`. `watched`: by `up`.
    Refuses: `CannotStart` when another program has the port.
    """
    if settings.observing.port is None:
        yield
        return
    if watched:
        sockets = [listen_at(settings.home / "run" / f"{name}{SOCKET}")]
    else:
        sockets = await listen_on(settings.observing.port, "SAHUT_METRICS_PORT", settings.observing.host)
    async with answering(Port(questions(missing)), sockets):
        yield


@contextlib.asynccontextmanager
async def answering(port: Port, sockets: list[socket]) -> AsyncIterator[None]:
    """Answer on these sockets during the block, and measure meanwhile how late the loop is."""
    await port.listen(sockets)
    lagging = asyncio.create_task(measure_lag(), name="loop lag")
    try:
        yield
    finally:
        lagging.cancel()
        await port.close()


def questions(missing: Missing) -> dict[str, Callable[[], Awaitable[Said]]]:
    """The three questions that every process answers."""

    async def metrics() -> Said:
        return Said(200, figures())

    async def livez() -> Said:
        return healthy()  # that this runs is the answer: the loop turns

    async def readyz() -> Said:
        what = await missing()
        return not_ready([what]) if what else healthy()

    return {"/metrics": metrics, "/livez": livez, "/readyz": readyz}


async def measure_lag() -> None:
    """Note twice a second how late the loop is, until cancelled."""
    while True:
        due = perf_counter() + LAG_EVERY_S
        await asyncio.sleep(LAG_EVERY_S)
        _LAG.observe(max(0.0, perf_counter() - due))

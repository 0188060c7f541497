"""Figures of the whole database: asked by one process at a time, for all, every ten seconds.

An advisory lock elects who asks. Whoever loses it, or its connection, shows nothing any more, so no figure is shown
twice or long after it was true; between two looks the page says how old they are. Every statement is bounded, and who
hangs with the lock loses its session, as the sealer does.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from time import monotonic

import asyncpg
import structlog
from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sahut.app.settings import Settings
from sahut.care import care_figures
from sahut.db import AWAY, Connection, locks, open_connection, server_figures
from sahut.work import work_figures

EVERY_S, ELECTION_S = 10.0, 5.0
_STATEMENT_WAIT_S = 5.0
_HANG_MS = "30000"

_log = structlog.get_logger()


class Figures(Collector):
    """The figures of the last look, with their age."""

    def __init__(self) -> None:
        self._families: list[Metric] = []
        self._taken_at = 0.0

    def take(self, families: list[Metric]) -> None:
        """Show these from now on; none: somebody else shows his."""
        self._families, self._taken_at = families, monotonic()

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        if self._families:
            yield from self._families
            age_s = monotonic() - self._taken_at
            yield GaugeMetricFamily(
                "sahut_figures_age_seconds", "How old the figures of the database are.", value=age_s
            )


_shown = Figures()
REGISTRY.register(_shown)
_ASKED: tuple[Callable[[Connection], Awaitable[list[Metric]]], ...] = (server_figures, work_figures, care_figures)


async def ask_for_figures(settings: Settings, *, name: str, shown: Figures = _shown, every_s: float = EVERY_S) -> None:
    """Ask while elected, stand by otherwise, until cancelled. Without a port nobody would read it, so nobody asks."""
    if settings.observing.port is None:
        await asyncio.Event().wait()
    while True:
        try:
            await _ask_in_one_session(settings.app_dsn, name, shown, every_s)
        except (asyncpg.PostgresError, *AWAY) as error:
            _log.warning("figures_not_asked", error=type(error).__name__)
        finally:
            shown.take([])
        await asyncio.sleep(ELECTION_S)


async def _ask_in_one_session(dsn: str, name: str, shown: Figures, every_s: float) -> None:
    connection = await open_connection(
        dsn,
        name=name,
        command_timeout_s=_STATEMENT_WAIT_S,
        idle_session_timeout=_HANG_MS,
        default_transaction_read_only="on",
    )
    try:
        while not await connection.fetchval("select pg_try_advisory_lock($1)", locks.FIGURES):
            await asyncio.sleep(ELECTION_S)
        while True:
            shown.take([family for ask in _ASKED for family in await ask(connection)])
            await asyncio.sleep(every_s)
    finally:
        connection.terminate()

"""The house of one ``web`` process: everything that a view may reach, bound together here and nowhere else.

What is opened is closed in the opposite order, so that work in hand is finished before that what it needs is gone.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import structlog

from sahut.app.home import Home
from sahut.app.laboratory import laboratory
from sahut.app.observing.readiness import DatabaseReadiness
from sahut.app.secrets import key
from sahut.app.settings import Settings
from sahut.app.wiring import open_process_pool, signer_of
from sahut.bedrock import SystemClock
from sahut.db import AWAY, Pool
from sahut.journey import Intake
from sahut.ledger import Ledger
from sahut.people import SignIn
from sahut.wallet import Transfers
from sahut.web import DemoPerson, House, Hub

# Connections of one web process, beside those of its hub; a test holds them against what the engine counts.
# Money and messages have their own, so that a flood of pages keeps neither from moving.
PAGES, DOORS, MONEY, MESSAGES = 12, 3, 3, 2
_RETRY_S = 0.5
_CLOSE_S = 1.0

_log = structlog.get_logger()


@contextlib.asynccontextmanager
async def open_house(settings: Settings, name: str) -> AsyncIterator[House]:
    """Open everything that a view may reach, for one ``web`` process.

    The database may be away: then the house says that it is not ready, and becomes so by itself.
    """
    Home(settings.home).refuse_elsewhere(settings)
    clock = SystemClock()
    signer = signer_of(settings)
    async with contextlib.AsyncExitStack() as closing:
        pool, doors, money, messages = [
            await closing.enter_async_context(open_process_pool(settings, size, f"{name}{use}"))
            for size, use in ((PAGES, ""), (DOORS, " doors"), (MONEY, " money"), (MESSAGES, " messages"))
        ]
        ledger = Ledger(money)
        closing.push_async_callback(_within, ledger.batcher.close)
        intake = Intake(messages, signer, key(settings.home, "number.key"), clock)
        await intake.start()
        closing.push_async_callback(_within, intake.close)
        hub = Hub(settings.app_dsn, clock, name=f"{name} live")
        starting = asyncio.create_task(_start(hub))
        closing.push_async_callback(_within, hub.close)
        closing.callback(starting.cancel)
        demo = Home(settings.home).is_demo
        yield House(
            pool=pool,
            doors=doors,
            clock=clock,
            sign_in=SignIn(doors, clock),
            transfers=Transfers(money, ledger),
            intake=intake,
            hub=hub,
            public_url=settings.public_url,
            public_key=signer.public_key,
            cursor_key=key(settings.home, "cursor.key"),
            readiness=_Readiness(doors, intake, starting),
            trust_traceparent=settings.observing.trust_traceparent,
            demo=demo,
            demo_people=_demo_people() if demo else (),
        )


class _Readiness:
    """Answers whether this process may take requests: None, or the name of what is missing."""

    def __init__(self, pool: Pool, intake: Intake, hub_starting: "asyncio.Task[None]") -> None:
        self._database, self._intake, self._hub_starting = DatabaseReadiness(pool), intake, hub_starting

    async def __call__(self) -> str | None:
        if missing := await self._database():
            return missing
        if not self._intake.is_ready:
            return "numbers"
        return None if self._hub_starting.done() else "live"


async def _start(hub: Hub) -> None:
    while True:
        try:
            await hub.start()
        except AWAY as error:
            _log.warning("live_waits_for_the_database", error=type(error).__name__)
            await asyncio.sleep(_RETRY_S)
        else:
            return


def _demo_people() -> tuple[DemoPerson, ...]:
    return tuple(
        DemoPerson(name=person.name, phone=person.phone, pin=person.pin, role=person.role, language=person.language)
        for person in laboratory("demo").PEOPLE
    )


async def _within(close: Callable[[], Awaitable[None]]) -> None:
    """Close within a second; what cannot be finished then is not acknowledged either, and will be asked again."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(close(), _CLOSE_S)

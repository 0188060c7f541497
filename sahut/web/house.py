"""The house as a view sees it: everything a request may reach, in one frozen value.

`sahut.app` opens the house (pool, batchers, hub) and closes it again; the application itself starts nothing, so it
can be built as often as a test likes.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from sahut.bedrock import Clock
from sahut.db import Connection, Pool, connection, transaction
from sahut.journey import Intake
from sahut.people import SignIn
from sahut.wallet import Transfers
from sahut.web.hub import Hub
from sahut.web.looks import Looks

# Above this wait for a connection, in seconds, we say that the database is away.
READING_WAIT_S = 3.0


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """A person of a demo home who stands on the sign-in page to be picked with one press."""

    name: str
    phone: str
    pin: str
    role: Literal["customer", "agent"]
    language: str


@dataclass(frozen=True, slots=True)
class House:
    """What a view may reach.

    `pool`: for what is shown; `doors`: for who is asking, so that a flood of pages keeps nobody out who sends money or
    a message (those have pools of their own).
    `public_url`: where people find us, without a slash at the end; it decides cookies, redirects and the directory.
    `public_key`: the 32 bytes with which receipts and heads are checked; `cursor_key`: 32 secret bytes for cursors.
    `readiness`: answers None when what the house is made of is there, else the name of what is missing.
    `draining`: set when the process was told to end; it serves on for a while, but nobody new should be sent here.
    `trust_traceparent`: whether requests come through a gateway of ours, whose trace they go on with.
    `demo_people`: filled in a demo home only; shows the banner and the persons to pick.
    """

    pool: Pool
    doors: Pool
    clock: Clock
    sign_in: SignIn
    transfers: Transfers
    intake: Intake
    hub: Hub
    public_url: str
    public_key: bytes
    cursor_key: bytes
    readiness: Callable[[], Awaitable[str | None]]
    demo: bool = False
    demo_people: tuple[DemoPerson, ...] = field(default=())
    looks: Looks = field(default_factory=Looks)
    trust_traceparent: bool = False
    draining: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def secure(self) -> bool:
        """Whether people reach us by https, so that cookies are `Secure` and browsers are told to stay with it."""
        return self.public_url.startswith("https://")

    async def missing(self) -> str | None:
        """What this process still waits for before it may take requests, by name; None: nothing."""
        if self.draining.is_set():
            return "draining"
        return await self.readiness() or (None if self.hub.is_reading else "live")

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        """A connection to read with. Refuses: `database_away` when the pool gives none in time."""
        async with connection(self.pool, wait_s=READING_WAIT_S) as held:
            yield held

    @asynccontextmanager
    async def at_the_door(self) -> AsyncIterator[Connection]:
        """A connection to look up who is asking. Refuses: `database_away` as `reading` does."""
        async with connection(self.doors, wait_s=READING_WAIT_S) as held:
            yield held

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Connection]:
        """One transaction, committed at the end of the block."""
        async with transaction(self.pool) as connection:
            yield connection

"""What the tests of the rooms share: a world, a sealer by hand, and a signer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from sahut.db import Pool, open_connection, open_pool
from sahut.journey import Intake
from sahut.work import Sealer, Signer
from tests.conftest import Database
from tests.rooms.desk import NUMBER_KEY, Desk, ready
from tests.rooms.world import World, make_world


@pytest.fixture
async def world(pool: Pool) -> World:
    return await make_world(pool)


@pytest.fixture
def signer() -> Signer:
    return Signer.from_seed(b"k" * 32)


@pytest.fixture
async def sealer(app_dsn: str, signer: Signer) -> AsyncIterator[Sealer]:
    """A sealer that has its turn and ticks when it is told to."""
    connection = await open_connection(app_dsn, name="sahut-test-sealer")
    made = Sealer(connection, signer, None)
    await made.wait_for_turn()
    try:
        yield made
    finally:
        connection.terminate()


@pytest.fixture
async def other_pool(app_dsn: str) -> AsyncIterator[Pool]:
    """The pool of a second process."""
    opened = await open_pool(app_dsn, size=8, name="sahut-other")
    yield opened
    await asyncio.wait_for(opened.close(), 10)


Connect = Callable[[str], Awaitable["asyncpg.Connection[asyncpg.Record]"]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Opens connections of their own, by address, and ends them after the test."""
    opened: list[asyncpg.Connection[asyncpg.Record]] = []

    async def open_one(dsn: str) -> "asyncpg.Connection[asyncpg.Record]":
        opened.append(await open_connection(dsn, name="sahut-test-beside"))
        return opened[-1]

    yield open_one
    for connection in opened:
        if not connection.is_closed():
            await connection.close(timeout=5)


@pytest.fixture
async def desk(world: World, signer: Signer) -> AsyncIterator[Desk]:
    intake = await ready(Intake(world.pool, signer, NUMBER_KEY, world.clock))
    yield Desk(world, intake)
    await intake.close()


@pytest.fixture
async def owner(database: Database, connect: Connect) -> Any:
    """The owner of the tables, who may do what the application may not."""
    return await connect(database.owner_dsn)

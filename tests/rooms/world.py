"""A small world to test in: a clock that is set by hand, a few people, their accounts, and ways to watch a database."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from sahut.bedrock import MovableClock
from sahut.db import Connection, Pool, transaction
from sahut.ledger import AccountKind, Ledger, Posted, Transfer, TransferKind, open_account
from sahut.people import Actor, Role, SignIn, add_person, person

IDR = 360
PIN = "246813"
SOON_S = 10.0


@cache
def pin_hash() -> str:
    """Hashing a PIN is slow on purpose, so the tests do it once."""
    return SignIn.hash_pin(PIN)


@dataclass
class World:
    """Sari and Budi are customers, Bima is an agent; each customer has an account with 1,000,000."""

    pool: Pool
    clock: MovableClock
    ledger: Ledger
    sari: Actor
    budi: Actor
    bima: Actor
    accounts: dict[int, int] = field(default_factory=dict)
    safeguarding: int = 0

    async def balance(self, account: int) -> int:
        return await self.pool.fetchval("select posted from ledger.balance where account_id = $1", account)

    async def open(self, *, has: int = 0, kind: AccountKind = "customer", **caps: Any) -> int:
        """Another account, of a person that nobody meets."""
        async with transaction(self.pool) as connection:
            owner = await connection.fetchval("select 1000000 + count(*) from ledger.account")
            account = await open_account(connection, kind=kind, currency="IDR", owner=owner, **caps)
        if has:
            await self.fill(account, has)
        return account

    async def fill(self, account: int, amount_minor: int) -> Posted:
        return await self.ledger.post(
            Transfer(0, uuid4(), self.safeguarding, account, amount_minor, IDR, TransferKind.DEMO_OPENING)
        )

    def command(self, amount_minor: int, *, key: UUID | None = None, **changed: Any) -> Transfer:
        """From Sari to Budi, if nothing else is said."""
        said: dict[str, Any] = {
            "principal": self.sari.person_id,
            "debit": self.accounts[self.sari.person_id],
            "credit": self.accounts[self.budi.person_id],
            "currency": IDR,
            "kind": TransferKind.PERSON,
        }
        return Transfer(key=key or uuid4(), amount_minor=amount_minor, **said | changed)


async def add_actor(
    connection: Connection, name: str, phone: str, role: Role = "customer", language: str = "id"
) -> Actor:
    number = await add_person(connection, name=name, phone=phone, language=language, role=role, pin_hash=pin_hash())
    made = await person(connection, number)
    assert made is not None
    return made


async def make_world(pool: Pool) -> World:
    clock = MovableClock(datetime.now(UTC).replace(microsecond=123_456))
    async with transaction(pool) as connection:
        safeguarding = await open_account(connection, kind="safeguarding", currency="IDR")
        sari = await add_actor(connection, "Sari Wulandari", "+6281200000001")
        budi = await add_actor(connection, "Budi Santoso", "+6281200000002")
        bima = await add_actor(connection, "Bima", "+6281200000009", "agent", "en")
        accounts = {
            actor.person_id: await open_account(connection, kind="customer", currency="IDR", owner=actor.person_id)
            for actor in (sari, budi)
        }
    world = World(pool, clock, Ledger(pool, clock), sari, budi, bima, accounts, safeguarding)
    await asyncio.gather(*(world.fill(account, 1_000_000) for account in accounts.values()))
    return world


async def until(question: Callable[[], Awaitable[Any]]) -> Any:
    """The first true answer to a question about the database."""
    async with asyncio.timeout(SOON_S):
        while not (answer := await question()):
            await asyncio.sleep(0.005)
        return answer


async def until_somebody_waits(pool: Pool, how_many: int = 1) -> None:
    """Return once so many sessions of this database wait for a lock."""

    async def waiting() -> bool:
        counted = await pool.fetchval(
            "select count(*) from pg_locks where not granted and pid in"
            " (select pid from pg_stat_activity where datname = current_database())"
        )
        return bool(counted >= how_many)

    await until(waiting)


async def outcome(work: Awaitable[Any]) -> Any:
    """What came of it: the answer, or the error."""
    return (await asyncio.gather(work, return_exceptions=True))[0]


class CountingPool:
    """A pool of one connection that notes down every statement that is sent: each is one round trip."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection
        self.statements: list[str] = []
        connection.add_query_logger(lambda query: self.statements.append(" ".join(query.query.split())))

    async def acquire(self, **_: float) -> "asyncpg.Connection[asyncpg.Record]":
        return self._connection

    async def release(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        assert connection is self._connection

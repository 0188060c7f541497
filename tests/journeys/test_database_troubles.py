"""What the database cannot do now is answered by name and may be asked again; it is never called our fault."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import httpx
import pytest

from sahut.db import locks, transaction
from tests.conftest import Database
from tests.journeys.conftest import BUDI, SARI, Service
from tests.rooms.world import until

BODY = {"to_phone": BUDI.phone, "amount_minor": 5_000_000, "currency": "IDR"}
CONTACT = {"client_message_id": "trouble-1", "text": "Saldo saya salah"}
Ask = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]


async def send(client: httpx.AsyncClient) -> httpx.Response:
    return await client.post("/api/v1/transfers", json=BODY, headers={"idempotency-key": "trouble-0001"})


async def look(client: httpx.AsyncClient) -> httpx.Response:
    return await client.get("/api/v1/wallet")


async def write(client: httpx.AsyncClient) -> httpx.Response:
    return await client.post("/api/v1/contacts", json=CONTACT)


def is_named(answer: httpx.Response, *codes: str) -> bool:
    """Whether the answer is one of these problems and says when to ask again."""
    return (
        answer.status_code == 503
        and answer.json()["code"] in codes
        and int(answer.headers["retry-after"]) >= 1
        and answer.headers["content-type"] == "application/problem+json"
    )


@pytest.fixture
async def above(database: Database) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(database.superuser_dsn)
    yield connection
    await connection.close()


@asynccontextmanager
async def held(dsn: str, *statements: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Somebody else's transaction that stands in the way."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("begin")
        for statement in statements:
            await connection.execute(statement)
        yield connection
    finally:
        await connection.close()


WAITING = """select pid from pg_stat_activity where datname = current_database() and usename = 'sahut_app'
                and wait_event_type = 'Lock'"""
STANDS_IN_THE_WAY = {
    "send": (send, f"select pg_advisory_xact_lock({locks.TURN}, 1)"),
    "send, its balance": (send, "select from ledger.balance for update"),
    "send, who gets it": (send, "lock table people.person in access exclusive mode"),
    "look": (look, "lock table ledger.balance in access exclusive mode"),
    "look, who asks": (look, "lock table people.session in access exclusive mode"),
    "write": (write, "lock table care.contact in access exclusive mode"),
}


@pytest.mark.parametrize("case", STANDS_IN_THE_WAY)
async def test_a_session_that_the_server_ends_is_a_named_problem_and_the_same_request_goes_through_afterwards(
    case: str, service: Service, database: Database, above: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    ask, statement = STANDS_IN_THE_WAY[case]
    async with await service.signed_in(SARI) as sari:
        async with held(database.superuser_dsn, statement):
            asking = asyncio.create_task(ask(sari))
            waiting = await until(lambda: above.fetchval(WAITING))
            await above.execute("select pg_terminate_backend($1)", waiting)
            cut = await asking
        after = await ask(sari)

    assert is_named(cut, "database_away", "outcome_unknown"), cut.text
    assert after.status_code in {200, 201, 202}
    assert await above.fetchval("select count(*) from ledger.transfer where kind = 1") == (ask is send)


@pytest.mark.parametrize("case", STANDS_IN_THE_WAY)
async def test_a_lock_or_a_statement_that_takes_too_long_is_a_named_problem(
    case: str, service: Service, database: Database, above: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    ask, statement = STANDS_IN_THE_WAY[case]
    async with await service.signed_in(SARI) as sari:
        async with held(database.superuser_dsn, statement):
            asking = asyncio.create_task(ask(sari))

            async def cancelled() -> bool:
                """The posting tries again by itself, so whoever waits is cancelled until the answer is there."""
                await above.execute(f"select pg_cancel_backend(pid) from ({WAITING}) as waits")
                return asking.done()

            await until(cancelled)
            late = await asking
        after = await ask(sari)

    assert is_named(late, "contended", "outcome_unknown"), late.text
    assert after.status_code in {200, 201, 202}


async def test_one_of_two_in_a_deadlock_is_told_to_ask_again(service: Service, database: Database) -> None:
    """Two transactions of ours lock two rows in opposite order; both end, none with an error of the driver."""
    one_has_its_first, other_has_its_first = asyncio.Event(), asyncio.Event()

    async def lock(first: str, second: str, mine: asyncio.Event, others: asyncio.Event) -> str:
        try:
            async with transaction(service.house.pool) as connection:
                await connection.execute("select from people.person where phone = $1 for update", first)
                mine.set()
                await others.wait()
                await connection.execute("select from people.person where phone = $1 for update", second)
        except Exception as error:  # noqa: BLE001 (its name is what the test is about)
            return type(error).__name__
        return "done"

    ended = await asyncio.gather(
        lock(SARI.phone, BUDI.phone, one_has_its_first, other_has_its_first),
        lock(BUDI.phone, SARI.phone, other_has_its_first, one_has_its_first),
    )

    assert sorted(ended) == ["Contended", "done"]


async def end_sessions(above: "asyncpg.Connection[asyncpg.Record]") -> None:
    """End every session of the application in this database."""
    await above.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'sahut_app'"
        " and datname = current_database()"
    )


async def test_a_server_that_only_reads_after_a_change_of_roles_is_a_named_problem(
    service: Service, database: Database, above: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async with await service.signed_in(SARI) as sari:
        await above.execute(f"alter database {database.name} set default_transaction_read_only = on")
        await end_sessions(above)
        try:
            sent, written = await send(sari), await write(sari)
        finally:
            await above.execute("set default_transaction_read_only = off")
            await above.execute(f"alter database {database.name} reset default_transaction_read_only")
            await end_sessions(above)

    assert is_named(sent, "database_away", "outcome_unknown")
    assert is_named(written, "database_away", "outcome_unknown")


async def test_when_no_more_sessions_are_let_in_that_is_a_named_problem(
    service: Service, database: Database, above: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async with await service.signed_in(SARI) as sari:
        await above.execute(f"alter database {database.name} connection limit 0")
        await end_sessions(above)
        try:
            answers = [await ask(sari) for ask in (send, look, write) for _ in range(2)]
        finally:
            await above.execute(f"alter database {database.name} connection limit -1")

    assert [answer.text for answer in answers if not is_named(answer, "database_away", "outcome_unknown")] == []


async def test_a_flood_of_pages_keeps_neither_money_nor_messages_from_moving(service: Service) -> None:
    """Every connection for pages is taken, as by a flood; who sends money or a message has others."""
    async with await service.signed_in(SARI) as sari, AsyncExitStack() as flood:
        for _ in range(8):
            await flood.enter_async_context(service.house.reading())

        sent, written, shown = await asyncio.gather(send(sari), write(sari), look(sari))

    assert sent.status_code == 201
    assert written.status_code == 202
    assert is_named(shown, "database_away")

"""The demo world: three customers with money and one agent, made through the product's own doors.

Everything has a fixed key, so it may be made again at each start, by two at once, or after a kill in the middle: what
is there stays, what is missing comes. The PINs are public; a demo home can never become a real one.
"""

import asyncio
from dataclasses import dataclass
from hashlib import blake2b
from uuid import UUID

from sahut.bedrock import currency_number
from sahut.db import Connection, open_pool, transaction
from sahut.ledger import Ledger, Transfer, TransferKind, open_account
from sahut.people import Role, SignIn, add_person, person_by_phone

CURRENCY = "IDR"
OPENING_MINOR = 1_000_000_000  # Rp10.000.000
_ONE_AT_A_TIME = 0x5A_48DE  # advisory: two that start together give the same people the same ids


# Once the demo world is there, others may join it.
_REAL = "select count(*) > 0 and count(*) filter (where phone = any($1::text[])) = 0 from people.person"


class RealPeople(Exception):
    """The database has people whom nobody invented: the demo world, with its public PINs, stays out."""


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """Somebody of the demo world, with the PIN that the first page tells."""

    name: str
    language: str
    phone: str
    pin: str
    role: Role = "customer"


PEOPLE = (
    DemoPerson("Sari Wulandari", "id", "+6281200000001", "246813"),
    DemoPerson("Budi Santoso", "id", "+6281200000002", "135792"),
    DemoPerson("Li Na", "zh", "+6281200000003", "357913"),
    DemoPerson("Bima", "en", "+6281200000009", "864209", "agent"),
)


async def seed(dsn: str) -> None:
    """Make the demo world, or what is missing of it. `dsn`: the application's address.

    Writes: four rows of `people.person`, three accounts with one opening transfer each, the safeguarding account.
    """
    pool = await open_pool(dsn, size=2, name="sahut-demo")
    try:
        async with transaction(pool) as connection:
            await connection.execute("select pg_advisory_xact_lock($1)", _ONE_AT_A_TIME)
            if await connection.fetchval(_REAL, [person.phone for person in PEOPLE]):
                raise RealPeople("This database has people of its own and none of the demo world: nothing was entered.")
            house = await open_account(connection, kind="safeguarding", currency=CURRENCY)
            openings = [command for person in PEOPLE if (command := await _enter(connection, person, house))]
        ledger = Ledger(pool)
        await asyncio.gather(*(ledger.post(command) for command in openings))
        await ledger.batcher.close()
    finally:
        await pool.close()


async def _enter(connection: Connection, person: DemoPerson, house: int) -> Transfer | None:
    """Enter one person, with an account if it is a customer; the command that opens it."""
    known = await person_by_phone(connection, person.phone)
    person_id = known.person_id if known is not None else await _add(connection, person)
    if person.role != "customer":
        return None
    account = await open_account(connection, kind="customer", currency=CURRENCY, owner=person_id)
    return Transfer(
        principal=0,
        key=UUID(bytes=blake2b(f"demo opening of {person.phone}".encode(), digest_size=16).digest()),
        debit=house,
        credit=account,
        amount_minor=OPENING_MINOR,
        currency=currency_number(CURRENCY),
        kind=TransferKind.DEMO_OPENING,
    )


async def _add(connection: Connection, person: DemoPerson) -> int:
    pin_hash = await asyncio.to_thread(SignIn.hash_pin, person.pin)
    return await add_person(
        connection,
        name=person.name,
        phone=person.phone,
        language=person.language,
        role=person.role,
        pin_hash=pin_hash,
    )

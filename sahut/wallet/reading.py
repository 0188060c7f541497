"""What a customer sees of the own money."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sahut.db import Connection
from sahut.ledger import balance_of, customer_account, entries, owners
from sahut.people import Actor, names_of
from sahut.wallet.transfers import NoWallet

HOME_CURRENCY = "IDR"


@dataclass(frozen=True, slots=True)
class Overview:
    """The wallet now, in minor units."""

    account: int
    balance_minor: int
    held_minor: int
    available_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Movement:
    """Money in or out. `other_name`: the other person, None for the house. `balance_minor`: just after."""

    transfer: int
    direction: Literal["in", "out"]
    amount_minor: int
    currency: str
    other_name: str | None
    note: str | None
    balance_minor: int
    recorded_at: datetime


async def overview(connection: Connection, actor: Actor) -> Overview:
    """The actor's wallet. Refuses: `no_wallet`. Reads only."""
    account = await customer_account(connection, actor.person_id, HOME_CURRENCY)
    balance = None if account is None else await balance_of(connection, account)
    if account is None or balance is None:
        raise NoWallet(HOME_CURRENCY)
    return Overview(account, balance.posted_minor, balance.held_minor, balance.available_minor, HOME_CURRENCY)


async def activity(connection: Connection, actor: Actor, *, before: int | None, at_most: int) -> list[Movement]:
    """The actor's movements, newest first, with ids below `before`. Refuses: `no_wallet`. Reads only."""
    account = await customer_account(connection, actor.person_id, HOME_CURRENCY)
    if account is None:
        raise NoWallet(HOME_CURRENCY)
    rows = await entries(connection, account, before=before, at_most=at_most)
    owner_of = await owners(connection, [row.other_account_id for row in rows])
    names = await names_of(connection, [owner for owner in owner_of.values() if owner is not None])
    return [
        Movement(
            row.transfer,
            "in" if row.amount_minor > 0 else "out",
            abs(row.amount_minor),
            row.currency,
            names.get(owner_of.get(row.other_account_id) or 0),
            row.memo,
            row.balance_after,
            row.recorded_at,
        )
        for row in rows
    ]

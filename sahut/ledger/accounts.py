"""Accounts: opening them, and reading balances and entries."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sahut.bedrock import MOST_MINOR, currency_code, currency_number
from sahut.db import Connection, Queries

AccountKind = Literal["customer", "merchant", "safeguarding", "fees", "suspense"]

_NO_LIMIT = MOST_MINOR * 1000  # 10^18: what a house account may reach, still inside 64 bits
_HOME_ZONE = "Asia/Jakarta"
_queries = Queries.load("sahut.ledger")


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account holds, in minor units. `held_minor` waits for the outside world."""

    posted_minor: int
    held_minor: int
    available_minor: int
    state: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One leg of a transfer, seen from its account. `amount_minor`: negative when it paid."""

    transfer: int
    seq: int
    amount_minor: int
    balance_after: int
    other_account_id: int
    currency: str
    kind: int
    recorded_at: datetime
    memo: str | None


async def open_account(
    connection: Connection,
    *,
    kind: AccountKind,
    currency: str,
    owner: int | None = None,
    zone: str = _HOME_ZONE,
    ceiling_minor: int | None = None,
    day_out_cap_minor: int | None = None,
    month_in_cap_minor: int | None = None,
) -> int:
    """Open an account, or find the one that exists; its id.

    `owner`: a person's id; None for accounts of the house, which may go below zero (cash held for customers is negative
    there). Caps in minor units; None is no cap. Writes: `ledger.account`, `ledger.balance`.
    """
    number = currency_number(currency)
    made: int | None = await _queries.open_account.fetchval(connection, kind=kind, currency=number, owner=owner)
    if made is None:
        found: int = await _queries.find_account.fetchval(connection, kind=kind, currency=number, owner=owner)
        return found
    await _queries.open_balance.execute(
        connection,
        account=made,
        currency=number,
        zone=zone,
        floor=-_NO_LIMIT if owner is None else 0,
        ceiling=_NO_LIMIT if ceiling_minor is None else ceiling_minor,
        day_out_cap=_NO_LIMIT if day_out_cap_minor is None else day_out_cap_minor,
        month_in_cap=_NO_LIMIT if month_in_cap_minor is None else month_in_cap_minor,
    )
    return made


async def customer_account(connection: Connection, person_id: int, currency: str) -> int | None:
    """The account of a person in a currency; None when there is none. Reads only."""
    account: int | None = await _queries.customer_account.fetchval(
        connection, owner=person_id, currency=currency_number(currency)
    )
    return account


async def balance_of(connection: Connection, account: int) -> Balance | None:
    """What an account holds now; None when it does not exist. Reads only."""
    row = await _queries.balance.fetchrow(connection, account=account)
    if row is None:
        return None
    return Balance(row["posted"], row["held"], row["posted"] - row["held"] - row["floor"], row["state"])


async def entries(connection: Connection, account: int, *, before: int | None, at_most: int) -> list[Entry]:
    """Entries of an account, newest first. `before`: only transfers with a lower id. Reads only."""
    rows = await _queries.entries.fetch(
        connection, account=account, before=2**63 - 1 if before is None else before, at_most=at_most
    )
    return [
        Entry(row[0], row[1], row[2], row[3], row[4], currency_code(row[5]), row[6], row[7], row[8]) for row in rows
    ]


async def owners(connection: Connection, accounts: list[int]) -> dict[int, int | None]:
    """Account → the id of the person who owns it, None for accounts of the house. Reads only."""
    rows = await _queries.owners.fetch(connection, accounts=accounts)
    return {row["id"]: row["owner"] for row in rows}

"""The auditor of money: sums, counts, balances after each entry, hashes of batches, keys."""

from hashlib import sha256
from itertools import groupby

from sahut.bedrock import currency_code
from sahut.db import Connection, Queries
from sahut.ledger.batch import hashed_row

_BATCHES = 2000
_queries = Queries.load("sahut.ledger")


async def audit_money(connection: Connection) -> list[str]:
    """What does not agree in the books of money, a sentence each; empty when all does.

    Reads only, in the caller's transaction (one snapshot).
    """
    found: list[str] = []
    for row in await _queries.audit_sums.fetch(connection):
        found.append(f"The balances in {currency_code(row['currency'])} sum to {row['total']} instead of zero.")
    for row in await _queries.audit_entries.fetch(connection):
        found.append(
            f"Account {row['account_id']}: entry {row['seq']} (transfer {row['transfer']}) leaves"
            f" {row['balance_after']}; due was entry {row['expected_seq']}, leaving {row['expected_after']}."
        )
    for row in await _queries.audit_balances.fetch(connection):
        found.append(
            f"Account {row['account_id']} holds {row['posted']} after {row['seq']} entries;"
            f" its entries come to {row['total']} after {row['last_seq']}."
        )
    for row in await _queries.audit_keys.fetch(connection):
        found.append(
            f"Transfer {row['id']} has no key that leads to it."
            if row["what"] == "transfer"
            else f"A key was answered with {row['id']}, which does not exist."
        )
    return found + await _audit_batches(connection)


async def _audit_batches(connection: Connection) -> list[str]:
    """Hash every batch anew, and hold it against the table and its event in the log."""
    found: list[str] = []
    last = 0
    while batches := await _queries.audit_batches.fetch(connection, after=last, at_most=_BATCHES):
        rows = await _queries.audit_transfers.fetch(connection, after=last, upto=batches[-1]["id"])
        of_batch = {number: list(group) for number, group in groupby(rows, key=lambda row: row["batch"])}
        for batch in batches:
            transfers = of_batch.pop(batch["id"], [])
            digest = sha256(b"".join(hashed_row(*tuple(row)[1:]) for row in transfers)).digest()
            if len(transfers) != batch["size"]:
                found.append(f"Batch {batch['id']} says {batch['size']} transfers and has {len(transfers)}.")
            elif digest != batch["hash"]:
                found.append(f"Batch {batch['id']} does not hash to what it says.")
            if batch["told"] != batch["hash"].hex():
                found.append(f"Batch {batch['id']} is told otherwise, or not at all, in the log.")
        found += [f"Transfer {rows[0]['id']} belongs to no batch." for rows in of_batch.values()]
        last = batches[-1]["id"]
    left = await _queries.audit_transfers.fetch(connection, after=last, upto=2**63 - 1)
    return found + [f"Transfer {row['id']} is newer than every batch." for row in left[:1]]

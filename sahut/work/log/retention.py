"""How long the log is kept: whole months are taken away by the owner, never by the application. None go by default.

What goes are the events of a month and their numbers. Tiles, heads and signed heads stay for ever, so the head still
folds, every later event is proven as before, and a proof that a customer has kept stays good. What may not go is
decided by the owner's function, under the locks (migration 0006): a month is whole, older than what is kept by the
database's clock, has no event without a number, and lies under a signed head in full tiles; and the clock is one that
the last month has signed by.
"""

import re
from dataclasses import dataclass
from datetime import date

import asyncpg

from sahut.db import Connection, Queries, open_connection

MONTHS_AT_LEAST = 3

_queries = Queries.load("sahut.work.log")
# Not among the queries: those all run with the rights of the application, and this must not.
_RETIRE = "select work.retire_log_month($1, $2)"
_SETTINGS = {"enable_hashjoin": "on", "enable_seqscan": "on", "plan_cache_mode": "auto"}


class NotRetired(Exception):
    """A month of the log was not taken away; the sentence says why. Nothing was changed by this month."""


@dataclass(frozen=True, slots=True)
class OldMonth:
    """A month that is older than what is kept: its first day, how many events it has, how many have no number yet."""

    month: date
    events: int
    unsealed: int


async def months_to_retire(connection: Connection, months: int) -> list[OldMonth]:
    """The whole months that end more than `months` (3 at least) months before this one, oldest first; reads only.

    Refuses: `NotRetired` for fewer than three months.
    """
    if months < MONTHS_AT_LEAST:
        raise NotRetired(f"The log is kept for {MONTHS_AT_LEAST} months at least.")
    rows = await _queries.months_of_the_log.fetch(connection, months=months)
    return [OldMonth(row["month"], row["events"], row["unsealed"]) for row in rows]


async def retire_months(owner_dsn: str, months: int) -> list[OldMonth]:
    """Take the months away that are older than what is kept, oldest first, each in a transaction of its own.

    `owner_dsn`: the owner of the tables, as for `migrate`. Returns what went; empty when nothing is old enough.
    Refuses: `NotRetired` at the first month that may not go; those before it are gone and told in the log.
    Writes: `work.retired`, an event `month_retired` each; drops the tables of the month.
    """
    connection = await open_connection(owner_dsn, name="sahut-retain", command_timeout_s=600, **_SETTINGS)
    gone: list[OldMonth] = []
    try:
        for old in await months_to_retire(connection, months):
            await _retire(connection, old, months)
            gone.append(old)
    finally:
        await connection.close()
    return gone


async def _retire(connection: Connection, old: OldMonth, months: int) -> None:
    try:
        await connection.fetchval(_RETIRE, old.month, months)
    except asyncpg.RaiseError as refused:
        raise NotRetired(_sentence(str(refused))) from refused
    except asyncpg.LockNotAvailableError as busy:
        raise NotRetired(f"The month {old.month:%Y-%m} is in use; ask again later.") from busy


def _sentence(said: str) -> str:
    """What the owner's function says, without the word by which it begins."""
    reason = re.sub(r"^\w+: ", "", said)
    return f"{reason[0].upper()}{reason[1:]}."

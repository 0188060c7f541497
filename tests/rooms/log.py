"""What the tests of the sealed log share: a clock of the database set by hand, events by name or by hundreds."""

from datetime import datetime
from typing import Any

from sahut.db import Connection, Pool
from sahut.work import EventRow, Sealer, Signer, append_events, audit_work, read_log

# The clock of the database stands at a moment that the test chooses; only the owner can do this.
CLOCK = """
    create or replace function work.clock() returns timestamptz language sql volatile parallel safe
    as $$ select '{}'::timestamptz $$"""


async def set_clock(owner: Any, at: datetime) -> None:
    await owner.execute(CLOCK.format(at.isoformat()))


def event(name: str) -> EventRow:
    return EventRow("care", 7, name, {"name": name})


async def tell(connection: Connection, *names: str) -> None:
    await append_events(connection, [event(name) for name in names])


async def numbered(pool: Pool) -> list[str]:
    """What readers see, in order; the numbers must have no hole."""
    async with pool.acquire() as connection:
        entries = await read_log(connection, 0, 10_000)
    assert [entry.n for entry in entries] == list(range(1, len(entries) + 1))
    return [entry.kind for entry in entries]


async def write(pool: Pool, count: int) -> None:
    await pool.execute(
        "insert into work.event (topic, subject, kind, body)"
        " select 'care', i, 'said', '{}' from generate_series(1, $1) i",
        count,
    )


async def seal_all(sealer: Sealer) -> None:
    while await sealer.tick():
        pass


async def clean(pool: Pool, signer: Signer) -> list[str]:
    async with pool.acquire() as connection:
        return await audit_work(connection, signer.public_key)

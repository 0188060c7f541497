"""What the tests of the sealed log share: a clock of the database that is set by hand, and events by the hundred."""

from datetime import datetime
from typing import Any

from sahut.db import Pool
from sahut.work import Sealer, Signer, audit_work

# The clock of the database stands at a moment that the test chooses; only the owner can do this.
CLOCK = """
    create or replace function work.clock() returns timestamptz language sql volatile parallel safe
    as $$ select '{}'::timestamptz $$"""


async def set_clock(owner: Any, at: datetime) -> None:
    await owner.execute(CLOCK.format(at.isoformat()))


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

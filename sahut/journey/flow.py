"""The map of the journey: what has happened on the left, the next step on the right.

A step is a durable job; the job rides in the same commit as its event. Add a step by adding a row.

| event               | job         | what it does                                                        |
|---------------------|-------------|---------------------------------------------------------------------|
| `contact_received`  | `find_case` | joins the person's open case of the same matter, or opens one       |
"""

import asyncio

import asyncpg
import structlog

from sahut.bedrock import Clock
from sahut.care import add_contacts, renew_broken_promises
from sahut.db import AWAY, Connection, Pool, transaction
from sahut.work import Job, JobKind

PROMISES_EVERY_S = 5.0
# A step that is short and touches nothing but tables: many of them are one commit.
SHARED = 50

_log = structlog.get_logger()


def job_kinds(clock: Clock) -> list[JobKind]:
    """The steps of the journey, each a kind of job."""

    async def find_case(connection: Connection, job: Job) -> None:
        """Body: `contact`, `person` (ids; person 0 when unknown)."""
        await add_contacts(connection, contact_id=job.body["contact"], person_id=job.body["person"], now=clock.now())

    return [JobKind("find_case", find_case, together=SHARED, at_once=2)]


async def watch_promises(pool: Pool, clock: Clock) -> None:
    """Every few seconds, record promises that were not kept and renew them; until cancelled."""
    while True:
        try:
            broken = 1
            while broken:
                async with transaction(pool) as connection:
                    broken = await renew_broken_promises(connection, clock.now())
                if broken:
                    _log.warning("promises_broken", count=broken)
        except (*AWAY, asyncpg.TransactionRollbackError) as error:
            _log.warning("promises_are_looked_at_again", error=type(error).__name__)
        await asyncio.sleep(PROMISES_EVERY_S)

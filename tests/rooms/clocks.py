"""What the tests of clocks share: a noon to count from, policies, clocks, and what the log says of them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from sahut.bedrock import FixedClock
from sahut.db import Connection, Pool, transaction
from sahut.work import (
    ClockHandler,
    DeadlineWatch,
    Policy,
    PolicyTerms,
    open_deadline,
    policy_in_force,
    write_policy,
)

NOON = datetime(2031, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
KINDS = ("answer", "refund_due")


def wall(kind: str = "answer", minutes: int = 15, **changed: Any) -> Policy:
    """A policy as it would be read, without any table: so many minutes of wall time."""
    return Policy(PolicyTerms("answer", kind, "customer", "wall", minutes * 60, **changed), 1)


async def start(
    connection: Connection, subject: int = 1, kind: str = "answer", minutes: int = 15, **changed: Any
) -> bool:
    return await open_deadline(connection, policy=wall(kind, minutes, **changed), subject=subject, opened_at=NOON)


async def written(pool: Pool, terms: PolicyTerms, valid_from: datetime = NOON) -> Policy:
    async with transaction(pool) as connection:
        await write_policy(connection, terms, valid_from=valid_from, now=valid_from, actor=7)
        return await policy_in_force(connection, terms.name, valid_from)


def watch(pool: Pool, at: datetime, *kinds: str, batch: int = 100, **handlers: ClockHandler) -> DeadlineWatch:
    """A watch whose clock shows `at`, for these kinds without anything that follows, and for those with handlers."""
    known = {kind: ClockHandler() for kind in kinds or KINDS}
    return DeadlineWatch(pool, known | handlers, clock=FixedClock(at), batch=batch)


async def told(pool: Pool, *kinds: str) -> list[tuple[str, int, dict[str, Any]]]:
    """Kind, clock and body of the events of clocks, in order; of these kinds or of all."""
    rows = await pool.fetch("select kind, subject, body from work.event where topic = 'deadline' order by id")
    return [(row[0], row[1], msgspec.json.decode(row[2])) for row in rows if not kinds or row[0] in kinds]


async def about(pool: Pool, kind: str) -> list[int]:
    """The subjects of all events of this kind, in order."""
    return [body["about"] for _, _, body in await told(pool, kind)]


def shown(found: Sequence[tuple[str, int, dict[str, Any]]]) -> list[tuple[str, int | None]]:
    """Event and number of the warning."""
    return [(kind, body.get("warning")) for kind, _, body in found]

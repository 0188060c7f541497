"""Forgetting: answers older than 30 days are deleted, a few at a time, while everybody goes on inserting.

An answer is known until its row is gone: at least 30 days, at most as long as it takes until the next minute's look. A
retry before that gets the kept answer, a retry after it is a new command. Between the two there is nothing: the row is
either still there when the key is looked up, or its deletion has been committed. A clock that jumps ahead makes nothing
forgotten for a day: the function believes it only when a head was signed in the day before the last.
"""

import asyncio
import random

import structlog

from sahut.db import AWAY, CONFLICT, Pool, Queries, connection

FORGET_EVERY_S, FORGET_AT_ONCE, BATCHES_AT_MOST = 60.0, 1_000, 200

_queries = Queries.load("sahut.work.idempotency")
_log = structlog.get_logger()


async def forget_answers(pool: Pool, *, at_once: int = FORGET_AT_ONCE, batches_at_most: int = BATCHES_AT_MOST) -> int:
    """Delete answers older than 30 days, oldest first, in commits of `at_once` each; how many were forgotten.

    What another process is deleting is passed over. With 200 batches a minute it keeps up with 3,300 answers a second.
    Writes: `work.idempotency`.
    """
    forgotten = 0
    for _ in range(batches_at_most):
        async with connection(pool) as held:
            batch: int = await _queries.forget_answers.fetchval(held, at_most=at_once)
        forgotten += batch
        if batch < at_once:
            break
    return forgotten


async def keep_forgetting(pool: Pool) -> None:
    """Look about once a minute, until cancelled."""
    while True:
        await asyncio.sleep(FORGET_EVERY_S * random.uniform(0.75, 1.25))
        try:
            if forgotten := await forget_answers(pool):
                _log.info("answers_forgotten", count=forgotten)
        except (*AWAY, *CONFLICT) as error:
            _log.warning("answers_are_forgotten_later", error=type(error).__name__)

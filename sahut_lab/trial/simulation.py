"""The simulation as a trial: many seeds one after the other, each a world of its own."""

import asyncio
import logging
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg
import structlog

from sahut.app.engines import superuser_dsn
from sahut_lab.house import bare_database
from sahut_lab.simulation import world

SEEDS = 5
TEMPLATE = "simulation_template"


def trial(*, seed: int, seeds: int) -> dict[str, Any]:
    """Run `seeds` seeds from `seed` up; stops at the first that fails, whose verdict tells how to see it again."""
    # What breaks here breaks on purpose; the verdict tells what matters.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    stack = AsyncExitStack()
    loop = asyncio.new_event_loop()
    try:
        home = loop.run_until_complete(stack.enter_async_context(bare_database("simulation")))
        loop.run_until_complete(_template(home))
        answer: dict[str, Any] = {}
        steps = 0
        for one in range(seed, seed + seeds):
            answer = world.run(home, TEMPLATE, seed=one)
            steps += answer["counters"]["steps"]
            if not answer["passed"]:
                break
        answer["counters"] |= {"seeds": one - seed + 1, "steps_of_all": steps}
        return answer
    finally:
        loop.run_until_complete(stack.aclose())
        loop.close()


async def _template(home: Path) -> None:
    """A copy of the migrated database, which nobody is connected to."""
    above = await asyncpg.connect(superuser_dsn(home))
    await above.execute(f"create database {TEMPLATE} template sahut")
    await above.close()

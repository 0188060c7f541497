"""Who is given what: the parts that every process needs, made once for each and closed in the opposite order.

What only ``web`` needs is in ``house``. Nothing here decides anything.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from sahut.app.secrets import key
from sahut.app.settings import Settings
from sahut.bedrock import SystemClock
from sahut.db import Pool, open_pool
from sahut.journey import job_kinds as steps_of_the_journey
from sahut.work import JobKind, JobRunner, Signer, connections_for

BESIDE_JOBS = 4  # connections of a work process for all else it does
_CLOSE_S = 1.0


def signer_of(settings: Settings) -> Signer:
    """Give the desk's signing key, made at the first start of the home."""
    return Signer.from_seed(key(settings.home, "desk.key"))


def job_kinds() -> list[JobKind]:
    """Every kind of job that this release knows; each floor names its own, and here they come together."""
    return steps_of_the_journey(SystemClock())


@contextlib.asynccontextmanager
async def open_work(settings: Settings, name: str) -> AsyncIterator[tuple[Pool, JobRunner]]:
    """Open what one ``work`` process needs: its runner, and a pool with a connection for each of its lanes."""
    kinds = job_kinds()
    async with open_process_pool(settings, connections_for(kinds) + BESIDE_JOBS, name) as pool:
        yield pool, JobRunner(pool, kinds, name=name)


@contextlib.asynccontextmanager
async def open_process_pool(settings: Settings, size: int, name: str) -> AsyncIterator[Pool]:
    """Open a process's pool. At the end, what is still running in it after a second is dropped, and so rolled back."""
    pool = await open_pool(settings.app_dsn, size=size, name=name)
    try:
        yield pool
    finally:
        try:
            await asyncio.wait_for(pool.close(), _CLOSE_S)
        except TimeoutError:
            pool.terminate()

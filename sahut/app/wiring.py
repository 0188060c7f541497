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
from sahut.journey import SHARED_STEPS, job_handlers
from sahut.work import JobRunner, Signer

WORK_POOL = 8
_CLOSE_S = 1.0


def signer_of(settings: Settings) -> Signer:
    """Give the desk's signing key, made at the first start of the home."""
    return Signer.from_seed(key(settings.home, "desk.key"))


@contextlib.asynccontextmanager
async def open_work(settings: Settings, name: str) -> AsyncIterator[tuple[Pool, JobRunner]]:
    """Open what one ``work`` process needs: its pool, and the runner with every step of the journey."""
    async with open_process_pool(settings, WORK_POOL, name) as pool:
        yield pool, JobRunner(pool, job_handlers(SystemClock()), together=SHARED_STEPS)


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

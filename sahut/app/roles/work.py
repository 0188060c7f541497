"""The ``work`` role: durable jobs, clocks that run out, and standing by to be the sealer.

The database may go away at any time: each part asks again by itself, and nothing is lost, since what is to be done
stands in tables.
"""

import asyncio
import contextlib
import signal

import structlog
import uvloop

from sahut.app.home import Home
from sahut.app.logs import write_logs
from sahut.app.observing.collector import traced
from sahut.app.observing.database import ask_for_figures
from sahut.app.observing.process import Missing, observed
from sahut.app.observing.readiness import DatabaseReadiness
from sahut.app.roles.heart import beating, heart_of
from sahut.app.settings import Settings
from sahut.app.wiring import open_work, signer_of
from sahut.journey import clock_handlers
from sahut.work import DeadlineWatch, keep_forgetting, listen, run_sealer, watch_hung_sessions

DRAIN_S = 2.0  # `up` waits six; giving back and closing may take three

_log = structlog.get_logger()


def work(settings: Settings, *, name: str, watched: bool) -> None:
    """Run the role until SIGTERM or SIGINT; ``watched``: by ``up``, so logs go to the home."""
    write_logs(settings.log, name, settings.home / "log" / f"{name}.log" if watched else None)
    with traced(name), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_work(settings, name, watched=watched))


async def _work(settings: Settings, name: str, *, watched: bool) -> None:
    ending = asyncio.Event()
    for order in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(order, ending.set)
    home = Home(settings.home)
    home.prepare()
    async with (
        beating(heart_of(settings.home, name)) if watched else contextlib.nullcontext(),
        open_work(settings, name) as (pool, runner),
        observed(settings, name, _missing(DatabaseReadiness(pool), ending), watched=watched),
    ):
        parts = {
            "sealer": run_sealer(settings.app_dsn, signer_of(settings), home.heads, name=f"{name} sealer"),
            "bell": listen(settings.app_dsn, lambda _n: runner.wake(), name=f"{name} bell"),
            "forgetting": keep_forgetting(pool),
            "deadlines": DeadlineWatch(pool, clock_handlers()).run(),
            "hung": watch_hung_sessions(pool),
            "figures": ask_for_figures(settings, name=f"{name} figures"),
        }
        tasks = {asyncio.create_task(part, name=part_name) for part_name, part in parts.items()}
        jobs = asyncio.create_task(runner.run(drain_s=DRAIN_S), name="jobs")
        told = asyncio.create_task(ending.wait())
        await asyncio.wait({told, jobs, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        failed = [task for task in (jobs, *tasks) if task.done()]
        runner.stop()  # claims nothing new; what runs may finish, the rest is given back
        await asyncio.wait({jobs})
        for task in (*tasks, told):
            task.cancel()
        await asyncio.gather(*tasks, told, return_exceptions=True)
        for task in failed:
            # A part that ends by itself has failed: this process ends with its story, and `up` starts another.
            _log.error("part_ended", part=task.get_name())
            task.result()


def _missing(database: DatabaseReadiness, ending: asyncio.Event) -> Missing:
    async def missing() -> str | None:
        return "draining" if ending.is_set() else await database()

    return missing

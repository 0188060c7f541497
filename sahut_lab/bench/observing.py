"""What it costs to be watched: each recording beside the smallest thing that is recorded, in the same run.

The reference is one event committed by itself, the smallest commit that there is; a batch of the ledger does more.
"""

from collections.abc import Awaitable, Callable
from statistics import median
from time import perf_counter
from typing import Any

from sahut.app.engines import app_dsn
from sahut.app.observing.merging import merge
from sahut.app.observing.process import figures
from sahut.db import open_pool, tracing, transaction
from sahut.web import metrics as of_web
from sahut.work import EventRow, append_event
from sahut.work import metrics as of_work
from sahut_lab.bench.report import Figure, figure, report
from sahut_lab.house import bare_database

ROUNDS = 5


async def bench(*, quick: bool, size: int | None) -> dict[str, Any]:
    """Figures in microseconds. `size`: how often each thing is recorded in a round."""
    times, commits = (200, 20) if quick else (size or 50_000, 400)
    recorded = {
        "recording a batch": _a_batch(),
        "recording a request": lambda: of_web.answered("POST", "/api/v1/contacts", 202, 0.003),
        "recording a job": _a_job,
        "recording a look of the sealer": lambda: of_work.ticked(10, 0.002, 0.004),
        "asking for the cause while tracing is off": tracing.cause,
        "a span while tracing is off": lambda: tracing.span("nothing"),
    }
    async with bare_database("observing") as home:
        pool = await open_pool(app_dsn(home), size=1, name="bench")

        async def commit() -> None:
            async with transaction(pool) as connection:
                await append_event(connection, EventRow("alarm", 0, "bench", {}))

        try:
            reference = [await _commit_us(commit, commits) for _ in range(ROUNDS)]
        finally:
            await pool.close()
    rounds = {what: [_us(record, times) for _ in range(ROUNDS)] for what, record in recorded.items()}
    shown = [figure(what, values, "us", "one event, committed", reference) for what, values in rounds.items()]
    return report("observing", [*shown, *_pages(quick=quick)], rounds=ROUNDS)


def _pages(*, quick: bool) -> list[Figure]:
    page = figures().decode()
    own = [_us(figures, 2 if quick else 50) / 1000 for _ in range(ROUNDS)]
    merged = [_us(lambda: merge({str(n): page for n in range(4)}), 2 if quick else 50) / 1000 for _ in range(ROUNDS)]
    return [figure("one process's page", own, "ms"), figure("four pages merged into one", merged, "ms")]


def _a_batch() -> Callable[[], None]:
    meter = of_work.BatchMeter("bench", lambda: 0)

    def record() -> None:
        meter.taken(100, 0.0012)
        with meter.span(()):
            meter.written(0.0031)

    return record


def _a_job() -> None:
    with of_work.job_span("bench", [None]), of_work.job_tried("bench", 1):
        pass


def _us(record: Callable[[], object], times: int) -> float:
    began = perf_counter()
    for _ in range(times):
        record()
    return (perf_counter() - began) / times * 1e6


async def _commit_us(commit: Callable[[], Awaitable[None]], times: int) -> float:
    taken = []
    for _ in range(times):
        began = perf_counter()
        await commit()
        taken.append((perf_counter() - began) * 1e6)
    return median(taken)

"""`bench jobs`: durable steps a second, one commit each and in batches, beside the bare loop of claim and delete.

Jobs are put in line first; then worker processes with the real runner start at a signal and empty the line. Every step
writes one event in its own transaction. Afterwards the rows are counted: each job gone, one event for each, and for
single steps a commit for each, so that a runner which skipped what makes a step durable would show.
"""

import asyncio
import time
from pathlib import Path
from typing import Any

import asyncpg

from sahut.app.engines import app_dsn, superuser_dsn
from sahut.db import open_pool, transaction
from sahut.work import JobRow, enqueue_all
from sahut_lab.bench.child import said_by
from sahut_lab.bench.pgbench import DATABASE, checkpoint, pgbench, prepare
from sahut_lab.bench.report import Figure, figure, reference_hashes, report
from sahut_lab.house import bare_database

WORKER = "sahut_lab.bench.jobs_worker"
SINGLE, BATCHED, QUICK = 10_000, 100_000, 400
BACKLOG, QUICK_BACKLOG = 1_000_000, 5_000
ROUNDS, REFERENCE_S, CLIENTS = 3, 2, 8
_AT_ONCE = 10_000  # jobs in one statement
_START_AFTER_S = 1.5  # a worker needs that long to be there
FOREIGN = "lab_of_another_release"

Round = dict[str, float]


async def bench(*, quick: bool, size: int | None) -> dict[str, Any]:
    """`size`: how many single steps a round has; batched ones are ten times as many."""
    rounds, single = (1, QUICK) if quick else (ROUNDS, size or SINGLE)
    counts = {"single": single, "batched": single * 10}
    taken: dict[tuple[str, int, bool], list[Round]] = {}
    beside: dict[bool, list[float]] = {False: [], True: []}
    async with bare_database("bench-jobs") as home:
        await prepare(home)
        for backlog in (False, True):
            if backlog:
                await _put_backlog(home, QUICK_BACKLOG if quick else BACKLOG)
            for _ in range(rounds):
                beside[backlog].append(await _reference(home, single))
                for kind, count in counts.items():
                    for processes in (1,) if backlog else (1, 2):
                        done = await _round(home, kind, count, processes)
                        taken.setdefault((kind, processes, backlog), []).append(done)
        untouched = await _untouched(home)
    figures = [one for case, said in taken.items() for one in _figures(*case, said, beside[case[2]])]
    figures.append(figure("jobs of other kinds in line and not left alone", [float(untouched)], "jobs"))
    return report("jobs", figures, rounds=rounds, jobs=counts, references=reference_hashes())


async def _reference(home: Path, single: int) -> float:
    """The bare loop, over a table that is filled anew."""
    connection = await asyncpg.connect(superuser_dsn(home, DATABASE))
    try:
        await connection.execute("truncate reference.job, reference.event")
        await connection.execute(
            "insert into reference.job (key, kind, body) select 'lab ' || i, 'lab', jsonb_build_object('n', i)"
            f" from generate_series(1, {max(single * 5, 20_000)}) as i"
        )
        await connection.execute("vacuum analyze reference.job")
    finally:
        await connection.close()
    await checkpoint(home)
    return await pgbench(home, "claim_and_delete.sql", clients=CLIENTS, seconds=REFERENCE_S)


async def _put_backlog(home: Path, count: int) -> None:
    """Jobs that have been due since yesterday, of a kind that no worker here knows."""
    connection = await asyncpg.connect(superuser_dsn(home, "sahut"))
    try:
        await connection.execute(
            f"insert into work.job (kind, key, body, run_at) select '{FOREIGN}', '{FOREIGN} ' || i, '{{}}',"
            f" now() - interval '1 day' from generate_series(1, {count}) as i"
        )
        await connection.execute("vacuum analyze work.job")
    finally:
        await connection.close()


async def _round(home: Path, kind: str, count: int, processes: int) -> Round:
    """Fill, let the workers empty the line, and count what is there afterwards."""
    name = f"{kind} {time.time_ns()}"
    pool = await open_pool(app_dsn(home), size=2, name="lab-fill")
    try:
        began = time.perf_counter()
        for first in range(0, count, _AT_ONCE):
            rows = [JobRow(f"lab_{kind}", f"{name} {n}", {"n": n}) for n in range(first, min(first + _AT_ONCE, count))]
            async with transaction(pool) as connection:
                await enqueue_all(connection, rows)
        filled_s = time.perf_counter() - began
        await checkpoint(home)
        start_at = time.time() + _START_AFTER_S
        said = await asyncio.gather(*(said_by(WORKER, home, kind, name[:64], start_at) for _ in range(processes)))
        took_s = max(one["ended_at"] for one in said) - start_at
        row = await pool.fetchrow(
            "select count(*) as events, count(distinct subject) as jobs, count(distinct xmin::text) as commits,"
            " (select count(*) from work.job where kind = $2) as rows_left"
            " from work.event where topic = 'lab' and kind = $1",
            name[:64],
            f"lab_{kind}",
        )
    finally:
        await pool.close()
    assert row is not None
    wrong = abs(row["events"] - count) + abs(row["jobs"] - count) + row["rows_left"]
    return {
        "per_s": count / took_s,
        "put_in_line_per_s": count / filled_s,
        "cpu": sum(one["cpu_s"] for one in said) / took_s,
        "wrong": float(wrong),
        "shared_commits": float(count - row["commits"]) if kind == "single" else 0.0,
        "least_share": min(one["done"] for one in said) / count,
    }


async def _untouched(home: Path) -> int:
    connection = await asyncpg.connect(superuser_dsn(home, "sahut"))
    try:
        touched: int = await connection.fetchval(
            "select count(*) from work.job where kind = $1 and attempts > 0", FOREIGN
        )
        return touched
    finally:
        await connection.close()


def _figures(kind: str, processes: int, backlog: bool, said: list[Round], beside: list[float]) -> list[Figure]:
    what = f"{kind}, {processes} process{'es' if processes > 1 else ''}"
    what += ", behind a backlog of other kinds" if backlog else ""
    figures = [
        figure(
            f"steps, {what}",
            [one["per_s"] for one in said],
            "per s",
            f"claim_and_delete.sql, {CLIENTS} clients",
            beside,
        ),
        figure(f"taken by the workers, {what}", [one["cpu"] for one in said], "cores"),
        figure(f"jobs gone and not done exactly once, {what}", [one["wrong"] for one in said], "jobs"),
    ]
    if kind == "single":
        shared = [one["shared_commits"] for one in said]
        figures.append(figure(f"steps done and not in a commit of their own, {what}", shared, "steps"))
    if processes > 1:
        figures.append(figure(f"share of the lesser process, {what}", [one["least_share"] for one in said], "of all"))
    if kind == "batched" and processes == 1 and not backlog:
        figures.append(figure("put in line, 10,000 at once", [one["put_in_line_per_s"] for one in said], "per s"))
    return figures

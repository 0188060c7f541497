"""Benches: what the house does in a second, with the references in the same run. Commands, never timed tests.

`run` answers one object: figures with their reference and ratio, and the conditions under which they were taken. Our
rounds and those of the reference alternate on the same server, so that a noisy machine disturbs both; trust the ratios.
"""

import asyncio
from typing import Any

from sahut_lab.bench import intake, jobs, ledger, live, restore, start

NAMES = {
    "ledger": "durable transfers a second through the ledger in process, beside pgbench (size: seconds for each round)",
    "intake": "messages acknowledged a second over HTTP, beside pgbench (size: seconds for each round)",
    "jobs": "durable steps a second, single and in batches, beside pgbench (size: single steps for each round)",
    "restore": "what the archive costs, what a lost machine costs, and how long a restore takes (size: megabytes)",
    "live": "live streams in one web process: memory of each, time from commit to screen (size: streams)",
    "start": "from the command to the first page: empty home, warm home, after kill -9 of everything (size: rounds)",
}


def run(name: str, *, quick: bool = False, size: int | None = None) -> dict[str, Any]:
    """Run a bench to its end. `quick` proves that it runs and measures next to nothing."""
    if name == "ledger":
        return asyncio.run(ledger.bench(quick=quick, seconds=size))
    if name == "intake":
        return asyncio.run(intake.bench(quick=quick, seconds=size))
    if name == "jobs":
        return asyncio.run(jobs.bench(quick=quick, jobs=size))
    if name == "restore":
        return asyncio.run(restore.bench(quick=quick, megabytes=size))
    if name == "live":
        return asyncio.run(live.bench(quick=quick, streams=size))
    if name == "start":
        return asyncio.run(start.bench(quick=quick, rounds=size))
    raise ValueError(f"no bench is named {name}: {', '.join(NAMES)}")

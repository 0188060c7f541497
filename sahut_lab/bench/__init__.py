"""Benches: what the house does in a second, with the references in the same run. Commands, never timed tests.

`run` answers one object: figures with their reference and ratio, and the conditions under which they were taken. Our
rounds and those of the reference alternate on the same server, so that a noisy machine disturbs both; trust the ratios.
"""

import asyncio
from typing import Any

from sahut_lab.bench import clocks, intake, jobs, ledger, live, observing, restore, seal, start

NAMES = {
    "ledger": "durable transfers a second through the ledger in process, beside pgbench (size: seconds for each round)",
    "intake": "messages acknowledged a second over HTTP, beside pgbench (size: seconds for each round)",
    "jobs": "durable steps a second, single and in batches, beside pgbench (size: single steps for each round)",
    "clocks": "looking after running clocks, remembering and forgetting answers (size: clocks that run)",
    "restore": "what the archive costs, what a lost machine costs, and how long a restore takes (size: megabytes)",
    "observing": "what it costs to record figures and to show them, beside the smallest commit",
    "live": "live streams in one web process: memory of each, time from commit to screen (size: streams)",
    "start": "from the command to the first page: empty home, warm home, after kill -9 of everything (size: rounds)",
    "seal": "from event to reader, backlog, failover, ticks with many gaps, beside pgbench (size: seconds a rate)",
}


def run(name: str, *, quick: bool = False, size: int | None = None) -> dict[str, Any]:
    """Run a bench to its end. `quick` proves that it runs and measures next to nothing."""
    match name:
        case "ledger":
            done = ledger.bench(quick=quick, seconds=size)
        case "intake":
            done = intake.bench(quick=quick, seconds=size)
        case "jobs":
            done = jobs.bench(quick=quick, jobs=size)
        case "clocks":
            done = clocks.bench(quick=quick, clocks=size)
        case "restore":
            done = restore.bench(quick=quick, megabytes=size)
        case "live":
            done = live.bench(quick=quick, streams=size)
        case "start":
            done = start.bench(quick=quick, rounds=size)
        case "seal":
            done = seal.bench(quick=quick, seconds=size)
        case "observing":
            done = observing.bench(quick=quick)
        case _:
            raise ValueError(f"no bench is named {name}: {', '.join(NAMES)}")
    return asyncio.run(done)

"""Benches: what the house does in a second, with the references in the same run. Commands, never timed tests.

`run` answers one object: figures with their reference and ratio, and the conditions under which they were taken. Our
rounds and those of the reference alternate on the same server, so that a noisy machine disturbs both; trust the ratios.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from sahut_lab.bench import clocks, intake, jobs, ledger, live, observing, restore, seal, start

# What `size` means, each says itself.
_BENCHES: dict[str, tuple[Callable[..., Coroutine[Any, Any, dict[str, Any]]], str]] = {
    "ledger": (
        ledger.bench,
        "durable transfers a second through the ledger in process, beside pgbench (size: seconds for each round)",
    ),
    "intake": (
        intake.bench,
        "messages acknowledged a second over HTTP, beside pgbench (size: seconds for each round)",
    ),
    "jobs": (
        jobs.bench,
        "durable steps a second, single and in batches, beside pgbench (size: single steps for each round)",
    ),
    "clocks": (
        clocks.bench,
        "looking after running clocks, remembering and forgetting answers (size: clocks that run)",
    ),
    "restore": (
        restore.bench,
        "what the archive costs, what a lost machine costs, and how long a restore takes (size: megabytes)",
    ),
    "observing": (
        observing.bench,
        "what it costs to record figures and to show them, beside the smallest commit (size: times each)",
    ),
    "live": (
        live.bench,
        "live streams in one web process: memory of each, time from commit to screen (size: streams)",
    ),
    "start": (
        start.bench,
        "from the command to the first page: empty home, warm home, after kill -9 of everything (size: rounds)",
    ),
    "seal": (
        seal.bench,
        "from event to reader, backlog, failover, ticks with many gaps, beside pgbench (size: seconds a rate)",
    ),
}
NAMES = {name: told for name, (_, told) in _BENCHES.items()}


def run(name: str, *, quick: bool = False, size: int | None = None) -> dict[str, Any]:
    """Run a bench to its end. `quick` proves that it runs and measures next to nothing."""
    bench, _ = _BENCHES[name]
    return asyncio.run(bench(quick=quick, size=size))

"""Trials: the house is hurt on purpose while clients from outside use it, then judged by what they wrote down.

`NAMES` says what there is, `run` runs one and answers a verdict: counters with names, `passed`, and a sentence for each
thing that must not be. Truth never comes from the code under test: acknowledgements stand in the clients' journals,
what was shown in the viewers, hashes are recomputed by code of our own.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from sahut_lab.trial import broken, drill, jobs, kill, sealer, simulation

NAMES = {
    "L1": "kill -9 of web, worker, sealer, database and everything, under transfers and messages (size: kills)",
    "sealer": "forty writers race the sealer while sealers are killed and one hangs (size: events)",
    "jobs": "runners are killed and stopped, and jobs withdrawn, in the middle of their steps (size: jobs)",
    "simulation": "jobs, clocks and sealer in virtual time, where a seed decides what breaks when (size: seeds)",
    "drill": "the machine is lost under load; its backups are restored and held against the journals (size: seconds)",
    "broken": "products broken on purpose: the trials above must fail on each of them",
}


def run(name: str, *, seed: int = 0, size: int | None = None, victims: Sequence[str] = ()) -> dict[str, Any]:
    """Run a trial to its end. `size` None is what the continuous run takes; `victims` None are all, for L1 only."""
    if name == "L1":
        return asyncio.run(kill.trial(seed=seed, kills=size or kill.KILLS, victims=victims or kill.VICTIMS))
    if name == "sealer":
        return asyncio.run(sealer.trial(seed=seed, events=size or sealer.EVENTS))
    if name == "jobs":
        return asyncio.run(jobs.trial(seed=seed, jobs=size or jobs.JOBS))
    if name == "simulation":
        return simulation.trial(seed=seed, seeds=size or simulation.SEEDS)
    if name == "drill":
        return asyncio.run(drill.trial(seed=seed, seconds=size or 3))
    if name == "broken":
        return broken.trial(seed=seed)
    raise ValueError(f"no trial is named {name}: {', '.join(NAMES)}")

"""The same trials against products that were broken on purpose: each must fail, and by the counter that is meant."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sahut_lab.trial.patches import apply, copy_tree, patch_names
from sahut_lab.trial.verdict import Verdict

LONGEST_S = 180.0


@dataclass(frozen=True, slots=True)
class Expected:
    """Which trial must fail, at which size, and which of its counters (any of them) must then be above zero."""

    trial: str
    size: int
    counters: tuple[str, ...]
    options: tuple[str, ...] = ()


BROKEN: Mapping[str, Expected] = {
    "acknowledge_before_commit": Expected("L1", 3, ("contacts_acknowledged_and_lost",), ("--victims", "everything")),
    "acknowledge_before_flush": Expected(
        "L1", 3, ("transfers_acknowledged_and_lost", "contacts_acknowledged_and_lost"), ("--victims", "everything")
    ),
    "effects_before_the_finish": Expected("simulation", 4, ("effects_twice",)),
    "finish_without_fence": Expected("jobs", 2_000, ("done_twice", "withdrawn_and_done", "buried_and_done")),
    "gaps_given_up_at_once": Expected("simulation", 4, ("unsealed",)),
    "no_unique_key": Expected("L1", 1, ("transfers_done_twice", "contacts_done_twice"), ("--victims", "web")),
    "restore_without_the_unfinished_segment": Expected("drill", 3, ("acknowledged_and_lost",)),
    "sequence_cursor": Expected("sealer", 8_000, ("missed",)),
    "snapshot_xmax_horizon": Expected("sealer", 25_000, ("missed", "unsealed", "alarms")),
}


def run_broken(name: str, *, seed: int) -> dict[str, Any]:
    """The verdict of the trial on a copy of the tree with this patch; `caught_by` names the counters that caught it."""
    expected = BROKEN[name]
    with tempfile.TemporaryDirectory(prefix="sahut-broken-") as folder:
        tree = Path(folder)
        copy_tree(tree)
        apply(name, tree)
        command = [sys.executable, "-m", "sahut_lab.trial", expected.trial, "--seed", str(seed)]
        command += ["--size", str(expected.size), *expected.options]
        ran = subprocess.run(
            command,
            cwd=tree,
            env={**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
            check=False,
        )
    if not ran.stdout.strip():
        raise RuntimeError(f"the trial under {name} ended with {ran.returncode} and said nothing: {ran.stderr[-2000:]}")
    verdict: dict[str, Any] = json.loads(ran.stdout)
    counters = verdict["counters"]
    verdict["caught_by"] = {counter: counters[counter] for counter in expected.counters if counters.get(counter)}
    return verdict


def trial(*, seed: int) -> dict[str, Any]:
    """Run every broken build. Passes when each of them was caught by a counter that is meant for it."""
    verdict = Verdict("broken", seed)
    verdict.must(sorted(BROKEN) == patch_names(), "a patch has no trial, or a trial no patch")
    for name in BROKEN:
        answer = run_broken(name, seed=seed)
        verdict.count(**{name: answer["caught_by"]})
        verdict.must(not answer["passed"] and bool(answer["caught_by"]), f"{name} was not caught: {answer['counters']}")
    return verdict.as_dict()

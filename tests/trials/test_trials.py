"""Plugs pulled under load. Larger sizes by hand: `sahut trial L1 --size 200`."""

from typing import Any

import pytest

from sahut_lab import bench, trial
from sahut_lab.trial.broken import BROKEN, run_broken


def passed(verdict: dict[str, Any]) -> bool:
    return bool(verdict["passed"])


def test_no_event_is_missed_in_the_race() -> None:
    verdict = trial.run("sealer", seed=1)

    assert passed(verdict), verdict
    assert verdict["counters"]["committed"] >= 50_000


def test_pulling_any_plug_changes_nothing_but_the_time() -> None:
    verdict = trial.run("L1", seed=1)

    assert passed(verdict), verdict
    assert verdict["counters"]["kills"] >= 10


def test_a_lost_machine_costs_less_than_a_second() -> None:
    verdict = trial.run("drill", seed=1)

    assert passed(verdict), verdict
    assert verdict["counters"]["acknowledged"] > 100


def test_a_job_is_done_once_whoever_is_killed_or_stopped_in_the_middle_of_it() -> None:
    verdict = trial.run("jobs", seed=1)

    assert passed(verdict), verdict
    assert verdict["counters"]["kills"] + verdict["counters"]["stops"] >= 5


def test_whatever_breaks_when_a_seed_says_so_nothing_is_lost_or_done_twice() -> None:
    verdict = trial.run("simulation", seed=1, size=3)

    assert passed(verdict), verdict
    assert verdict["counters"]["seeds"] == 3


def test_a_seed_is_one_run() -> None:
    first, again = (trial.run("simulation", seed=3, size=1)["counters"] for _ in range(2))

    assert first["digest"] == again["digest"]
    assert first["steps"] == again["steps"] > 1_000


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_a_broken_build_is_caught(name: str) -> None:
    verdict = run_broken(name, seed=1)

    assert not passed(verdict)
    assert verdict["caught_by"], verdict


@pytest.mark.parametrize("name", sorted(bench.NAMES))
def test_a_bench_runs_and_tells_its_reference(name: str) -> None:
    answer = bench.run(name, quick=True)

    assert answer["name"] == name
    assert all(
        {"what", "value", "unit", "reference", "reference_value", "ratio"} <= set(one) for one in answer["figures"]
    )
    figures = {one["what"]: one["value"] for one in answer["figures"]}
    assert not [what for what in figures if "and not" in what and figures[what] != 0]
    assert name == "live" or any(one["ratio"] for one in answer["figures"])

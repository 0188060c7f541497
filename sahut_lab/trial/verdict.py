"""What a trial answers: counters with names, and a sentence for each thing that must not be."""

from typing import Any


class Verdict:
    """Collects counters; `must` adds a sentence when something is not so. `passed` is that there is no sentence."""

    def __init__(self, name: str, seed: int) -> None:
        self.name, self.seed = name, seed
        self.counters: dict[str, Any] = {}
        self.failures: list[str] = []

    def count(self, **counters: Any) -> None:
        self.counters |= counters

    def must(self, holds: bool, sentence: str) -> None:
        if not holds:
            self.failures.append(sentence)

    def must_be_zero(self, **counters: int) -> None:
        """Each of these counts something that must never happen."""
        self.count(**counters)
        for name, value in counters.items():
            self.must(value == 0, f"{name.replace('_', ' ')}: {value}")

    def as_dict(self) -> dict[str, Any]:
        return {
            "trial": self.name,
            "seed": self.seed,
            "passed": not self.failures,
            "failures": self.failures,
            "counters": self.counters,
        }

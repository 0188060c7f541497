"""What may happen to a statement, a process, a clock; drawn from one seeded source, written down as it is drawn."""

import random
from dataclasses import dataclass
from hashlib import sha256

TOLD_AT_MOST = 200


@dataclass(frozen=True, slots=True)
class Weather:
    """How rough it is. Chances are for each statement (cuts) or each step of the fates (kills, pauses, jumps)."""

    cut_before: float = 0.004
    cut_after: float = 0.004
    slow: float = 0.01
    slow_s: float = 8.0
    latency_s: float = 0.004
    kill: float = 0.25
    pause: float = 0.3
    pause_s: float = 20.0
    clock_jump: float = 0.1
    clock_jump_s: float = 600.0


CALM = Weather(0, 0, 0, 0, 0.001, 0, 0, 0, 0, 0)


class Chance:
    """Draws, and remembers what was drawn: two runs of one seed have one `digest`."""

    def __init__(self, seed: int, weather: Weather) -> None:
        self._random = random.Random(seed)
        self.weather = weather
        self._story: list[str] = []
        self._hash = sha256()
        self.steps = 0

    def happens(self, likelihood: float) -> bool:
        return self._random.random() < likelihood

    def between(self, least: float, most: float) -> float:
        return self._random.uniform(least, most)

    def whole(self, least: int, most: int) -> int:
        return self._random.randint(least, most)

    def one_of(self, choices: list[str]) -> str:
        return self._random.choice(choices)

    def tell(self, at_s: float, what: str) -> None:
        """Write a step down."""
        line = f"{at_s:12.6f} {what}"
        self.steps += 1
        self._hash.update(line.encode() + b"\n")
        self._story.append(line)
        del self._story[:-TOLD_AT_MOST]

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()[:16]

    @property
    def last_words(self) -> list[str]:
        return list(self._story)

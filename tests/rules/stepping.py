"""A loop whose clock is moved ahead by hand, for tests of waiting times that do not wait."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class SteppingLoop(asyncio.SelectorEventLoop):
    """The clock of the machine, and so many seconds `ahead` of it."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


def run_stepping(work: Coroutine[Any, Any, None]) -> None:
    """Run to its end in a loop of its own."""
    with asyncio.Runner(loop_factory=SteppingLoop) as runner:
        runner.run(work)

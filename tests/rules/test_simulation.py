"""The simulation's own rules: time that jumps, chance that repeats itself."""

import asyncio
import time

from sahut_lab.simulation.chance import TOLD_AT_MOST, Chance, Weather
from sahut_lab.simulation.loop import VirtualLoop


def test_a_week_passes_at_once_when_everybody_waits() -> None:
    async def wait() -> tuple[float, list[str]]:
        order: list[str] = []

        async def one(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            order.append(name)

        await asyncio.gather(one("week", 7 * 86_400), one("second", 1), one("day", 86_400))
        return asyncio.get_running_loop().time(), order

    began = time.monotonic()
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        at_s, order = runner.run(wait())

    assert at_s == 7 * 86_400
    assert order == ["second", "day", "week"]
    assert time.monotonic() - began < 60


def test_time_stands_still_while_something_real_is_under_way() -> None:
    async def both() -> list[str]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        order: list[str] = []

        async def real() -> None:
            with loop.really():
                await loop.run_in_executor(None, time.sleep, 0.02)
            order.append(f"real at {loop.time():.0f}")

        async def virtual() -> None:
            await asyncio.sleep(1)
            order.append(f"virtual at {loop.time():.0f}")

        await asyncio.gather(virtual(), real())
        return order

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(both()) == ["real at 0", "virtual at 1"]


def test_timers_that_were_given_up_do_not_move_time() -> None:
    async def give_up() -> float:
        loop = asyncio.get_running_loop()
        for _ in range(200):
            loop.call_later(5, print).cancel()
        await asyncio.sleep(9)
        return loop.time()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(give_up()) == 9


def told(seed: int) -> Chance:
    chance = Chance(seed, Weather())
    for step in range(TOLD_AT_MOST + 50):
        chance.tell(step, f"{chance.whole(0, 9)} {chance.one_of(['a', 'b'])} {chance.between(0, 1)}")
    return chance


def test_a_seed_is_one_story_and_another_seed_another() -> None:
    assert told(1).digest == told(1).digest != told(2).digest
    assert len(told(1).last_words) == TOLD_AT_MOST

"""Bounded pools: a full one says so, a place is held until its thread has ended, and nobody waits for ever."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextvars import ContextVar

import pytest

from sahut.work import BlockingPool, Busy

SOON_S = 5.0
WHO: ContextVar[str] = ContextVar("WHO", default="nobody")


class Gate:
    """Work that blocks until it is let go; notes down what has begun."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self._open = threading.Event()
        self._changed = threading.Condition()

    def work(self, number: int) -> int:
        with self._changed:
            self.begun.append(number)
            self._changed.notify_all()
        assert self._open.wait(SOON_S)
        return number * 10

    def let_go(self) -> None:
        self._open.set()

    async def until_begun(self, count: int) -> None:
        def wait() -> bool:
            with self._changed:
                return self._changed.wait_for(lambda: len(self.begun) >= count, SOON_S)

        assert await asyncio.to_thread(wait)


@pytest.fixture
async def gate() -> AsyncIterator[Gate]:
    made = Gate()
    yield made
    made.let_go()


async def ended(pool: BlockingPool, held: int) -> None:
    async with asyncio.timeout(SOON_S):
        while pool.held != held:
            await asyncio.sleep(0.001)


async def test_what_the_function_answers_or_raises_comes_back_and_it_sees_who_asked() -> None:
    pool = BlockingPool(1, 0)
    WHO.set("Sari")

    def fails() -> None:
        raise KeyError("not there")

    def stops() -> None:
        raise StopIteration

    assert await pool.run(lambda: (WHO.get(), threading.current_thread() is threading.main_thread())) == ("Sari", False)
    with pytest.raises(KeyError):
        await pool.run(fails)
    with pytest.raises(RuntimeError):
        await asyncio.wait_for(pool.run(stops), SOON_S)
    assert (pool.held, pool.taken, pool.refused) == (0, 3, 0)


async def test_a_full_pool_says_so_at_once_and_is_open_again_afterwards(gate: Gate) -> None:
    pool = BlockingPool(2, 3)
    working = [asyncio.create_task(pool.run(gate.work, number)) for number in range(5)]
    await gate.until_begun(2)

    with pytest.raises(Busy):
        await pool.run(gate.work, 9)

    assert (pool.held, pool.refused) == (5, 1)
    gate.let_go()
    assert await asyncio.gather(*working) == [0, 10, 20, 30, 40]
    assert await pool.run(gate.work, 6) == 60
    assert 9 not in gate.begun


async def test_who_hangs_up_frees_the_place_only_when_the_thread_has_ended(gate: Gate) -> None:
    pool = BlockingPool(1, 0)
    gone = asyncio.create_task(pool.run(gate.work, 1))
    await gate.until_begun(1)

    gone.cancel()
    await asyncio.wait([gone])

    assert (gone.cancelled(), pool.held) == (True, 1)
    with pytest.raises(Busy):
        await pool.run(gate.work, 2)
    gate.let_go()
    await ended(pool, 0)
    assert await pool.run(gate.work, 3) == 30


async def test_who_hangs_up_while_waiting_is_never_served_and_frees_the_place(gate: Gate) -> None:
    pool = BlockingPool(1, 1)
    first = asyncio.create_task(pool.run(gate.work, 1))
    await gate.until_begun(1)
    second = asyncio.create_task(pool.run(gate.work, 2))
    await asyncio.sleep(0)

    second.cancel()
    await asyncio.wait([second])
    await ended(pool, 1)
    third = asyncio.create_task(pool.run(gate.work, 3))
    gate.let_go()

    assert await asyncio.gather(first, third) == [10, 30]
    assert gate.begun == [1, 3]


async def test_one_owner_holds_only_so_many_places_even_when_he_hangs_up(gate: Gate) -> None:
    pool = BlockingPool(1, 9, of_one_at_most=2)
    working = [asyncio.create_task(pool.run_for("Budi", gate.work, number)) for number in (1, 2)]
    await gate.until_begun(1)
    working[0].cancel()
    await asyncio.wait([working[0]])

    with pytest.raises(Busy):
        await pool.run_for("Budi", gate.work, 3)

    other = asyncio.create_task(pool.run_for("Sari", gate.work, 4))
    gate.let_go()
    assert await asyncio.gather(working[1], other) == [20, 40]
    await ended(pool, 0)
    assert await pool.run_for("Budi", gate.work, 5) == 50


async def test_closing_takes_nothing_new_and_returns_when_all_has_ended(gate: Gate) -> None:
    pool = BlockingPool(1, 1)
    working = [asyncio.create_task(pool.run(gate.work, number)) for number in (1, 2)]
    await gate.until_begun(1)
    closing = asyncio.create_task(pool.close())
    await asyncio.sleep(0)

    with pytest.raises(Busy):
        await pool.run(gate.work, 3)
    assert not closing.done()
    gate.let_go()
    await asyncio.wait_for(closing, SOON_S)

    assert await asyncio.gather(*working) == [10, 20]
    await asyncio.wait_for(pool.close(), SOON_S)

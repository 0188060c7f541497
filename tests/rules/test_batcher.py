"""The batcher: no timer, no lost caller, and one bad command harms nobody else."""

import asyncio
from collections.abc import Sequence

import pytest

from sahut.bedrock import Refusal
from sahut.db import DatabaseAway, OutcomeUnknown
from sahut.work import Batcher, Busy, CannotBeWritten, Weight
from tests.rules.stepping import SteppingLoop, run_stepping

SOON_S = 2.0
POISON = -13


class Store:
    """What the batcher writes to: keeps each batch; holds writes while `gate` is shut; refuses to keep the POISON."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.entered = asyncio.Event()
        self.at_work = self.most_at_work = 0

    async def write(self, commands: list[int]) -> Sequence[int | Refusal]:
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        self.entered.set()
        try:
            await self.gate.wait()
            if POISON in commands:
                raise ValueError("the table keeps no such thing")
            self.batches.append(commands)
            return [Busy(7) if command < 0 else command * 10 for command in commands]
        finally:
            self.at_work -= 1


async def soon(future: "asyncio.Future[int]") -> int:
    return await asyncio.wait_for(future, SOON_S)


async def test_a_lone_caller_waits_for_nobody() -> None:
    """No timer: the answer is there after a few rounds of the loop, without any time passing."""
    store = Store()
    future = Batcher(store.write).submit(1)

    for _ in range(10):
        await asyncio.sleep(0)

    assert future.done()
    assert future.result() == 10


async def test_a_lone_caller_may_ask_again_and_again() -> None:
    batcher = Batcher(Store().write)

    answers = [await soon(batcher.submit(number)) for number in range(200)]

    assert answers == [number * 10 for number in range(200)]


async def test_a_caller_may_ask_again_from_a_done_callback() -> None:
    """The moment between the last write and the end of the task that wrote it."""
    batcher, last = Batcher(Store().write), asyncio.get_running_loop().create_future()

    def ask_again(done: "asyncio.Future[int]") -> None:
        if done.result() < 500:
            batcher.submit(done.result() // 10 + 1).add_done_callback(ask_again)
        else:
            last.set_result(done.result())

    batcher.submit(0).add_done_callback(ask_again)

    assert await soon(last) == 500


async def test_callers_that_are_ready_now_share_one_batch() -> None:
    store = Store()
    batcher = Batcher(store.write)

    answers = await asyncio.gather(*(batcher.submit(number) for number in range(100, 150)))

    assert answers == [number * 10 for number in range(100, 150)]
    assert store.batches == [list(range(100, 150))]


async def test_what_arrives_during_a_commit_is_the_next_batch() -> None:
    store = Store()
    batcher = Batcher(store.write, limit=3)
    store.gate.clear()
    first = batcher.submit(1)
    await store.entered.wait()

    later = [batcher.submit(number) for number in range(2, 7)]
    store.gate.set()
    answers = await asyncio.gather(first, *later)

    assert store.batches == [[1], [2, 3, 4], [5, 6]]
    assert answers == [10, 20, 30, 40, 50, 60]


@pytest.mark.parametrize("at_once", [1, 3])
async def test_only_so_many_batches_are_written_at_the_same_time(at_once: int) -> None:
    store = Store()
    batcher = Batcher(store.write, limit=1, at_once=at_once)
    store.gate.clear()
    futures = [batcher.submit(number) for number in range(20, 30)]
    await store.entered.wait()
    await asyncio.sleep(0)

    store.gate.set()
    answers = await asyncio.gather(*futures)

    assert store.most_at_work == at_once
    assert answers == [number * 10 for number in range(20, 30)]


async def test_an_answer_that_is_a_refusal_is_raised_to_its_caller_only() -> None:
    batcher = Batcher(Store().write)

    good, refused, also_good = await asyncio.gather(
        *(batcher.submit(number) for number in (1, -1, 2)), return_exceptions=True
    )

    assert (good, also_good) == (10, 20)
    assert isinstance(refused, Busy)
    assert refused.retry_after_s == 7


async def test_one_command_that_cannot_be_written_does_not_stop_999_others() -> None:
    store = Store()
    batcher = Batcher(store.write)
    commands = [*range(100, 600), POISON, *range(600, 1099)]

    answers = await asyncio.gather(*(batcher.submit(number) for number in commands), return_exceptions=True)

    poison = answers.pop(500)
    assert isinstance(poison, CannotBeWritten)
    assert answers == [number * 10 for number in commands if number != POISON]
    assert sorted(number for batch in store.batches for number in batch) == list(range(100, 1099))
    assert len(store.batches) <= 11  # in halves, not one by one


async def test_a_full_line_says_so_at_once_and_is_open_again_afterwards() -> None:
    store = Store()
    batcher = Batcher(store.write, waiting_limit=3)
    store.gate.clear()
    first = batcher.submit(1)
    await store.entered.wait()
    waiting = [batcher.submit(number) for number in (2, 3, 4)]

    with pytest.raises(Busy) as refused:
        batcher.submit(5)

    assert refused.value.fields() == {"retry_after_s": 1}
    store.gate.set()
    assert await asyncio.gather(first, *waiting) == [10, 20, 30, 40]
    assert await soon(batcher.submit(6)) == 60


async def test_a_caller_who_has_gone_does_not_disturb_the_others() -> None:
    store = Store()
    batcher = Batcher(store.write)
    store.gate.clear()
    futures = [batcher.submit(number) for number in (1, 2, 3)]
    await store.entered.wait()

    futures[1].cancel()
    store.gate.set()

    assert await asyncio.gather(futures[0], futures[2]) == [10, 30]
    assert store.batches == [[1, 2, 3]]  # it was in line, so it was written


async def test_when_writing_fails_all_of_the_batch_are_told_and_the_next_is_tried() -> None:
    asked: list[int] = []

    async def write(commands: list[int]) -> Sequence[int]:
        asked.append(len(commands))
        if len(asked) == 1:
            raise ConnectionError("gone")
        return commands

    batcher = Batcher(write)

    told = await asyncio.gather(*(batcher.submit(number) for number in range(5)), return_exceptions=True)

    assert [type(answer) for answer in told] == [ConnectionError] * 5
    assert await soon(batcher.submit(9)) == 9
    assert asked == [5, 1]


async def test_who_is_cut_off_in_the_middle_is_told_that_the_outcome_is_unknown() -> None:
    store = Store()
    batcher = Batcher(store.write)
    store.gate.clear()
    future = batcher.submit(1)
    await store.entered.wait()

    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()

    with pytest.raises(OutcomeUnknown):
        await soon(future)


async def test_a_write_that_forgets_an_answer_leaves_nobody_waiting() -> None:
    async def write(commands: list[int]) -> Sequence[int]:
        return commands[:-1]

    batcher = Batcher(write)

    answers = await asyncio.wait_for(
        asyncio.gather(*(batcher.submit(number) for number in range(3)), return_exceptions=True), SOON_S
    )

    assert [type(answer) for answer in answers] == [OutcomeUnknown] * 3  # whose answers are they?


async def test_closing_writes_what_waits_and_takes_nothing_new() -> None:
    store = Store()
    batcher = Batcher(store.write, limit=2)
    store.gate.clear()
    futures = [batcher.submit(number) for number in range(5)]
    closing = asyncio.create_task(batcher.close())
    await store.entered.wait()

    with pytest.raises(Busy):
        batcher.submit(9)
    assert not closing.done()
    store.gate.set()
    await asyncio.wait_for(closing, SOON_S)

    assert [future.result() for future in futures] == [0, 10, 20, 30, 40]


async def test_closing_with_nothing_to_do_returns_at_once() -> None:
    await asyncio.wait_for(Batcher(Store().write).close(), SOON_S)


def drains() -> "set[asyncio.Task[object]]":
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


async def test_a_task_that_is_cancelled_before_its_first_step_leaves_nobody_waiting() -> None:
    store = Store()
    batcher = Batcher(store.write)
    futures = [batcher.submit(number) for number in (1, 2)]

    for task in drains():
        task.cancel()
    answers = await asyncio.wait_for(asyncio.gather(*futures, return_exceptions=True), SOON_S)

    assert [type(answer) for answer in answers] == [Busy, Busy]
    assert store.batches == []
    assert await soon(batcher.submit(3)) == 30  # and the batcher goes on


async def test_of_a_cancelled_task_what_was_sent_is_unknown_and_what_waits_is_busy() -> None:
    store = Store()
    batcher = Batcher(store.write, limit=2)
    store.gate.clear()
    futures = [batcher.submit(number) for number in (1, 2, 3, 4, 5)]
    await store.entered.wait()

    for task in drains():
        task.cancel()
    answers = await asyncio.wait_for(asyncio.gather(*futures, return_exceptions=True), SOON_S)

    assert [type(answer) for answer in answers] == [OutcomeUnknown] * 2 + [Busy] * 3
    assert store.batches == []


async def test_a_cancellation_between_the_halves_of_a_poisoned_batch_answers_both() -> None:
    """The first half is on its way, the second was never sent."""
    sent: list[list[int]] = []
    gate = asyncio.Event()

    async def write(commands: list[int]) -> Sequence[int]:
        sent.append(commands)
        if POISON in commands:
            raise ValueError("the table keeps no such thing")
        await gate.wait()
        return commands

    batcher = Batcher(write)
    futures = [batcher.submit(number) for number in (1, 2, 3, POISON)]
    while len(sent) < 2:
        await asyncio.sleep(0)
    for task in drains():
        task.cancel()
    answers = await asyncio.wait_for(asyncio.gather(*futures, return_exceptions=True), SOON_S)

    assert sent == [[1, 2, 3, POISON], [1, 2]]
    assert [type(answer) for answer in answers] == [OutcomeUnknown] * 2 + [Busy] * 2


async def test_a_cancellation_from_inside_the_write_ends_that_batch_only() -> None:
    async def write(commands: list[int]) -> Sequence[int]:
        if 1 in commands:
            raise asyncio.CancelledError
        return commands

    batcher = Batcher(write, limit=1)
    first, second = batcher.submit(1), batcher.submit(2)

    with pytest.raises(OutcomeUnknown):
        await soon(first)
    assert await soon(second) == 2


class TheEnd(BaseException):
    """What ends a program."""


async def test_a_write_that_ends_the_program_leaves_nobody_waiting() -> None:
    async def write(commands: list[int]) -> Sequence[int]:
        raise TheEnd

    batcher = Batcher(write, limit=1)
    futures = [batcher.submit(number) for number in (1, 2)]
    answers = await asyncio.wait_for(asyncio.gather(*futures, return_exceptions=True), SOON_S)

    assert [type(answer) for answer in answers] == [OutcomeUnknown, Busy]
    await asyncio.wait_for(batcher.close(), SOON_S)


async def test_closing_while_writes_fail_answers_everybody_and_returns() -> None:
    async def write(commands: list[int]) -> Sequence[int]:
        raise DatabaseAway

    batcher = Batcher(write, limit=1)
    futures = [batcher.submit(number) for number in (1, 2, 3)]

    await asyncio.wait_for(batcher.close(), SOON_S)

    assert [type(future.exception()) for future in futures] == [DatabaseAway] * 3


async def test_the_line_is_bounded_by_weight_too() -> None:
    store = Store()
    batcher: Batcher[int, int] = Batcher(store.write, weight=Weight(of=lambda number: number, at_most=10))
    store.gate.clear()
    first = batcher.submit(99)  # heavier than all that may wait, and nothing waits
    await store.entered.wait()
    waiting = [batcher.submit(6), batcher.submit(4)]

    with pytest.raises(Busy):
        batcher.submit(1)

    store.gate.set()
    assert await asyncio.gather(first, *waiting) == [990, 60, 40]
    assert await soon(batcher.submit(10)) == 100  # what was written weighs nothing any more


def test_who_has_waited_too_long_is_told_so_and_not_written() -> None:
    async def wait() -> None:
        store, loop = Store(), asyncio.get_running_loop()
        assert isinstance(loop, SteppingLoop)
        batcher = Batcher(store.write, waits_at_most_s=5)
        store.gate.clear()
        first = batcher.submit(1)
        await store.entered.wait()
        late = [batcher.submit(number) for number in (2, 3)]
        loop.ahead += 4
        in_time = batcher.submit(4)
        loop.ahead += 1.5
        store.gate.set()
        answers = await asyncio.gather(first, *late, in_time, return_exceptions=True)

        assert [type(answer) for answer in answers] == [int, Busy, Busy, int]
        assert store.batches == [[1], [4]]

    run_stepping(wait())

"""The batcher under any schedule, against a simple model: everybody is answered once, and the answer is true."""

import asyncio
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sahut.bedrock import Refusal
from sahut.db import DatabaseAway, OutcomeUnknown
from sahut.work import Batcher, Busy, CannotBeWritten, Weight
from tests.rules.stepping import SteppingLoop, run_stepping

POISON_EVERY, REFUSED_EVERY = 7, 5
HOW_A_WRITE_ENDS = ("well", "well", "away", "lost after the commit", "short", "cancelled inside")


class NoMoney(Refusal):
    """An answer that is a no: it is committed like any other."""

    code = "no_money_in_this_test"


class Table:
    """What is committed, and in which order; each write waits until it is told how it ends."""

    def __init__(self) -> None:
        self.committed: list[int] = []
        self.waiting: list[asyncio.Future[str]] = []

    async def write(self, commands: list[int]) -> Sequence[int | Refusal]:
        end: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.waiting.append(end)
        how = await end
        if any(command % POISON_EVERY == 0 for command in commands):
            raise ValueError("the table keeps no such thing")
        if how == "away":
            raise DatabaseAway
        self.committed += commands
        if how == "lost after the commit":
            raise OutcomeUnknown
        if how == "cancelled inside":
            raise asyncio.CancelledError
        answers: list[int | Refusal] = [
            NoMoney() if command % REFUSED_EVERY == 0 else command * 10 for command in commands
        ]
        return answers[:-1] if how == "short" else answers


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), st.integers(1, 6)),
        st.tuples(st.just("write"), st.sampled_from(HOW_A_WRITE_ENDS)),
        st.tuples(st.just("go away"), st.integers(0, 30)),
        st.tuples(st.just("time passes"), st.just(6)),
        st.tuples(st.just("rounds"), st.integers(1, 4)),
        st.tuples(st.just("cancel the tasks"), st.just(0)),
        st.tuples(st.just("close"), st.just(0)),
    ),
    min_size=10,
    max_size=40,
)


class Schedule:
    """Plays steps and keeps the futures of everybody who was taken in."""

    def __init__(self, at_once: int) -> None:
        self.table, self.next = Table(), 1
        self.batcher: Batcher[int, int] = Batcher(
            self.table.write, limit=4, waiting_limit=12, weight=Weight(of=lambda _: 2, at_most=20),
            waits_at_most_s=5, at_once=at_once,
        )  # fmt: skip
        self.asked: dict[int, asyncio.Future[int]] = {}
        self.turned_away: list[int] = []
        self.closing: asyncio.Task[None] | None = None

    async def play(self, step: str, value: Any) -> None:  # noqa: C901 (one branch for each thing that may happen)
        match step:
            case "submit":
                for _ in range(value):
                    self._submit()
            case "write":
                for _ in range(2):  # what was just submitted is on its way by then
                    await asyncio.sleep(0)
                self._end_a_write(value)
            case "go away":
                if value in self.asked:
                    self.asked[value].cancel()
            case "time passes":
                loop = asyncio.get_running_loop()
                assert isinstance(loop, SteppingLoop)
                loop.ahead += value
            case "rounds":
                for _ in range(value):
                    await asyncio.sleep(0)
            case "cancel the tasks":
                for task in self.batcher._tasks:
                    task.cancel()
            case "close":
                self.closing = self.closing or asyncio.create_task(self.batcher.close())

    async def finish(self) -> None:
        """Let everything end well, within a bounded number of rounds."""
        await self.play("close", 0)
        assert self.closing is not None
        for _ in range(500):
            if self.closing.done():
                return
            self._end_a_write("well")
            await asyncio.sleep(0)
        raise AssertionError("it never closes")

    def _submit(self) -> None:
        number, self.next = self.next, self.next + 1
        try:
            self.asked[number] = self.batcher.submit(number)
        except Busy:
            self.turned_away.append(number)

    def _end_a_write(self, how: str) -> None:
        waiting = [end for end in self.table.waiting if not end.done()]
        if waiting:
            waiting[0].set_result(how)


@settings(max_examples=400, deadline=None)
@given(steps=STEPS, at_once=st.integers(1, 2))
def test_everybody_is_answered_once_and_the_answer_is_true(steps: list[tuple[str, Any]], at_once: int) -> None:
    async def run() -> None:
        schedule = Schedule(at_once)
        for step, value in steps:
            await schedule.play(step, value)
        await schedule.finish()
        _compare(schedule, at_once)

    run_stepping(run())


def _compare(schedule: Schedule, at_once: int) -> None:
    committed = schedule.table.committed
    assert len(set(committed)) == len(committed), "written twice"
    assert not set(committed) & set(schedule.turned_away)
    if at_once == 1:
        assert committed == sorted(committed), "not in the order in which they came"
    for number, future in schedule.asked.items():
        assert future.done(), "somebody still waits"
        if future.cancelled():
            continue
        error, written = future.exception(), number in committed
        if error is None or isinstance(error, NoMoney):
            assert written
            assert (error is not None) == (number % REFUSED_EVERY == 0)
            assert error is not None or future.result() == number * 10
        elif isinstance(error, (Busy, DatabaseAway)):
            assert not written
        elif isinstance(error, CannotBeWritten):
            assert not written
            assert number % POISON_EVERY == 0
        else:
            assert isinstance(error, OutcomeUnknown)

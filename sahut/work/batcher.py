"""Natural batching: what arrives during a commit is the next batch.

There is no timer, so a lone caller waits for nobody; and the more callers there are, the larger and cheaper the batches
become. The line is bounded: when it is full, the caller is told so at once.

Every command is answered exactly once, whatever happens: what was written is answered or unknown, never `busy`; what is
told to be busy was not written.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from dataclasses import dataclass
from time import perf_counter
from typing import Generic, TypeVar

import asyncpg
import structlog

from sahut.bedrock import Refusal, RetryLater
from sahut.db import OutcomeUnknown, tracing
from sahut.work.metrics import BatchMeter

CommandT = TypeVar("CommandT")
AnswerT = TypeVar("AnswerT")
# A command with whom it is answered to, since when it waits (of the loop's clock), and the trace that it belongs to.
_Waiting = tuple[CommandT, "asyncio.Future[AnswerT]", float, str | None]

# These say that one of the commands cannot be written. The others can: they are tried in halves.
_FOR_ITS_DATA = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, ValueError, OverflowError)


_log = structlog.get_logger()


class Busy(RetryLater):
    """More is waiting than we can promise to do in time. Nothing was written."""

    code = "busy"
    usual_s = 1


class CannotBeWritten(Exception):
    """A command that the tables refuse although the rules let it pass: our own fault, and only this one command's."""


@dataclass(frozen=True, slots=True)
class Weight(Generic[CommandT]):
    """A second bound of the line. `of`: what a command weighs, such as its bytes; `at_most`: of all that wait together.

    A single command that is heavier is still taken when nothing else waits.
    """

    of: Callable[[CommandT], int]
    at_most: int


class Batcher(Generic[CommandT, AnswerT]):
    """Collects commands, writes them in batches, answers each caller.

    `write` takes a list of commands (1 to `limit`, in the order of their arrival), commits them and returns as many
    answers in that order; an answer that is a `Refusal` is raised to its caller. What it raises goes to all of the
    batch, but for errors of the data, where only the one command that causes them is refused.
    `at_once`: how many batches may be written at the same time. `waiting_limit`, `weight`: what may wait.
    `waits_at_most_s`: a command that has waited longer is refused rather than written after its caller has gone.
    `name`: what figures and traces call it.
    """

    def __init__(
        self,
        write: Callable[[list[CommandT]], Awaitable[Sequence[AnswerT | Refusal]]],
        *,
        limit: int = 1000,
        waiting_limit: int = 20_000,
        weight: Weight[CommandT] | None = None,
        waits_at_most_s: float = 10.0,
        at_once: int = 1,
        name: str = "other",
    ) -> None:
        self._write, self._limit, self._at_once = write, limit, at_once
        self._waiting_limit, self._weight, self._waits_at_most_s = waiting_limit, weight, waits_at_most_s
        self._waiting: deque[_Waiting[CommandT, AnswerT]] = deque()
        self._waiting_weight = 0
        self._meter = BatchMeter(name, lambda: len(self._waiting))
        self._closed = False
        self._tasks: set[asyncio.Task[None]] = set()  # the loop itself keeps only weak references
        self._draining: set[asyncio.Task[None]] = set()  # those that will still look at the line

    def submit(self, command: CommandT) -> "asyncio.Future[AnswerT]":
        """Put a command in line. The future may be cancelled: the command is then still written, its answer dropped.

        Refuses: `busy` when the line is full or the batcher is closing; the future, when it waited too long.
        """
        weight = 0 if self._weight is None else self._weight.of(command)
        if self._closed or self._is_full(weight):
            raise Busy
        loop = asyncio.get_running_loop()
        future: asyncio.Future[AnswerT] = loop.create_future()
        self._waiting.append((command, future, loop.time(), tracing.cause()))
        self._waiting_weight += weight
        if len(self._draining) < self._at_once:
            # The task begins in the next round of the loop, so callers that are ready now still join its first batch.
            # It works for all of them, so it does not go under the name and the trace of the first.
            task = asyncio.create_task(self._drain(), context=Context())
            self._tasks.add(task)
            self._draining.add(task)
            task.add_done_callback(self._ended)
        return future

    async def close(self) -> None:
        """Take nothing new, write what waits, then return. Whatever fails, everybody in line is answered by then."""
        self._closed = True
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    def _is_full(self, weight: int) -> bool:
        if self._weight is not None and self._waiting and self._waiting_weight + weight > self._weight.at_most:
            return True
        return len(self._waiting) >= self._waiting_limit

    async def _drain(self) -> None:
        try:
            while batch := self._take():
                self._meter.taken(len(batch), asyncio.get_running_loop().time() - batch[0][2])
                with self._meter.span(caused for *_, caused in batch):
                    await self._settle(batch)
        finally:
            # Here and not in a done-callback: that runs a round later, and a lone caller who asks again in between is
            # then neither taken by this task nor given a new one.
            task = asyncio.current_task()
            assert task is not None
            self._draining.discard(task)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """A task that failed, or was cancelled (perhaps before its first step), leaves nobody in line unanswered."""
        self._tasks.discard(task)
        self._draining.discard(task)
        if task.cancelled() or task.exception() is not None:
            _log.error("batcher_interrupted", waiting=len(self._waiting))
            if not self._draining:
                while self._waiting:
                    _refuse([self._pop()], Busy())

    def _take(self) -> "list[_Waiting[CommandT, AnswerT]]":
        """The next batch; who has waited too long is told so, and is not in it. Empty when nobody waits."""
        oldest = asyncio.get_running_loop().time() - self._waits_at_most_s
        while self._waiting and self._waiting[0][2] < oldest:
            _refuse([self._pop()], Busy())
        pop = self._waiting.popleft if self._weight is None else self._pop
        return [pop() for _ in range(min(self._limit, len(self._waiting)))]

    def _pop(self) -> "_Waiting[CommandT, AnswerT]":
        taken = self._waiting.popleft()
        if self._weight is not None:
            self._waiting_weight -= self._weight.of(taken[0])
        return taken

    async def _settle(self, batch: "list[_Waiting[CommandT, AnswerT]]") -> None:
        """Write a batch, in halves as long as its data are refused. What was not sent when we are ended is `busy`."""
        parts = [batch]
        try:
            while parts:
                parts += reversed(await self._write_part(parts.pop()))
        finally:
            for part in parts:
                _refuse(part, Busy())

    async def _write_part(self, part: "list[_Waiting[CommandT, AnswerT]]") -> "list[list[_Waiting[CommandT, AnswerT]]]":
        """Write, and answer everybody; or the halves that are to be written instead."""
        began = perf_counter()
        try:
            answers = await self._write([command for command, *_ in part])
        except _FOR_ITS_DATA as error:
            if len(part) > 1:
                middle = len(part) // 2
                return [part[:middle], part[middle:]]
            refused = CannotBeWritten(str(error))
            refused.__cause__ = error
            _refuse(part, refused)
        except Exception as error:  # noqa: BLE001 (it goes to those who asked)
            self._meter.failed()
            _refuse(part, error)
        except BaseException as error:
            # Ended in the middle: it may have been committed. A cancellation that was not meant for us ends only this.
            self._meter.failed()
            _refuse(part, OutcomeUnknown())
            task = asyncio.current_task()
            if not isinstance(error, asyncio.CancelledError) or task is None or task.cancelling():
                raise
        else:
            self._meter.written(perf_counter() - began)
            _answer(part, answers)
        return []


def _answer(part: "list[_Waiting[CommandT, AnswerT]]", answers: Sequence[AnswerT | Refusal]) -> None:
    if len(answers) != len(part):  # it is written, and nobody can tell whose answers these are
        _log.critical("batch_answered_short", asked=len(part), answered=len(answers))
        _refuse(part, OutcomeUnknown())
        return
    for (_, future, *_), answer in zip(part, answers, strict=True):
        if future.done():  # the caller has gone
            continue
        if isinstance(answer, Refusal):
            future.set_exception(answer)
        else:
            future.set_result(answer)


def _refuse(part: "list[_Waiting[CommandT, AnswerT]]", error: Exception) -> None:
    for _, future, *_ in part:
        if not future.done():
            future.set_exception(error)

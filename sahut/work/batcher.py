"""Natural batching: what arrives during a commit is the next batch.

There is no timer, so a lone caller waits for nobody; and the more callers there are, the larger and cheaper the batches
become. The queue is bounded: when it is full, the caller is told so at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from time import perf_counter
from typing import Generic, TypeVar

import asyncpg

from sahut.bedrock import Refusal
from sahut.db import OutcomeUnknown, tracing
from sahut.work.metrics import BatchMeter

CommandT = TypeVar("CommandT")
AnswerT = TypeVar("AnswerT")
# A command with whom it is answered to, since when it waits (of `perf_counter`), and the trace that it belongs to.
_Waiting = tuple[CommandT, "asyncio.Future[AnswerT]", float, str | None]

# These say that one of the commands cannot be written. The others can: they are tried in halves.
_FOR_ITS_DATA = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, ValueError, OverflowError)


class Busy(Refusal):
    """More is waiting than we can promise to do in time. Nothing was written."""

    code = "busy"
    shown = ("retry_after_s",)

    def __init__(self, retry_after_s: int = 1) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(retry_after_s)


class CannotBeWritten(Exception):
    """A command that the tables refuse although the rules let it pass: our own fault, and only this one command's."""


class Batcher(Generic[CommandT, AnswerT]):
    """Collects commands, writes them in batches, answers each caller.

    `write` takes a list of commands (1 to `limit`, in the order of their arrival), commits them and returns as many
    answers in that order; an answer that is a `Refusal` is raised to its caller. What it raises goes to all of the
    batch, but for errors of the data, where only the one command that causes them is refused.
    `at_once`: how many batches may be written at the same time. `waiting_limit`: commands that may wait. `name`: what
    figures and traces call it.
    """

    def __init__(
        self,
        write: Callable[[list[CommandT]], Awaitable[Sequence[AnswerT | Refusal]]],
        *,
        limit: int = 1000,
        waiting_limit: int = 20_000,
        at_once: int = 1,
        name: str = "other",
    ) -> None:
        self._write, self._limit, self._waiting_limit, self._at_once = write, limit, waiting_limit, at_once
        self._waiting: list[_Waiting[CommandT, AnswerT]] = []
        self._meter = BatchMeter(name, lambda: len(self._waiting))
        self._running = 0
        self._closed = False
        self._tasks: set[asyncio.Task[None]] = set()  # the loop itself keeps only weak references

    def submit(self, command: CommandT) -> "asyncio.Future[AnswerT]":
        """Put a command in line. The future may be cancelled: the command is then still written, its answer dropped.

        Refuses: `busy` when the line is full or the batcher is closing.
        """
        if self._closed or len(self._waiting) >= self._waiting_limit:
            raise Busy
        future: asyncio.Future[AnswerT] = asyncio.get_running_loop().create_future()
        self._waiting.append((command, future, perf_counter(), tracing.cause()))
        if self._running < self._at_once:
            self._running += 1
            # The task begins in the next round of the loop, so callers that are ready now still join its first batch.
            # It works for all of them, so it does not go under the name and the trace of the first.
            task = asyncio.create_task(self._drain(), context=Context())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return future

    async def close(self) -> None:
        """Take nothing new, write what waits, then return."""
        self._closed = True
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _drain(self) -> None:
        try:
            while self._waiting:
                batch = self._waiting[: self._limit]
                del self._waiting[: self._limit]
                self._meter.taken(len(batch), perf_counter() - batch[0][2])
                with self._meter.span(caused for _, _, _, caused in batch):
                    await self._settle(batch)
        finally:
            # Here and not in a done-callback: that runs a round later, and a lone caller who asks again in between is
            # then neither taken by this task nor given a new one.
            self._running -= 1

    async def _settle(self, batch: "list[_Waiting[CommandT, AnswerT]]") -> None:
        began = perf_counter()
        try:
            answers = await self._write([command for command, *_ in batch])
            assert len(answers) == len(batch), "a batch was answered short"
        except _FOR_ITS_DATA as error:
            if len(batch) == 1:
                _refuse(batch, CannotBeWritten(str(error)))
                return
            middle = len(batch) // 2
            await self._settle(batch[:middle])
            await self._settle(batch[middle:])
        except BaseException as error:
            self._meter.failed()
            _refuse(batch, OutcomeUnknown() if isinstance(error, asyncio.CancelledError) else error)
            if not isinstance(error, Exception):
                raise
        else:
            self._meter.written(perf_counter() - began)
            for (_, future, *_), answer in zip(batch, answers, strict=True):
                if future.done():  # the caller has gone
                    continue
                if isinstance(answer, Refusal):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)


def _refuse(batch: "list[_Waiting[CommandT, AnswerT]]", error: BaseException) -> None:
    for _, future, *_ in batch:
        if not future.done():
            future.set_exception(error)

"""Bounded pools for work that blocks: slow hashes, encoders, documents. When a pool is full, the caller is told so.

A place is taken from the call until the thread has ended, not until the caller has gone: whoever asks and hangs up
again and again does not get more threads than others.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

from sahut.work.batcher import Busy
from sahut.work.metrics import blocking_refused, watch_blocking

AnswerT = TypeVar("AnswerT")
P = ParamSpec("P")


class BlockingPool:
    """Runs blocking functions in so many `threads`; at most `waiting_at_most` more may wait, first come first served.

    `of_one_at_most`: how many places one owner may hold (see `run_for`). `name`: what threads and figures call it.
    `taken`, `refused`: counted since the start. One pool belongs to one loop.
    """

    def __init__(
        self, threads: int, waiting_at_most: int, *, name: str = "blocking", of_one_at_most: int | None = None
    ) -> None:
        self._name, self._places, self._of_one_at_most = name, threads + waiting_at_most, of_one_at_most
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._held_by: Counter[Hashable] = Counter()
        self._closed = False
        self._nobody = asyncio.Event()
        self._nobody.set()
        self.taken = self.refused = 0
        watch_blocking(name, lambda: self.held)

    @property
    def held(self) -> int:
        """How many pieces of work wait or run now."""
        return self._held_by.total()

    @property
    def is_full(self) -> bool:
        """Whether nothing is taken now, be it that no place is free or that the pool is closing."""
        return self._closed or self.held >= self._places

    def refuse(self) -> Busy:
        """Count somebody who was turned away, and what to tell them."""
        self.refused += 1
        blocking_refused(self._name)
        return Busy()

    async def run(self, function: Callable[P, AnswerT], *arguments: P.args, **named: P.kwargs) -> AnswerT:
        """What the function answers, or raises, in a thread; it sees the caller's context variables.

        A caller that is cancelled leaves at once: what was still waiting is then never run, what runs ends by itself.
        Refuses: `busy` when the pool is full or closing.
        """
        return await self.run_for(object(), function, *arguments, **named)

    async def run_for(
        self, owner: Hashable, function: Callable[P, AnswerT], *arguments: P.args, **named: P.kwargs
    ) -> AnswerT:
        """Like `run`; refuses `busy` also while the owner holds as many places as one may."""
        share = self._places if self._of_one_at_most is None else self._of_one_at_most
        if self.is_full or self._held_by[owner] >= share:
            raise self.refuse()
        loop = asyncio.get_running_loop()
        work = self._executor.submit(copy_context().run, partial(_call, function, *arguments, **named))
        self.taken += 1
        self._held_by[owner] += 1
        self._nobody.clear()

        def ended(_work: object) -> None:  # in the thread, or here when it was cancelled while it waited
            with suppress(RuntimeError):  # the loop has gone, and everybody with it
                loop.call_soon_threadsafe(self._free, owner)

        work.add_done_callback(ended)
        return await asyncio.wrap_future(work)

    async def close(self) -> None:
        """Take nothing new; return when what runs and waits has ended."""
        self._closed = True
        await self._nobody.wait()
        self._executor.shutdown(wait=False)

    def _free(self, owner: Hashable) -> None:
        self._held_by -= Counter({owner: 1})  # an owner without any is forgotten
        if not self._held_by:
            self._nobody.set()


def _call(function: Callable[P, AnswerT], *arguments: P.args, **named: P.kwargs) -> AnswerT:
    try:
        return function(*arguments, **named)
    except StopIteration as error:  # no future can bear it, so its caller would wait for ever
        raise RuntimeError("the function raised StopIteration") from error

"""Simulated processes: a clock that may be wrong, connections that may be cut, and an end that may come at any time."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, cast

import asyncpg

from sahut.db import APPLICATION_SETTINGS
from sahut_lab.simulation.wire import Cut, Wire

Send = Callable[[], Awaitable[Any]]


class SimulatedConnection(asyncpg.Connection):
    """A real connection whose every statement goes over the wire of its process."""

    process: "Process | None" = None

    # What asyncpg is asked for beside statement and arguments (a time limit, a class of records) has no meaning here.

    async def execute(self, query: str, *args: Any, **_: Any) -> str:
        return cast("str", await self._go(query, lambda: super(SimulatedConnection, self).execute(query, *args)))

    async def fetch(self, query: str, *args: Any, **_: Any) -> Any:
        return await self._go(query, lambda: super(SimulatedConnection, self).fetch(query, *args))

    async def fetchrow(self, query: str, *args: Any, **_: Any) -> Any:
        return await self._go(query, lambda: super(SimulatedConnection, self).fetchrow(query, *args))

    async def fetchval(self, query: str, *args: Any, **_: Any) -> Any:
        return await self._go(query, lambda: super(SimulatedConnection, self).fetchval(query, *args))

    async def _go(self, query: str, send: Send) -> Any:
        if self.process is None:
            return await send()
        return await self.process.say(self, query, send)


class Process:
    """One process of the product: its clock, its pool, its tasks.

    It offers what the product asks of `asyncpg.Pool`: `acquire`, `release`. `say` is where everything may go wrong.
    """

    def __init__(self, name: str, wire: Wire, connections_at_most: int = 12) -> None:
        self.name, self._wire = name, wire
        self.ahead_s = 0.0
        self._alive, self._sleeps_until_s = True, 0.0
        self._free: list[SimulatedConnection] = []
        self._open: set[SimulatedConnection] = set()
        self._slots = asyncio.Semaphore(connections_at_most)
        self._tasks: list[asyncio.Task[Any]] = []

    # As a clock

    def now(self) -> datetime:
        return self._wire.now() + timedelta(seconds=self.ahead_s)

    # As a pool

    async def acquire(self, *, timeout: float | None = None) -> SimulatedConnection:  # noqa: ASYNC109 (asyncpg's name)
        async with asyncio.timeout(timeout):
            await self._slots.acquire()
        try:
            return await self._take()
        except BaseException:
            self._slots.release()
            raise

    async def release(self, connection: SimulatedConnection) -> None:
        if connection.is_closed() or connection.is_in_transaction():
            await self._hang_up(connection)
        else:
            self._free.append(connection)
        self._slots.release()

    async def connect(self) -> SimulatedConnection:
        """A connection of its own, as the sealer has one."""
        await self._travel()
        self._wire.tell(f"{self.name} connects")
        with self._wire.loop.really():
            connection = await asyncpg.connect(
                self._wire.dsn, connection_class=SimulatedConnection, server_settings=APPLICATION_SETTINGS
            )
        connection.process = self
        self._open.add(connection)
        return connection

    async def _take(self) -> SimulatedConnection:
        while self._free:
            connection = self._free.pop()
            if not connection.is_closed():
                return connection
            self._open.discard(connection)
        return await self.connect()

    # As a process

    def start(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Run a part of the program in this process."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.append(task)
        return task

    def failed(self) -> list[BaseException]:
        """What ended parts of this process that should run for ever."""
        ended = [task for task in self._tasks if task.done() and not task.cancelled()]
        return [error for task in ended if (error := task.exception()) is not None]

    def stop_for(self, seconds: float) -> None:
        """As by SIGSTOP: nothing leaves and nothing reaches the process, while the world goes on."""
        self._wire.tell(f"{self.name} stops for {seconds:.1f} s")
        self._sleeps_until_s = self._wire.loop.time() + seconds

    async def kill(self) -> None:
        """As by SIGKILL: what was not committed is gone, and nobody cleans up."""
        self._wire.tell(f"{self.name} is killed")
        self._alive = False
        for connection in list(self._open):
            await self._hang_up(connection)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def say(self, connection: SimulatedConnection, query: str, send: Send) -> Any:
        """Send one statement: it travels, is done, and its answer travels back; each may fail."""
        weather, chance = self._wire.chance.weather, self._wire.chance
        await self._travel()
        if chance.happens(weather.cut_before):
            await self._hang_up(connection)
            raise Cut(f"{self.name}: cut before {_short(query)}")
        if connection.is_closed():
            raise Cut("the connection is closed")
        self._wire.tell(f"{self.name} {_short(query)}")
        answer = await self._carried(connection, send)
        if chance.happens(weather.cut_after):
            await self._hang_up(connection)
            raise Cut(f"{self.name}: cut after {_short(query)}")
        await self._travel()
        return answer

    async def _carried(self, connection: SimulatedConnection, send: Send) -> Any:
        """Done to its end also when the caller gives up meanwhile, as a cancellation that comes too late."""
        doing = asyncio.ensure_future(self._wire.carry(connection.get_server_pid(), send))
        try:
            return await asyncio.shield(doing)
        except asyncio.CancelledError:
            with suppress(Exception):
                await doing
            raise

    async def _travel(self) -> None:
        weather, chance = self._wire.chance.weather, self._wire.chance
        await asyncio.sleep(weather.slow_s if chance.happens(weather.slow) else chance.between(0, weather.latency_s))
        while (left_s := self._sleeps_until_s - self._wire.loop.time()) > 0:
            await asyncio.sleep(left_s)
        if not self._alive:
            raise Cut(f"{self.name} is dead")

    async def _hang_up(self, connection: SimulatedConnection) -> None:
        self._open.discard(connection)
        if not connection.is_closed():
            server_pid = connection.get_server_pid()
            connection.terminate()
            await self._wire.hang_up(server_pid)


def _short(query: str) -> str:
    return " ".join(query.split())[:60]

"""What goes on in the simulated world: writers that commit work, workers that do it, and fates that hurt both."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sahut.db import AWAY, CONFLICT, Connection, transaction
from sahut.work import (
    ClockHandler,
    Deadline,
    DeadlineWatch,
    EventRow,
    Job,
    JobKind,
    JobRow,
    JobRunner,
    Retry,
    Sealer,
    Signer,
    append_event,
    enqueue,
    keep_deadline,
    open_deadline,
    policy_in_force,
)
from sahut_lab.simulation.processes import Process
from sahut_lab.simulation.wire import Wire

TICK_S, RING_LOST = 1.0, 0.3
LEASE_AND_MORE_S = 12.0
FLAKY_ATTEMPTS = 2
KINDS = ("sim_plain", "sim_plain", "sim_plain", "sim_chain", "sim_flaky", "sim_slow", "sim_poison")
LONG_WAIT = timedelta(days=7)  # five business days

CLOCK, CLOCK_S, KEPT = "sim", 30, 0.5
SUBJECTS = 10_000  # of each writer


@dataclass
class Told:
    """What the writers were told by the database: the keys whose commit was answered, and how many were not."""

    committed: list[str] = field(default_factory=list)
    unknown: int = 0


class Broken(Exception):
    """The handler fails because its job says so."""


def kinds() -> list[JobKind]:
    """What the jobs do to the tables, all of it in the transaction of the job."""

    async def effect(connection: Connection, job: Job) -> None:
        await connection.execute("insert into simulation.effect (key, attempt) values ($1, $2)", job.key, job.attempts)
        await append_event(connection, EventRow("sim", 0, "done", {"key": job.key}))

    async def chain(connection: Connection, job: Job) -> None:
        await effect(connection, job)
        after = f"{job.key}:after"
        await connection.execute("insert into simulation.fact (key, kind) values ($1, 'sim_plain')", after)
        await enqueue(connection, JobRow("sim_plain", after, {}), wait_s=2)

    async def flaky(connection: Connection, job: Job) -> None:
        await effect(connection, job)
        if job.attempts <= FLAKY_ATTEMPTS:
            raise Broken

    async def slow(connection: Connection, job: Job) -> None:
        await effect(connection, job)
        await asyncio.sleep(LEASE_AND_MORE_S)

    async def poison(connection: Connection, job: Job) -> None:
        await effect(connection, job)
        raise Broken

    return [
        JobKind("sim_plain", effect, together=10, at_once=2),
        JobKind("sim_chain", chain, at_once=2),
        JobKind("sim_flaky", flaky, at_once=2),
        JobKind("sim_slow", slow, at_once=2),
        JobKind("sim_poison", poison, at_once=1, retry=Retry(most_attempts=4, most_s=10)),
    ]


async def broken(connection: Connection, clocks: Sequence[Deadline], _now: datetime) -> None:
    """What follows when clocks break: an effect for each, in the transaction of the marks."""
    for clock in clocks:
        key = f"clock:{clock.subject}"
        await connection.execute("insert into simulation.effect (key, attempt) values ($1, 0)", key)


class Worker:
    """A `work` process: jobs, and the sealer or standing by to be it."""

    def __init__(self, name: str, wire: Wire, signer: Signer, ring: "Bell") -> None:
        self._name, self._wire, self._signer, self._ring = name, wire, signer, ring
        self._failed_before: list[BaseException] = []
        self.process = self._born()

    def _born(self) -> Process:
        process = Process(self._name, self._wire)
        runner = JobRunner(process, kinds(), name=self._name)  # type: ignore[arg-type]
        watch = DeadlineWatch(process, {CLOCK: ClockHandler(broken=broken)})  # type: ignore[arg-type]
        process.start(runner.run())
        process.start(watch.run())
        process.start(self._seal(process))
        self._ring.hang(self._name, runner.wake)
        return process

    def failed(self) -> list[BaseException]:
        """What ended parts of this process and of those that had its name before, although nobody had killed them."""
        return self._failed_before + self.process.failed()

    async def kill(self, again_in_s: float) -> None:
        """Kill it; a new process of its name begins after a while."""
        self._failed_before = self.failed()
        await self.process.kill()
        await asyncio.sleep(again_in_s)
        self.process = self._born()

    async def _seal(self, process: Process) -> None:
        """As `run_sealer` does it, but for the timers of the server, which go by real time."""
        while True:
            with suppress(*AWAY):
                sealer = Sealer(await process.connect(), self._signer, None)
                await sealer.wait_for_turn()
                while True:
                    await sealer.tick()
                    await sealer.sign(process.now())
                    self._ring.ring()
                    await asyncio.sleep(TICK_S)
            await asyncio.sleep(TICK_S)


class Bell:
    """Rings everybody, or not: a lost ring may cost time only."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._hearers: dict[str, Callable[[], None]] = {}

    def hang(self, name: str, hear: Callable[[], None]) -> None:
        self._hearers[name] = hear

    def ring(self) -> None:
        for hear in self._hearers.values():
            if not self._wire.chance.happens(RING_LOST):
                hear()


class _RolledBack(Exception):
    """The writer changes its mind."""


class Writer:
    """Commits jobs, events and clocks, some in transactions that stay open for long or are rolled back."""

    def __init__(self, number: int, wire: Wire, told: Told) -> None:
        self._name, self._first_subject = f"writer-{number}", number * SUBJECTS
        self._wire, self._told = wire, told
        self.process = Process(self._name, wire)

    async def write(self, count: int) -> None:
        """`count` transactions, one after the other; half of their clocks are kept after a while."""
        for number in range(count):
            await asyncio.sleep(self._wire.chance.between(0, 2))
            key, subject = f"{self._name}:{number}", self._first_subject + number
            try:
                await self._one(key, subject)
            except _RolledBack:
                continue
            except (*AWAY, *CONFLICT):
                self._told.unknown += 1
            else:
                self._told.committed.append(key)
                if self._wire.chance.happens(KEPT):
                    self.process.start(self._keep(subject, self._wire.chance.between(0, 2 * CLOCK_S)))

    async def _one(self, key: str, subject: int) -> None:
        chance = self._wire.chance
        kind = chance.one_of([*KINDS])
        wait_s = LONG_WAIT.total_seconds() if chance.happens(0.1) else chance.between(0, 20)
        async with transaction(self.process) as connection:  # type: ignore[arg-type]
            await connection.execute("insert into simulation.fact (key, kind) values ($1, $2)", key, kind)
            for _ in range(chance.whole(1, 3)):
                await append_event(connection, EventRow("sim", 1, "written", {"key": key}))
            await enqueue(connection, JobRow(kind, key, {}), wait_s=wait_s)
            policy = await policy_in_force(connection, CLOCK, self.process.now())
            await open_deadline(connection, policy=policy, subject=subject, opened_at=self.process.now())
            await connection.execute("insert into simulation.clocked (subject) values ($1)", subject)
            if chance.happens(0.15):
                await asyncio.sleep(chance.between(0, 15))
            if chance.happens(0.1):
                raise _RolledBack

    async def _keep(self, subject: int, after_s: float) -> None:
        await asyncio.sleep(after_s)
        with suppress(*AWAY, *CONFLICT):
            async with transaction(self.process) as connection:  # type: ignore[arg-type]
                await keep_deadline(connection, kind=CLOCK, subject=subject, now=self.process.now())


async def fates(wire: Wire, workers: list[Worker], for_s: float) -> None:
    """Until the time is over: kill, stop, and set clocks wrong."""
    chance, weather = wire.chance, wire.chance.weather
    until = wire.loop.time() + for_s
    while wire.loop.time() < until:
        await asyncio.sleep(chance.between(2, 12))
        worker = workers[chance.whole(0, len(workers) - 1)]
        if chance.happens(weather.kill):
            await worker.kill(again_in_s=chance.between(0.2, 8))
        elif chance.happens(weather.pause):
            worker.process.stop_for(chance.between(1, weather.pause_s))
        elif chance.happens(weather.clock_jump):
            worker.process.ahead_s = chance.between(-weather.clock_jump_s, weather.clock_jump_s)
            wire.tell(f"{worker.process.name} is {worker.process.ahead_s:.0f} s ahead")

"""One run: a fresh database, a seed, some minutes of virtual time, then peace, and the question whether all holds."""

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from random import seed as seed_product
from typing import Any

import asyncpg

from sahut.app.engines import app_dsn, superuser_dsn
from sahut.work import Signer
from sahut_lab.simulation import verdicts
from sahut_lab.simulation.chance import CALM, Chance, Weather
from sahut_lab.simulation.life import Bell, Told, Worker, Writer, fates
from sahut_lab.simulation.loop import VirtualLoop
from sahut_lab.simulation.wire import Wire

EPOCH = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
ROUGH_S, WRITES, WRITERS, WORKERS = 60.0, 20, 3, 3
PEACE_AT_MOST, PEACE_LOOK_S = 400, 2
FAR_S = 30  # beyond all leases: time that jumps must not take a job from who runs it
# The clock is an unlogged sequence, because setting it takes no transaction id: ids that pass by would hide from the
# sealer exactly what it must not get wrong.
_GROUND = """
    create schema simulation;
    create unlogged sequence simulation.clock;
    create table simulation.fact (key text not null, kind text not null);
    create table simulation.clocked (subject bigint not null);
    create table simulation.effect (
        key text not null, attempt int not null, at timestamptz not null default work.clock());
    grant usage on schema simulation to public;
    grant select on simulation.clock to public;  -- whoever asks work.clock(), also as owner
    grant insert on simulation.fact, simulation.effect, simulation.clocked to sahut_app;
    create or replace function work.clock() returns timestamptz language sql volatile
        as 'select ''epoch''::timestamptz + last_value * interval ''1 microsecond'' from simulation.clock';
    insert into work.deadline_policy (name, version, valid_from, kind, audience, measure, length, warn_before_s)
    values ('sim', 1, 'epoch', 'sim', 'house', 'wall', 30, '{20,10}');
"""


def run(home: Path, template: str, *, seed: int, weather: Weather | None = None) -> dict[str, Any]:
    """One run of one seed on the engine of `home`; `template` is a migrated database. A verdict as of a trial."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(_run(home, template, seed, weather or Weather()))


async def _run(home: Path, template: str, seed: int, weather: Weather) -> dict[str, Any]:
    began = time.monotonic()
    name = f"simulation_{seed}"
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    seed_product(seed)  # the product draws its pauses from the common source
    with loop.really():
        above = await asyncpg.connect(superuser_dsn(home, "postgres"))
        await above.execute(f"drop database if exists {name} with (force)")
        await above.execute(f"create database {name} template {template}")
        control = await asyncpg.connect(superuser_dsn(home, name))
        await control.execute(_GROUND)
        await control.execute("select setval('simulation.clock', $1)", int(EPOCH.timestamp()) * 1_000_000)
        await control.execute("select work.make_log_partitions()")  # the log's months are those of the virtual time
    chance, told = Chance(seed, weather), Told()
    wire = Wire(app_dsn(home, name), control, chance, EPOCH)
    try:
        await _live(wire, told)
        with loop.really():
            verdict = await verdicts.judge(control, told, seed)
    finally:
        with loop.really():
            await control.close()
            await above.execute(f"drop database if exists {name} with (force)")
            await above.close()
    verdict.count(
        steps=chance.steps,
        digest=chance.digest,
        virtual_s=round(loop.time()),
        real_s=round(time.monotonic() - began, 1),
    )
    answer = verdict.as_dict()
    if not answer["passed"]:
        answer["replay"] = f"sahut trial simulation --seed {seed} --size 1"
        answer["last_words"] = chance.last_words[-60:]
    return answer


async def _live(wire: Wire, told: Told) -> None:
    ring = Bell(wire)
    signer = Signer.from_seed(bytes(32))
    workers = [Worker(f"work-{number}", wire, signer, ring) for number in range(WORKERS)]
    writers = [Writer(number, wire, told) for number in range(WRITERS)]
    async with asyncio.timeout(ROUGH_S * 20):
        await asyncio.gather(fates(wire, workers, ROUGH_S), *(writer.write(WRITES) for writer in writers))
    wire.chance.weather = CALM
    wire.tell("peace")
    for worker in workers:
        worker.process.ahead_s = 0.0
    await _quiet(wire)
    for worker in workers:
        assert not worker.failed(), worker.failed()
        await worker.process.kill()
    for writer in writers:
        assert not writer.process.failed(), writer.process.failed()
        await writer.process.kill()


async def _quiet(wire: Wire) -> None:
    """Let the work be finished; what is due in days is due now."""
    for _ in range(PEACE_AT_MOST):
        await asyncio.sleep(PEACE_LOOK_S)
        left = (await wire.ask(verdicts.LEFT))[0]
        if left["jobs"] == left["unsealed"] == left["running"] == 0:
            return
        if left["due_in_s"] is not None and left["due_in_s"] > FAR_S:
            wire.database_ahead_s += left["due_in_s"]

"""L1: the house is killed at random moments while customers pay and write and everybody watches.

Web, worker, sealer, database, and everything at once with `up` itself; a web process that hangs with its locks; two web
processes post at the same time, and somebody keeps long transactions open beside it. What was acknowledged must be
there, once, and shown once.
"""

import asyncio
import json
import os
import random
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from sahut_lab.demo import OPENING_MINOR
from sahut_lab.house import TREE, RunningHouse, temporary_home
from sahut_lab.outside import ask
from sahut_lab.trial import books as verdict_by_books
from sahut_lab.trial.load import World, open_world
from sahut_lab.trial.screens import judge_screens, missing
from sahut_lab.trial.strikes import VICTIMS, LongTransaction, Strike, strike
from sahut_lab.trial.verdict import Verdict

KILLS = 10
WEB, WORK = 2, 2
BACK_WITHIN_S = 10.0
DRAIN_WITHIN_S = 30.0  # a job whose worker was killed waits for the end of its lease
SHOWN_WITHIN_S = 5.0
CALM_S, LONG_S = 2.0, 4.5

__all__ = ["KILLS", "VICTIMS", "trial"]


async def trial(*, seed: int, kills: int = KILLS, victims: Sequence[str] = VICTIMS) -> dict[str, Any]:
    """Run it once. `kills`: how often; `victims`: who may be hit, each about equally often, in random order."""
    verdict, chance, began = Verdict("L1", seed), random.Random(seed), time.monotonic()
    async with _running_house() as house:
        world = open_world(house.port, seed, house.home)
        reporting = None
        try:
            await world.sign_everybody_in()
            world.start()
            await _beside_a_long_transaction(house, world, verdict)
            long = LongTransaction(house)
            reporting = asyncio.create_task(long.keep_open(3.0))
            strikes = await _strike_all(house, _plan(kills, victims, chance), chance)
            await world.settle()
            await _come_to_rest(house, world, verdict)
            _judge_strikes(strikes, verdict)
            verdict.count(long_transactions=long.opened)
            await _judge(house, world, verdict)
        finally:
            if reporting is not None:
                reporting.cancel()
            await world.end()
    verdict.count(seconds=round(time.monotonic() - began, 1))
    return verdict.as_dict()


@asynccontextmanager
async def _running_house() -> AsyncIterator[RunningHouse]:
    with temporary_home("kill-trial") as home:
        house = RunningHouse(home, web=WEB, work=WORK)
        try:
            house.start()
            await house.await_ready()
            await house.await_whole(without=set())
            yield house
        finally:
            await house.stop()


def _plan(kills: int, victims: Sequence[str], chance: random.Random) -> list[str]:
    """Every victim as often as the others, in an order that nobody knows."""
    plan = [victims[number % len(victims)] for number in range(kills)]
    chance.shuffle(plan)
    return plan


async def _beside_a_long_transaction(house: RunningHouse, world: World, verdict: Verdict) -> None:
    """Nothing is killed here: what is acknowledged while the transaction is open is shown before it ends."""
    web_before = await _posting_sessions(house)
    holding = asyncio.create_task(LongTransaction(house).hold(LONG_S))
    await asyncio.sleep(CALM_S)
    meanwhile = list(world.outcomes())
    await asyncio.sleep(LONG_S - CALM_S - 0.5)
    still_missing = missing(world, meanwhile)
    was_open = not holding.done()
    await holding
    verdict.must(was_open and len(meanwhile) > 0, "nothing happened while the long transaction was open")
    verdict.count(acknowledged_beside_a_long_transaction=len(meanwhile))
    verdict.must_be_zero(waited_behind_a_long_transaction=len(still_missing))
    posted = {name for name, moments in (await _posting_sessions(house)).items() if moments - web_before[name]}
    verdict.count(web_processes_that_worked=len(posted))
    verdict.must(len(posted) == WEB, f"only {sorted(posted)} had work: the load did not reach all web processes")


async def _posting_sessions(house: RunningHouse) -> dict[str, set[object]]:
    """Name of a web process → the moments at which its sessions last did something."""
    connection = await asyncpg.connect(house.superuser_dsn)
    try:
        rows = await connection.fetch(
            "select application_name, query_start from pg_stat_activity where application_name like 'web-%'"
        )
    finally:
        await connection.close()
    found: dict[str, set[object]] = defaultdict(set)
    for row in rows:
        found[row["application_name"].split()[0]].add(row["query_start"])
    return found


async def _strike_all(house: RunningHouse, plan: list[str], chance: random.Random) -> list[Strike]:
    strikes = []
    for victim in plan:
        await asyncio.sleep(chance.uniform(0.3, 1.5))
        strikes.append(await strike(house, victim, chance))
    await asyncio.sleep(0.5)
    return strikes


def _judge_strikes(strikes: list[Strike], verdict: Verdict) -> None:
    slowest: dict[str, dict[str, float]] = {}
    for one in strikes:
        worst = slowest.setdefault(one.victim, {"ready_s": 0.0, "whole_s": 0.0, "goes_on_s": 0.0})
        for name in worst:
            worst[name] = max(worst[name], round(getattr(one, name), 2))
    verdict.count(kills=len(strikes), processes_killed=sum(one.killed for one in strikes), slowest=slowest)
    for one in strikes:
        late = max(one.ready_s, one.whole_s, one.goes_on_s)
        verdict.must(
            late <= BACK_WITHIN_S, f"after the strike at {one.victim} it took {late:.1f} s until all was as before"
        )


async def _come_to_rest(house: RunningHouse, world: World, verdict: Verdict) -> None:
    """Wait until every job is done, everything is sealed and every screen has been told, at most 30 s.

    What no screen was told within five seconds after the last job and seal will not come any more.
    """
    outcomes = list(world.outcomes())
    connection = await asyncpg.connect(house.superuser_dsn)
    began = done_at = time.monotonic()
    try:
        while (now := time.monotonic()) - began < DRAIN_WITHIN_S:
            await asyncio.sleep(0.1)
            left = await connection.fetchrow(verdict_by_books.LEFT_OVER)
            assert left is not None
            if left["waiting"] or left["unsealed"]:
                done_at = now
            elif not missing(world, outcomes) or now - done_at > SHOWN_WITHIN_S:
                break
    finally:
        await connection.close()
    await asyncio.sleep(0.5)  # what would be shown twice is shown now
    verdict.count(drained_s=round(time.monotonic() - began, 1))


async def _judge(house: RunningHouse, world: World, verdict: Verdict) -> None:
    books = await verdict_by_books.read_books(house.superuser_dsn)
    outcomes = list(world.outcomes())
    verdict_by_books.judge_transfers(books, outcomes, world.deeds, verdict)
    verdict_by_books.judge_sums(books, verdict)
    verdict_by_books.judge_contacts(books, outcomes, world.deeds, verdict)
    verdict_by_books.judge_log(books, verdict)
    judge_screens(world, books, verdict)
    wrong = 0
    for phone, balance in verdict_by_books.wallets_by_journal(outcomes, OPENING_MINOR).items():
        wallet = (await ask(world.customers[phone].talk, "GET", "/api/v1/wallet")).json()
        wrong += wallet["balance_minor"] != balance
    complaints = world.complaints()
    verdict.must_be_zero(wallets_that_differ_from_the_journal=wrong, complaints=len(complaints))
    verdict.failures += sorted(set(complaints))[:10]
    verdict.count(answers=dict(sorted(world.counts().items())), faults_logged=dict(house.faults_logged()))
    code, said = await _audit(house)
    verdict.count(audit_exit_code=code)
    verdict.must(code == 0, f"`sahut audit` found: {said}")


async def _audit(house: RunningHouse) -> tuple[int, str]:
    """The product's own auditor, as an operator runs it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sahut", "audit", "--json",
        env={**os.environ, "PYTHONPATH": str(TREE), "SAHUT_HOME": str(house.home), "SAHUT_PORT": str(house.port)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, complained = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode is not None
    try:
        return process.returncode, json.dumps(json.loads(said))[:2000]
    except json.JSONDecodeError:
        return process.returncode, (said + complained).decode(errors="replace")[-2000:]

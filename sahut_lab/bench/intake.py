"""`bench intake`: messages acknowledged over HTTP by a real `sahut up`, beside the bare rows by pgbench.

Each acknowledgement is counted again as a row. The reference writes contact, event and job and nothing else: no HTTP,
no masking, no receipt, no step after it; ours has the work processes doing the next step all the while.
"""

import asyncio
import time
from collections import defaultdict
from contextlib import AsyncExitStack
from typing import Any

import asyncpg

from sahut_lab.bench.child import said_by
from sahut_lab.bench.load_client import WARM_UP_S
from sahut_lab.bench.pgbench import checkpoint, pgbench, prepare
from sahut_lab.bench.report import Figure, figure, reference_hashes, report
from sahut_lab.demo import PEOPLE
from sahut_lab.house import RunningHouse, temporary_home
from sahut_lab.outside import sign_in

CLIENT = "sahut_lab.bench.load_client"
CONNECTIONS, ROUNDS, SECONDS = 64, 3, 4
REST_WITHIN_S = 60.0

Said = dict[tuple[str, int], list[dict[str, float]]]


async def bench(*, quick: bool, size: int | None) -> dict[str, Any]:
    rounds, length = (1, 1) if quick else (ROUNDS, size or SECONDS)
    ours: Said = defaultdict(list)
    beside: list[float] = []
    for _ in range(rounds):
        for web in (1,) if quick else (1, 2):
            await _round(web, length, ours, beside)
    figures = [one for (who, web), said in sorted(ours.items()) for one in _figures(who, web, said, beside)]
    lost = sum(one["lost"] for said in ours.values() for one in said)
    refused = sum(one["refused"] for said in ours.values() for one in said)
    figures += [figure("acknowledged and not a row", [lost], "messages"), figure("refused", [refused], "messages")]
    return report(
        "intake", figures, rounds=rounds, seconds_each=length, connections=CONNECTIONS, references=reference_hashes()
    )


async def _round(web: int, length: int, ours: Said, beside: list[float]) -> None:
    """A fresh house; ours signed out, the reference, ours signed in."""
    async with AsyncExitStack() as ends:
        home = ends.enter_context(temporary_home("bench-intake"))
        house = RunningHouse(home, web=web, work=2)
        ends.push_async_callback(house.stop)
        house.start()
        await house.await_ready()
        await house.await_whole(without=set())
        await prepare(home)
        ours["not signed in", web].append(await _ours(house, length, ""))
        await checkpoint(home)
        beside.append(await pgbench(home, "contact_rows.sql", clients=CONNECTIONS, seconds=length))
        talk = await sign_in(house.port, PEOPLE[0].phone, PEOPLE[0].pin)
        ours["signed in", web].append(await _ours(house, length, talk.token))


async def _ours(house: RunningHouse, length: int, token: str) -> dict[str, float]:
    await checkpoint(house.home)
    before, used = await _rows(house), house.cpu_seconds()
    said: dict[str, float] = await said_by(CLIENT, house.port, CONNECTIONS, length, *([token] if token else []))
    taken = {role: seconds - used[role] for role, seconds in house.cpu_seconds().items()}
    said |= {f"{role}_cpu": seconds / (length + WARM_UP_S) for role, seconds in taken.items()}
    rows = await _rows(house) - before
    said["lost"] = said["acknowledged"] - rows
    said["drained_s"] = await _rest(house)
    return said


async def _rows(house: RunningHouse) -> int:
    connection = await asyncpg.connect(house.app_dsn)
    try:
        count: int = await connection.fetchval("select count(*) from care.contact")
        return count
    finally:
        await connection.close()


async def _rest(house: RunningHouse) -> float:
    """Seconds until every message is in its case, so that the next round does not pay for this one."""
    connection = await asyncpg.connect(house.app_dsn)
    began = time.monotonic()
    try:
        while time.monotonic() - began < REST_WITHIN_S:
            if not await connection.fetchval("select exists (select from work.job where buried_at is null)"):
                break
            await asyncio.sleep(0.1)
    finally:
        await connection.close()
    return time.monotonic() - began


def _figures(who: str, web: int, said: list[dict[str, float]], beside: list[float]) -> list[Figure]:
    kind = f"{who}, {web} web process{'es' if web > 1 else ''}"
    reference = f"contact_rows.sql, {CONNECTIONS} clients"
    return [
        figure(f"messages acknowledged, {kind}", [one["per_s"] for one in said], "per s", reference, beside),
        figure(f"acknowledged in, p50, {kind}", [one["p50_ms"] for one in said], "ms"),
        figure(f"acknowledged in, p99, {kind}", [one["p99_ms"] for one in said], "ms"),
        figure(f"all in their cases after, {kind}", [one["drained_s"] for one in said], "s"),
        *(
            figure(f"taken by {role}, {kind}", [one[f"{role}_cpu"] for one in said], "cores")
            for role in ("client", "web", "work", "postgres")
        ),
    ]

"""`bench ledger`: durable transfers through the full ledger in process, beside the references by pgbench."""

import asyncio
import os
import signal
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from sahut.app.child import Child
from sahut.app.engines import app_dsn, superuser_dsn
from sahut.bedrock import currency_number
from sahut.db import open_pool, transaction
from sahut.ledger import Ledger, Transfer, TransferKind, open_account
from sahut_lab.bench.child import said_by
from sahut_lab.bench.pgbench import checkpoint, clients_for, pgbench, prepare
from sahut_lab.bench.report import Figure, figure, reference_hashes, report
from sahut_lab.house import TREE, bare_database

POSTER = "sahut_lab.bench.poster"
ACCOUNTS = 1001
FUNDS_MINOR = 10**11
ROUNDS, SECONDS = 3, 2
CALLERS, QUICK_CALLERS = (1, 16, 256, 1000), (16,)
REFERENCE_AT_MOST = 256  # clients; a thousand sessions are not a reference for anything
KEPT = ("ledger.transfer", "ledger.batch", "work.idempotency", "work.event", "work.job", "work.seal", "work.tile")

Rounds = dict[tuple[Any, ...], list[dict[str, float]]]


async def bench(*, quick: bool, size: int | None) -> dict[str, Any]:
    rounds, length, callers = (1, 1, QUICK_CALLERS) if quick else (ROUNDS, size or SECONDS, CALLERS)
    async with bare_database("bench-ledger") as home:
        await _fund(home)
        await prepare(home)
        ours, beside = await _alternate(home, callers, rounds, length)
        figures = _figures(ours, beside, callers)
        figures += await _two_at_once(home, rounds, length, 16 if quick else 128)
        figures += await _bytes(home, length)
    return report("ledger", figures, rounds=rounds, seconds_each=length, references=reference_hashes())


async def _fund(home: Path) -> None:
    """1,001 customers with money, through the ledger itself."""
    pool = await open_pool(app_dsn(home), size=2, name="lab-fund")
    try:
        async with transaction(pool) as connection:
            house = await open_account(connection, kind="safeguarding", currency="IDR")
            accounts = [
                await open_account(connection, kind="customer", currency="IDR", owner=owner)
                for owner in range(1, ACCOUNTS + 1)
            ]
        ledger = Ledger(pool)
        await asyncio.gather(*(ledger.post(_opening(house, account)) for account in accounts))
        await ledger.batcher.close()
    finally:
        await pool.close()
    connection = await asyncpg.connect(superuser_dsn(home, "sahut"))
    await connection.execute("vacuum analyze")
    await connection.close()


def _opening(house: int, account: int) -> Transfer:
    return Transfer(
        principal=0,
        key=UUID(int=account),
        debit=house,
        credit=account,
        amount_minor=FUNDS_MINOR,
        currency=currency_number("IDR"),
        kind=TransferKind.DEMO_OPENING,
    )


async def _alternate(home: Path, callers: tuple[int, ...], rounds: int, length: int) -> tuple[Rounds, Rounds]:
    """Ours and the reference in turn: (riders, hot, callers) → rounds, and (script, hot, clients) → rounds."""
    ours, beside = defaultdict(list), defaultdict(list)
    for _ in range(rounds):
        for hot in (False, True):
            for count in callers:
                for riders in (False, True):
                    ours[riders, hot, count].append(await _ours(home, count, hot, riders, length))
                if count <= REFERENCE_AT_MOST:
                    for script in ("one_function", "naive_transfer"):
                        await checkpoint(home)
                        clients = await clients_for(home, count)
                        tps = await pgbench(home, f"{script}.sql", clients=clients, seconds=length, hot=hot)
                        beside[script, hot, count].append({"per_s": tps, "clients": clients})
    return ours, beside


async def _ours(home: Path, callers: int, hot: bool, riders: bool, length: float) -> dict[str, float]:
    """One round; with riders the sealer runs beside it."""
    await checkpoint(home)
    sealer = _sealer(home) if riders else None
    try:
        answer: dict[str, float] = await said_by(POSTER, home, callers, int(hot), int(riders), length)
        return answer
    finally:
        if sealer is not None:
            await sealer.end(signal.SIGKILL, grace_s=5)


def _sealer(home: Path) -> Child:
    with (home / "lab-sealer.log").open("ab") as output:
        return Child.start(
            "sealer",
            [sys.executable, "-m", "sahut_lab.trial.sealer_process", home, "lab-sealer"],
            death_signal=signal.SIGKILL,
            environment={"PATH": os.environ["PATH"], "PYTHONPATH": str(TREE)},
            output=output.fileno(),
        )


def _figures(ours: Rounds, beside: Rounds, callers: tuple[int, ...]) -> list[Figure]:
    figures = []
    for (riders, hot, count), rounds in sorted(ours.items()):
        kind = f"{'hot' if hot else 'spread'}, {count} callers{', event and job riders, sealer' if riders else ''}"
        reference = beside.get(("one_function", hot, count), [])
        floor = [one["per_s"] for one in reference]
        name = f"one_function.sql, {reference[0]['clients']:.0f} clients" if reference else None
        figures.append(figure(f"transfers, {kind}", [one["per_s"] for one in rounds], "per s", name, floor))
        figures += [
            figure(f"answer {point}, {kind}", [one[f"{point}_ms"] for one in rounds], "ms") for point in ("p50", "p99")
        ]
    for hot in (False, True):
        for count in (one for one in callers if one <= REFERENCE_AT_MOST):
            reference = beside["naive_transfer", hot, count]
            naive, clients = [one["per_s"] for one in reference], f"{reference[0]['clients']:.0f} clients"
            full = [one["per_s"] for one in ours[False, hot, count]]
            kind = f"{'hot' if hot else 'spread'}, {count} callers, beside naive"
            figures.append(figure(f"transfers, {kind}", full, "per s", f"naive_transfer.sql, {clients}", naive))
    largest = max(callers)
    spread = [one["per_s"] for one in ours[False, False, largest]]
    hot_rounds = [one["per_s"] for one in ours[False, True, largest]]
    figures.append(figure(f"hot beside spread, {largest} callers", hot_rounds, "per s", "ours, spread", spread))
    return figures


async def _two_at_once(home: Path, rounds: int, length: int, callers: int) -> list[Figure]:
    """P1m: two processes that post at the same time, against one with as many callers together."""
    both, alone = [], []
    for _ in range(rounds):
        one = await _ours(home, callers * 2, False, False, length)
        alone.append(one["per_s"])
        await checkpoint(home)
        pair = await asyncio.gather(*(said_by(POSTER, home, callers, 0, 0, length) for _ in range(2)))
        both.append(sum(half["per_s"] for half in pair))
    what = f"transfers, two processes of {callers} callers"
    return [figure(what, both, "per s", f"one process of {callers * 2} callers", alone)]


async def _bytes(home: Path, length: int) -> list[Figure]:
    """Disk and write-ahead log for each transfer with riders, right after a checkpoint (so with page images)."""
    connection = await asyncpg.connect(superuser_dsn(home, "sahut"))
    try:
        await connection.execute("checkpoint")
        before = await _sizes(connection)
        await said_by(POSTER, home, 256, 0, 1, length)
        after = await _sizes(connection)
    finally:
        await connection.close()
    count = after["transfers"] - before["transfers"]
    disk = sum(after[name] - before[name] for name in KEPT) / count
    wal = (after["wal"] - before["wal"]) / count
    return [
        figure("disk for each transfer with riders, heap and indexes", [disk], "bytes"),
        figure("write-ahead log for each transfer with riders", [wal], "bytes"),
    ]


async def _sizes(connection: "asyncpg.Connection[asyncpg.Record]") -> dict[str, int]:
    found = {
        "transfers": await connection.fetchval("select count(*) from ledger.transfer"),
        "wal": await connection.fetchval("select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"),
    }
    for name in KEPT:
        found[name] = await connection.fetchval(
            """select coalesce(sum(pg_total_relation_size(relid)), 0)::bigint
                 from pg_partition_tree($1::regclass) where isleaf""",
            name,
        ) or await connection.fetchval("select pg_total_relation_size($1::regclass)", name)
    return found

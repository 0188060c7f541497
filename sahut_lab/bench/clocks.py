"""`bench clocks`: looking after hundreds of thousands of running clocks, and remembering and forgetting answers."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any
from uuid import uuid4

import asyncpg

from sahut.app.engines import app_dsn, owner_dsn
from sahut.bedrock import FixedClock
from sahut.db import Pool, open_pool
from sahut.work import ClockHandler, DeadlineWatch, forget_answers
from sahut_lab.bench.report import Figure, figure, report
from sahut_lab.house import bare_database

ROUNDS, CLOCKS, QUICK_CLOCKS = 5, 400_000, 4_000
KINDS = ("answer", "follow_up", "refund_due", "hold_end")
_HASH = bytes(16)

_RUNNING = """
    insert into work.deadline (kind, subject, audience, policy, opened_at, due_at)
    select ($1::text[])[1 + n % 4], n, 'house', 'bench', $2::timestamptz,
           $2::timestamptz + n * interval '1 ms' from generate_series(1, $3::int) n"""
_ONE_STATEMENT = """
    with broken as (
        update work.deadline set broken_at = $1 where kept_at is null and broken_at is null and due_at < $1
        returning id, kind)
    insert into work.event (topic, subject, kind, body)
    select 'deadline', id, 'deadline_broken', jsonb_build_object('kind', kind) from broken"""
_KEYS = """
    insert into work.idempotency (principal, key, body_hash, answer, at)
    select 1, key, $1, 1, $2 from unnest($3::uuid[]) as key"""
_INDEX = "create index idempotency_at on work.idempotency (at)"


async def bench(*, quick: bool, size: int | None) -> dict[str, Any]:
    """`size`: how many clocks run. The database is the bench's own, so its owner may take tables and an index away."""
    count = size or (QUICK_CLOCKS if quick else CLOCKS)
    rounds = 1 if quick else ROUNDS
    async with bare_database("bench-clocks") as home:
        owner = await asyncpg.connect(owner_dsn(home))
        pool = await open_pool(app_dsn(home), size=2, name="bench")
        try:
            figures = [*await _looks(owner, pool, count, rounds), *await _breaks(owner, pool, count // 10, rounds)]
            figures += await _keys(owner, pool, count // 4, rounds)
        finally:
            await pool.close()
            await owner.close()
    return report("clocks", figures, rounds=rounds, clocks=count)


def _watch(pool: Pool, at: datetime) -> DeadlineWatch:
    return DeadlineWatch(pool, {kind: ClockHandler() for kind in KINDS}, clock=FixedClock(at))


async def _looks(owner: "asyncpg.Connection[Any]", pool: Pool, count: int, rounds: int) -> list[Figure]:
    noon = datetime.now(UTC)
    watch, times = _watch(pool, noon), 100

    async def look() -> None:
        for _ in range(times):
            await watch.look()

    empty = [await _seconds(look) * 1000 / times for _ in range(rounds)]
    await owner.execute(_RUNNING, KINDS, noon, count)
    await owner.execute("vacuum analyze work.deadline")
    full = [await _seconds(look) * 1000 / times for _ in range(rounds)]
    await owner.execute("truncate work.deadline")
    return [figure("a look of four kinds that finds nothing", full, "ms", "the same while no clock runs", empty)]


async def _breaks(owner: "asyncpg.Connection[Any]", pool: Pool, count: int, rounds: int) -> list[Figure]:
    """Batches of a hundred in commits of their own, beside all of it in one statement."""
    noon = datetime.now(UTC)
    late = noon + timedelta(days=1)
    ours: list[float] = []
    beside: list[float] = []
    for _ in range(rounds):
        for rates, work in (
            (ours, _watch(pool, late).look),
            (beside, lambda: owner.execute(_ONE_STATEMENT, late)),
        ):
            await owner.execute(_RUNNING, KINDS, noon, count)
            await owner.execute("vacuum analyze work.deadline")
            rates.append(count / await _seconds(work))
            await owner.execute("truncate work.deadline")
    return [figure("overdue clocks broken, in batches of 100", ours, "1/s", "all in one statement", beside)]


async def _keys(owner: "asyncpg.Connection[Any]", pool: Pool, count: int, rounds: int) -> list[Figure]:
    """Keys in batches of a thousand, with the index by which they are forgotten and without; then forgetting them."""
    noon = datetime.now(UTC)
    old = noon - timedelta(days=31)
    inserted: list[float] = []
    bare: list[float] = []
    forgotten: list[float] = []
    log: list[float] = []
    bare_log: list[float] = []

    async def insert() -> None:
        for number in range(count // 1000):
            at = old + number * timedelta(milliseconds=1)
            await owner.execute(_KEYS, _HASH, at, [uuid4() for _ in range(1000)])

    async def measured(rates: list[float], bytes_each: list[float]) -> None:
        began = await owner.fetchval("select pg_current_wal_insert_lsn()")
        rates.append(count / await _seconds(insert))
        written = await owner.fetchval("select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1)", began)
        bytes_each.append(float(written) / count)

    for _ in range(rounds):
        await owner.execute("truncate work.idempotency")
        await owner.execute("drop index work.idempotency_at")
        await measured(bare, bare_log)
        await owner.execute("truncate work.idempotency")
        await owner.execute(_INDEX)
        await measured(inserted, log)
        await owner.execute("analyze work.idempotency")
        forgotten.append(count / await _seconds(lambda: forget_answers(pool, batches_at_most=count)))
        assert await owner.fetchval("select count(*) from work.idempotency") == 0, "all of them were old"
    return [
        figure("keys inserted, 1,000 in a commit", inserted, "1/s", "without the index on their age", bare),
        figure("write-ahead log of a key", log, "bytes", "without the index on their age", bare_log),
        figure("answers forgotten, 1,000 in a commit", forgotten, "1/s", "inserted like that", inserted),
    ]


async def _seconds(work: Callable[[], Awaitable[Any]]) -> float:
    began = perf_counter()
    await work()
    return perf_counter() - began

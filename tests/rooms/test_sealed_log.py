"""The sealed log through the sealer's own door: every committed event gets one number, whatever happens around it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from sahut.db import Pool, open_connection
from sahut.work import (
    HEAD,
    LogDamaged,
    Sealer,
    Signer,
    append_event,
    head_bytes,
    listen,
    read_head,
    read_log,
    root_of,
    run_sealer,
    signature_is_good,
)
from tests.rooms.conftest import Connect
from tests.rooms.log import event, numbered, tell
from tests.rooms.world import SOON_S, until


async def test_events_get_their_numbers_in_the_order_of_insertion(pool: Pool, sealer: Sealer) -> None:
    async with pool.acquire() as connection:
        await tell(connection, "first", "second")
        await append_event(connection, event("third"))
        assert await read_log(connection, 0, 10) == []  # nobody sees what is not numbered

        assert await sealer.tick() == 3
        assert await sealer.tick() == 0

        entries = await read_log(connection, 0, 10)
        assert [(e.n, e.topic, e.subject, e.kind, e.body) for e in entries] == [
            (n, "care", 7, name, {"name": name}) for n, name in enumerate(["first", "second", "third"], start=1)
        ]
        assert [e.n for e in await read_log(connection, 1, 1)] == [2]
        assert await read_log(connection, 3, 10) == []
        assert (await read_head(connection)).n == 3


async def test_a_tick_takes_a_bounded_number_and_the_next_goes_on(pool: Pool, sealer: Sealer) -> None:
    await pool.execute("insert into work.event (topic, subject, kind, body) select 'care', 1, 'many', '{}' from"
                       " generate_series(1, 5001)")  # fmt: skip

    assert [await sealer.tick(), await sealer.tick(), await sealer.tick()] == [5_000, 1, 0]


async def test_a_long_open_transaction_holds_no_other_back_and_is_numbered_when_it_commits(
    pool: Pool, sealer: Sealer, connect: Connect, app_dsn: str
) -> None:
    slow = await connect(app_dsn)
    open_one = slow.transaction()
    await open_one.start()
    await tell(slow, "slow one", "slow two")
    await tell(pool, "quick")

    await sealer.tick()
    assert await numbered(pool) == ["quick"]
    await tell(pool, "quicker")
    await sealer.tick()
    assert await numbered(pool) == ["quick", "quicker"]
    await open_one.commit()
    await sealer.tick()

    assert await numbered(pool) == ["quick", "quicker", "slow one", "slow two"]


async def test_a_younger_transaction_that_draws_first_is_not_taken_for_dead(
    pool: Pool, sealer: Sealer, connect: Connect, app_dsn: str
) -> None:
    """The trap of `pg_snapshot_xmax`: the id of the writer still at work is not below it."""
    older, younger = await connect(app_dsn), await connect(app_dsn)
    of_older, of_younger = older.transaction(), younger.transaction()
    await of_older.start()
    await of_younger.start()
    await older.fetchval("select pg_current_xact_id()")
    await tell(younger, "of the younger")
    await tell(older, "of the older")
    await of_older.commit()

    for name in ("beside", "beside again"):
        await sealer.tick()
        await tell(pool, name)
    await sealer.tick()
    await of_younger.commit()
    await sealer.tick()

    assert await numbered(pool) == ["of the older", "beside", "beside again", "of the younger"]


async def test_numbers_that_were_rolled_back_die_and_are_not_waited_for(
    pool: Pool, sealer: Sealer, connect: Connect, app_dsn: str
) -> None:
    other = await connect(app_dsn)
    with suppress(ZeroDivisionError):
        async with other.transaction():
            await tell(other, "never", "was")
            raise ZeroDivisionError
    await tell(pool, "first")
    await sealer.tick()
    gaps = await pool.fetchval("select count(*) from work.gap")

    await tell(pool, "second")
    await sealer.tick()

    assert await numbered(pool) == ["first", "second"]
    assert gaps == 1
    assert await pool.fetchval("select count(*) from work.gap") == 0


async def test_many_writers_of_which_some_fail_each_event_once(pool: Pool, sealer: Sealer) -> None:
    kept: list[str] = []

    async def writer(number: int) -> None:
        for turn in range(8):
            name = f"{number}-{turn}"
            with suppress(ZeroDivisionError):
                async with pool.acquire() as connection, connection.transaction():
                    await tell(connection, name)
                    await asyncio.sleep(0)
                    if (number + turn) % 3 == 0:
                        raise ZeroDivisionError
                    await tell(connection, name + "b")
                kept.extend([name, name + "b"]) if (number + turn) % 3 else None

    writing = asyncio.gather(*(writer(number) for number in range(12)))
    while not writing.done():
        await sealer.tick()
    await writing
    while await sealer.tick():
        pass

    assert sorted(await numbered(pool)) == sorted(kept)


async def test_the_next_sealer_continues_the_same_tree(
    pool: Pool, sealer: Sealer, connect: Connect, app_dsn: str, signer: Signer
) -> None:
    """Also with gaps: what one sealer waited for, the next one numbers."""
    slow = await connect(app_dsn)
    open_one = slow.transaction()
    await open_one.start()
    await tell(slow, "slow")
    await pool.execute("insert into work.event (topic, subject, kind, body) select 'care', i, 'many', '{}' from"
                       " generate_series(1, 300) as i")  # fmt: skip
    await sealer.tick()
    await pool.execute("select pg_terminate_backend(pid) from pg_stat_activity"
                       " where application_name = 'sahut-test-sealer' and datname = current_database()")  # fmt: skip

    after = Sealer(await connect(app_dsn), signer, None)
    await after.wait_for_turn()
    await open_one.commit()
    await tell(pool, "new")
    assert await after.tick() == 2

    leaves = await pool.fetch(
        "select sha256('\\x00'::bytea || convert_to(jsonb_build_array("
        "e.id, (extract(epoch from e.at) * 1000000)::bigint, e.topic, e.subject, e.kind, e.body)::text, 'UTF8'))"
        " from work.seal s join work.event e on e.id = s.event_id and e.at = s.at order by s.n"
    )
    async with pool.acquire() as connection:
        head = await read_head(connection)
    assert head.n == 302
    assert head.root == root_of([row[0] for row in leaves])
    assert (await numbered(pool))[300:] == ["slow", "new"]


@pytest.mark.books_may_be_wrong("the head is damaged on purpose")
@pytest.mark.parametrize(
    "damage",
    [
        "update work.head set root = sha256('other')",
        "update work.head set subtrees = array_reverse(subtrees)",
        "alter table work.tile disable trigger all; update work.tile set root = sha256('x') where level = 0",
        "alter table work.event disable trigger all; update work.event set body = '{\"a\": 1}' where id = 299",
        "alter table work.seal disable trigger all; delete from work.seal where n = 299",
        "alter table work.event disable trigger all; update work.event set at = at + interval '1 us' where id = 300",
    ],
    ids=["root", "subtrees", "tile", "body of an event", "a seal", "time of an event"],
)
async def test_a_log_that_does_not_fold_to_its_head_is_not_continued(
    pool: Pool, sealer: Sealer, connect: Connect, database: Any, signer: Signer, damage: str
) -> None:
    await pool.execute("insert into work.event (topic, subject, kind, body) select 'care', i, 'many', '{}' from"
                       " generate_series(1, 300) as i")  # fmt: skip
    await sealer.tick()
    beside = Sealer(await connect(database.app_dsn), signer, None)
    await pool.execute("select pg_terminate_backend(pid) from pg_stat_activity"
                       " where application_name = 'sahut-test-sealer' and datname = current_database()")  # fmt: skip
    owner = await connect(database.owner_dsn)
    await owner.execute(damage)

    with pytest.raises(LogDamaged):
        await asyncio.wait_for(beside.wait_for_turn(), SOON_S)


async def test_who_writes_under_the_sealers_lock_is_noticed_and_nothing_is_numbered_twice(
    pool: Pool, sealer: Sealer, owner_dsn: str, connect: Connect
) -> None:
    await tell(pool, "first")
    await sealer.tick()
    await tell(pool, "second")
    owner = await connect(owner_dsn)
    await owner.execute("update work.head set n = 2")

    with pytest.raises(LogDamaged):
        await sealer.tick()

    await owner.execute("update work.head set n = 1")
    assert await numbered(pool) == ["first"]


@pytest.fixture
async def two_sealers(app_dsn: str, signer: Signer, tmp_path: Path) -> AsyncIterator[dict[str, list[int]]]:
    """Two processes that would seal; how many events each has numbered at each tick."""
    sealed: dict[str, list[int]] = {"sahut-sealer-1": [], "sahut-sealer-2": []}
    tasks = [
        asyncio.create_task(run_sealer(app_dsn, signer, tmp_path, name=name, on_seal=told.append))
        for name, told in sealed.items()
    ]
    yield sealed
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_of_two_sealers_one_works_and_the_other_takes_over(
    pool: Pool, two_sealers: dict[str, list[int]], database: Any, connect: Connect
) -> None:
    above = await connect(database.superuser_dsn)

    async def holder() -> str | None:
        found: str | None = await above.fetchval(
            "select application_name from pg_stat_activity a join pg_locks l on l.pid = a.pid"
            " where l.locktype = 'advisory' and l.granted and a.datname = $1",
            database.name,
        )
        return found

    async def all_numbered() -> bool:
        unsealed = await pool.fetchval("select count(*) from work.event e where not exists"
                                       " (select from work.seal where event_id = e.id)")  # fmt: skip
        return bool(unsealed == 0)

    first = await until(holder)
    await tell(pool, "one", "two")
    await until(all_numbered)
    idle = next(name for name in two_sealers if name != first)
    assert (sum(two_sealers[first]), two_sealers[idle]) == (2, [])

    await above.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1", first)
    await tell(pool, "three")
    await until(all_numbered)

    assert await numbered(pool) == ["one", "two", "three"]
    assert sum(two_sealers[first]) + sum(two_sealers[idle]) == 3


async def test_the_bell_rings_with_the_newest_number(pool: Pool, sealer: Sealer, app_dsn: str) -> None:
    rings: asyncio.Queue[int] = asyncio.Queue()
    listening = asyncio.create_task(listen(app_dsn, rings.put_nowait, name="sahut-test-ear"))
    async with asyncio.timeout(SOON_S):
        assert await rings.get() == 0  # what was rung while nobody listened

        await tell(pool, "one", "two")
        await sealer.tick()
        assert await rings.get() == 2

        await pool.execute("select pg_terminate_backend(pid) from pg_stat_activity"
                           " where application_name = 'sahut-test-ear' and datname = current_database()")  # fmt: skip
        assert await rings.get() == 0  # connected again by itself
        await tell(pool, "three")
        await sealer.tick()
        assert await rings.get() == 3
    listening.cancel()
    await asyncio.wait([listening])


async def test_heads_are_signed_when_something_changed_or_a_minute_has_passed(
    pool: Pool, app_dsn: str, connect: Connect, signer: Signer, tmp_path: Path
) -> None:
    sealer, now = Sealer(await connect(app_dsn), signer, tmp_path), datetime(2031, 1, 1, 23, 59, 30, tzinfo=UTC)
    await sealer.wait_for_turn()

    for passed_s, name in [(0, "a"), (5, "b"), (11, None), (30, None), (72, "c"), (75, None)]:
        if name is not None:
            await tell(pool, name)
            await sealer.tick()
        await sealer.sign(now + timedelta(seconds=passed_s))

    rows = await pool.fetch("select signed_at, n, root, key_id, signature from work.signed_head order by signed_at")
    assert [((row["signed_at"] - now).total_seconds(), row["n"]) for row in rows] == [(0, 1), (11, 2), (72, 3)]
    for row in rows:
        said = head_bytes(row["n"], row["root"], row["signed_at"])
        assert signature_is_good(signer.public_key, HEAD, said, row["signature"])
    published = {file.name: file.read_text().splitlines() for file in tmp_path.iterdir()}
    assert {name: len(lines) for name, lines in published.items()} == {"2031-01-01.jsonl": 2, "2031-01-02.jsonl": 1}
    assert json.loads(published["2031-01-02.jsonl"][0])["root"] == rows[2]["root"].hex()


async def test_a_head_that_cannot_be_published_stops_no_sealing(
    pool: Pool, app_dsn: str, connect: Connect, signer: Signer, tmp_path: Path
) -> None:
    sealer = Sealer(await connect(app_dsn), signer, tmp_path / "not there")
    await sealer.wait_for_turn()
    await tell(pool, "one")
    await sealer.tick()

    await sealer.sign(datetime(2031, 1, 1, tzinfo=UTC))

    await tell(pool, "two")
    assert await sealer.tick() == 1
    assert await pool.fetchval("select count(*) from work.signed_head") == 1


async def test_the_log_is_append_only(pool: Pool, sealer: Sealer) -> None:
    await tell(pool, "one")
    await sealer.tick()

    for change in ("update work.event set body = '{}'", "delete from work.seal", "truncate work.event"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(change)


async def test_a_sealer_whose_statement_had_to_give_way_begins_anew(
    pool: Pool, app_dsn: str, signer: Signer, owner: Any, database: Any, connect: Connect, tmp_path: Path
) -> None:
    sealing = asyncio.create_task(run_sealer(app_dsn, signer, tmp_path, name="sahut-test-gives-way"))
    above = await connect(database.superuser_dsn)
    async with owner.transaction():
        await owner.execute("select from work.head for update")
        await tell(pool, "one")
        give_way = (
            "select pg_cancel_backend(pid) from pg_stat_activity"
            " where application_name = 'sahut-test-gives-way' and wait_event_type = 'Lock'"
        )
        await until(lambda: above.fetchval(give_way))

    await until(lambda: pool.fetchval("select n from work.head where n = 1"))
    assert not sealing.done()
    sealing.cancel()
    with suppress(asyncio.CancelledError):
        await sealing


async def test_a_sealer_that_hangs_loses_its_session(app_dsn: str) -> None:
    """What `run_sealer` asks of the server; the trial stops a real one."""
    connection = await open_connection(app_dsn, name="sahut-test", idle_session_timeout="50")
    terminated = asyncio.Event()
    connection.add_termination_listener(lambda _: terminated.set())

    await asyncio.wait_for(terminated.wait(), SOON_S)

    assert connection.is_closed()

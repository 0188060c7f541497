"""The sealer: numbers committed events in the order of their insertion, folds them into the tree, rings.

One works, elected by an advisory lock; the others ask for it now and then. The lock belongs to the session that also
writes, so a sealer that is cut off from its lock cannot write either, and one that hangs loses its session within a
second.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

import asyncpg
import structlog

from sahut.bedrock import Clock, SystemClock
from sahut.db import AWAY, CONFLICT, Queries, locks, open_connection
from sahut.work import merkle, metrics
from sahut.work.log.gaps import Gap, changes, fill
from sahut.work.log.publishing import Publisher
from sahut.work.log.reading import head_bytes, read_tile
from sahut.work.log.recent import Recent
from sahut.work.log.sweep import run_sweep
from sahut.work.signing import HEAD, Signer

GAPS_AT_ONCE, MANY_GAPS = 500, 10_000
TICK_S, ELECTION_S, AT_MOST = 0.02, 0.25, 5000
CLOCK_EVERY = 50  # looks, so about a second
SIGN_CHANGED, SIGN_AT_LEAST = timedelta(seconds=10), timedelta(seconds=60)
# A sealer that hangs, not dies: the server ends its session after this, and with it the lock.
_HANG_MS = "1000"
# A network that swallows all: between statements the timeout above ends the session, in the middle of an answer this.
_LOST_MS = "1500"
_NEVER_DEAD = 1 << 62
DAMAGED_S = 5.0

_queries = Queries.load("sahut.work.log")
_log = structlog.get_logger()


class LogDamaged(Exception):
    """What is stored of the tree does not fold to the stored head. Nothing is sealed until it does."""


class Sealer:
    """The sealer's state between two ticks; all of it can be read again from the tables."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]", signer: Signer, heads: Path | None) -> None:
        self._connection, self._signer = connection, signer
        self._publisher = None if heads is None else Publisher(heads)
        self._tree = merkle.Tree()
        self._open_tiles: list[list[bytes]] = [[]]
        self._seen, self._gaps = 0, deque[Gap]()
        self._recent, self._looks = Recent(), 0
        self.oldest_at: datetime | None = None  # of the events of the last tick
        self._signed_at, self._signed_n = datetime.min.replace(tzinfo=UTC), -1

    async def wait_for_turn(self) -> None:
        """Return once this session holds the sealer's lock, with the state of the last one read."""
        # Asked again and again, not waited for in SQL: a waiting statement keeps its snapshot and so holds up vacuum.
        while not await self._connection.fetchval("select pg_try_advisory_lock($1)", locks.SEALER):
            await asyncio.sleep(ELECTION_S)
        row = await _queries.head_for_sealer.fetchrow(self._connection)
        assert row is not None
        self._tree = merkle.Tree(row["n"], row["subtrees"])
        self._seen = row["seen"]
        self._gaps = deque(Gap(*gap) for gap in await _queries.gaps_for_sealer.fetch(self._connection))
        self._open_tiles = [
            await read_tile(self._connection, level, row["n"] >> merkle.TILE_BITS * (level + 1))
            for level in range(max(1, -(-row["n"].bit_length() // merkle.TILE_BITS)))
        ]
        if self._tree.root() != row["root"] or _subtrees(self._open_tiles) != row["subtrees"]:
            raise LogDamaged(f"the log of {row['n']} events does not fold to its head")

    async def tick(self) -> int:
        """Number what has been committed since the last tick, at most 10,000 events; how many they were.

        Writes: `work.seal`, `work.tile`, `work.gap`, `work.head` and a ring, in one statement.
        """
        await self._watch_the_clock()
        # Many gaps are looked at in turn, so that a tick stays short while a long transaction keeps them alive.
        looked = [self._gaps.popleft() for _ in range(min(GAPS_AT_ONCE, len(self._gaps)))]
        rows = await _queries.unsealed_events.fetch(
            self._connection,
            gap_first=[gap.first for gap in looked],
            gap_last=[gap.last for gap in looked],
            seen=self._seen,
            since=self._recent.since,
            at_most=AT_MOST,
        )
        self.oldest_at = min((row["at"] for row in rows), default=None)
        if not rows:
            self._gaps.extend(looked)
            return 0
        looked_upto = None
        late = sum(1 for row in rows if row["id"] <= self._seen)
        if late == AT_MOST:  # there may be more in the gaps, so what is above them has to wait
            rows, looked_upto = rows[:late], rows[late - 1]["id"]
        was = self._tree.size
        tiles: list[tuple[int, int, bytes, bytes]] = []
        for row in rows:
            self._tree.add(row["leaf"])
            self._tile(0, row["leaf"], tiles)
        left, self._seen = fill(
            looked,
            self._seen,
            [row["id"] for row in rows],
            horizon=rows[0]["horizon"],
            ended_below=rows[0]["ended_below"],
            looked_upto=looked_upto,
        )
        self._gaps.extend(left)
        await self._write(was, rows, tiles, *changes(looked, left))
        return len(rows)

    def expect(self, event_ids: list[int]) -> None:
        """Number these in the next tick although they were passed over: what the sweep has found."""
        if event_ids:  # they may bear any time, also one that the clock was not seen to show
            self._recent = Recent()
        for event_id in event_ids:
            if not any(gap.first <= event_id <= gap.last for gap in self._gaps):
                self._gaps.appendleft(Gap(event_id, event_id, _NEVER_DEAD))

    async def sign(self, now: datetime) -> None:
        """Sign the head when it is time to, and publish it outside the database. Writes: `work.signed_head`, a file."""
        age = abs(now - self._signed_at)  # a clock that is set back must not stop the signing
        if age < SIGN_CHANGED or (age < SIGN_AT_LEAST and self._tree.size == self._signed_n):
            return
        if len(self._gaps) > MANY_GAPS:
            _log.warning("many_gaps_wait_for_a_long_transaction", count=len(self._gaps))
        n, root = self._tree.size, self._tree.root()
        signature = self._signer.sign(HEAD, head_bytes(n, root, now))
        self._signed_at, self._signed_n = now, n
        await _queries.keep_signed_head.execute(
            self._connection, signed_at=now, n=n, root=root, key_id=self._signer.key_id, signature=signature
        )
        if self._publisher is not None:
            await self._publisher.publish(self._connection)

    async def publish_missed(self) -> None:
        """Publish what a full disk has held up, or another machine has signed; some of it, if there is any."""
        if self._publisher is not None and self._publisher.is_behind:
            await self._publisher.publish(self._connection)

    async def _watch_the_clock(self) -> None:
        if self._looks % CLOCK_EVERY == 0:
            self._recent.clock_shows(await _queries.clock.fetchval(self._connection))
        self._looks += 1

    async def _write(
        self,
        was: int,
        rows: list[asyncpg.Record],
        tiles: list[tuple[int, int, bytes, bytes]],
        closed: list[int],
        kept: list[Gap],
    ) -> None:
        status = await _queries.seal.execute(
            self._connection,
            was=was,
            n=self._tree.size,
            root=self._tree.root(),
            subtrees=self._tree.subtrees,
            seen=self._seen,
            gaps_closed=closed,
            gap_first=[gap.first for gap in kept],
            gap_last=[gap.last for gap in kept],
            gap_horizon=[gap.horizon for gap in kept],
            event_ids=[row["id"] for row in rows],
            event_ats=[row["at"] for row in rows],
            tile_levels=[tile[0] for tile in tiles],
            tile_positions=[tile[1] for tile in tiles],
            tile_hashes=[tile[2] for tile in tiles],
            tile_roots=[tile[3] for tile in tiles],
        )
        if status != f"INSERT 0 {len(rows)}":
            raise LogDamaged("another sealer has written under this one's lock")

    def _tile(self, level: int, entry: bytes, full: list[tuple[int, int, bytes, bytes]]) -> None:
        """Put a hash into the open tile of its level; a tile that is full goes to `full` and its root one level up."""
        if level == len(self._open_tiles):
            self._open_tiles.append([])
        tile = self._open_tiles[level]
        tile.append(entry)
        if len(tile) == merkle.TILE:
            root = merkle.fold(tile)
            position = (self._tree.size >> merkle.TILE_BITS * (level + 1)) - 1
            full.append((level, position, b"".join(tile), root))
            tile.clear()
            self._tile(level + 1, root, full)


def _subtrees(open_tiles: list[list[bytes]]) -> list[bytes]:
    """The perfect subtrees that the open tiles hold, from left (the highest level) to right."""
    return [root for tile in reversed(open_tiles) for root in _folded(tile)]


def _folded(hashes: list[bytes]) -> list[bytes]:
    tree = merkle.Tree()
    for entry in hashes:
        tree.add(entry)
    return tree.subtrees


async def run_sealer(
    dsn: str,
    signer: Signer,
    heads: Path | None,
    *,
    name: str,
    on_seal: Callable[[int], None] = lambda _: None,
    clock: Clock | None = None,
) -> None:
    """Be a sealer, or stand by to be one, until cancelled. Connects again by itself.

    `heads`: the folder where signed heads are published; `on_seal` is told how many events each tick has numbered;
    `clock`: of the signatures, the machine's when there is none.
    """
    while True:
        try:
            await _seal_in_one_session(dsn, Sealing(signer, heads, on_seal, clock or SystemClock()), name)
        except (*AWAY, *CONFLICT) as error:  # a statement that gave way to another one's locks is begun anew as well
            _log.warning("sealer_lost_its_session", error=type(error).__name__)
            await asyncio.sleep(ELECTION_S)
        except (LogDamaged, asyncpg.IntegrityConstraintViolationError) as error:
            # The lock is given up and everything else goes on; a person has to look. The server's words quote rows.
            told = str(error) if isinstance(error, LogDamaged) else type(error).__name__
            _log.critical("log_damaged", error=told)
            await asyncio.sleep(DAMAGED_S)


@dataclass(frozen=True, slots=True)
class Sealing:
    """What stays the same for a sealer from one session to the next."""

    signer: Signer
    heads: Path | None
    on_seal: Callable[[int], None]
    clock: Clock


async def _seal_in_one_session(dsn: str, sealing: Sealing, name: str) -> None:
    connection = await open_connection(
        dsn,
        name=name,
        idle_session_timeout=_HANG_MS,
        idle_in_transaction_session_timeout=_HANG_MS,
        tcp_user_timeout=_LOST_MS,
    )
    try:
        sealer = Sealer(connection, sealing.signer, sealing.heads)
        await sealer.wait_for_turn()
        _log.info("sealing")
        metrics.sealing(True)
        sweeping = asyncio.create_task(run_sweep(dsn, sealer.expect, name=f"{name}-sweep"))
        try:
            await _tick_for_ever(sealer, sealing, sweeping)
        finally:
            metrics.sealing(False)
            sweeping.cancel()
    finally:
        connection.terminate()


async def _tick_for_ever(sealer: Sealer, sealing: Sealing, sweeping: "asyncio.Task[None]") -> None:
    loop = asyncio.get_running_loop()
    while not sweeping.done():
        began, looked = loop.time(), perf_counter()
        sealed = await sealer.tick()
        lag_s = None if sealer.oldest_at is None else (sealing.clock.now() - sealer.oldest_at).total_seconds()
        metrics.ticked(sealed, perf_counter() - looked, lag_s)
        sealing.on_seal(sealed)
        await sealer.sign(sealing.clock.now())
        if not sealed:
            await sealer.publish_missed()
        if sealed < AT_MOST:
            await asyncio.sleep(max(0.0, TICK_S - (loop.time() - began)))
    sweeping.result()  # it never ends by itself: what ended it is told, and the process begins anew

"""Reading the sealed log: by cursor in order of n, and the proof that an event is in it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from sahut.db import Connection, Queries
from sahut.work import merkle

_queries = Queries.load("sahut.work.log")
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class LogEntry(msgspec.Struct, frozen=True, gc=False):
    """One numbered event. `n`: 1, 2, 3 … without holes, the cursor of all readers. `id`: the order of insertion."""

    n: int
    id: int
    at: datetime
    topic: str
    subject: int
    kind: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Head:
    """How far the log is sealed: `n` events, the root over all of them, and when the last was sealed.

    `kept_after`: events with a number up to this may have been taken away; a reader begins above it or anew.
    """

    n: int
    root: bytes
    sealed_at: datetime
    kept_after: int = 0


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """What shows, without us, that an event is in the log that a signed head covers.

    `leaf`: the event as it was hashed (JSON text of id, microseconds, topic, subject, kind, body).
    `path`: 32-byte neighbours, lowest first; at most 63. `head_n`, `root`, `signed_at`, `key_id`, `signature`: the
    head.
    """

    n: int
    leaf: str
    path: list[bytes]
    head_n: int
    root: bytes
    signed_at: datetime
    key_id: str
    signature: bytes


async def read_log(connection: Connection, after: int, at_most: int) -> list[LogEntry]:
    """The events numbered above `after`, in order of n, at most so many; empty when there are none yet. Reads only.

    Without holes for an `after` from `Head.kept_after` on; below it some may have been taken away.
    """
    rows = await _queries.read_log.fetch(connection, after=after, at_most=at_most)
    return [LogEntry(row[0], row[1], row[2], row[3], row[4], row[5], _decode(row[6])) for row in rows]


async def read_head(connection: Connection) -> Head:
    """The head of the log now. Reads only."""
    row = await _queries.read_head.fetchrow(connection)
    assert row is not None, "work.head has its one row from the first migration"
    return Head(row["n"], row["root"], row["sealed_at"], row["kept_after"])


def head_bytes(n: int, root: bytes, signed_at: datetime) -> bytes:
    """What is signed for a head, under the purpose `signing.HEAD`."""
    return f"{n}\n{root.hex()}\n{signed_at.isoformat(timespec='microseconds')}".encode()


async def prove_inclusion(connection: Connection, event_id: int) -> InclusionProof | None:
    """The proof for one event against the newest signed head.

    None while the event is not sealed, or no head that covers it has been signed yet (some ten seconds), and when it
    was taken away with its month. Reads only.
    """
    row = await _queries.leaf_of_event.fetchrow(connection, event_id=event_id)
    if row is None:
        return None
    head = await _queries.newest_signed_head.fetchrow(connection, n=row["n"])
    if head is None:
        return None
    path = await _TreeReader(connection).path(row["n"] - 1, 0, head["n"])
    return InclusionProof(
        row["n"], row["leaf"], path, head["n"], head["root"], head["signed_at"], head["key_id"], head["signature"]
    )


async def prove_consistency(connection: Connection, first: int, second: int) -> list[bytes]:
    """The proof that the tree of `second` events begins with the tree of `first`, for any two sizes 0 to the head's n.

    Returns 32-byte hashes, at most 64, for `merkle.extends`; empty when the sizes are the same or `first` is 0. Reads
    only. Source: RFC 9162 section 2.1.4.
    """
    if not 0 <= first <= second:
        raise ValueError("a tree begins with no larger one")
    return [] if first == 0 else await _TreeReader(connection).consistency(first, 0, second, True)


class _TreeReader:
    """Finds hashes of the tree in the tiles, and those right of the last full tile in the events themselves."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._read: dict[tuple[int, int], list[bytes]] = {}

    async def path(self, index: int, first: int, count: int) -> list[bytes]:
        """The path of the leaf `index` among the `count` leaves that begin at `first`."""
        if count == 1:
            return []
        middle = merkle.split(count)
        if index < first + middle:
            below = await self.path(index, first, middle)
            return [*below, await self._root(first + middle, count - middle)]
        below = await self.path(index, first + middle, count - middle)
        return [*below, await self._root(first, middle)]

    async def consistency(self, of: int, first: int, count: int, whole: bool) -> list[bytes]:
        """That the first `of` leaves are the beginning of the `count` leaves that begin at `first`."""
        if of == count:
            return [] if whole else [await self._root(first, count)]
        middle = merkle.split(count)
        if of <= middle:
            below = await self.consistency(of, first, middle, whole)
            return [*below, await self._root(first + middle, count - middle)]
        below = await self.consistency(of - middle, first + middle, count - middle, False)
        return [*below, await self._root(first, middle)]

    async def _root(self, first: int, count: int) -> bytes:
        if count & (count - 1):
            middle = merkle.split(count)
            left = await self._root(first, middle)
            return merkle.node_hash(left, await self._root(first + middle, count - middle))
        # A perfect subtree: it lies inside one tile, whose level is that of its height.
        height = count.bit_length() - 1
        level = min(height // merkle.TILE_BITS, 7)
        width = 1 << (height - level * merkle.TILE_BITS)
        start = first >> (level * merkle.TILE_BITS)
        hashes = await self._tile(level, start // merkle.TILE)
        return merkle.fold(hashes[start % merkle.TILE : start % merkle.TILE + width])

    async def _tile(self, level: int, position: int) -> list[bytes]:
        if (level, position) not in self._read:
            self._read[level, position] = await read_tile(self._connection, level, position)
        return self._read[level, position]


async def read_tile(connection: Connection, level: int, position: int) -> list[bytes]:
    """The hashes of a tile, 256 when it is full and fewer when it is the rightmost of its level. Reads only."""
    kept = await _queries.tile.fetchval(connection, level=level, position=position)
    if kept is not None:
        return [kept[i : i + 32] for i in range(0, len(kept), 32)]
    first = position * merkle.TILE
    if level == 0:
        rows = await _queries.leaf_hashes.fetch(connection, after=first, upto=first + merkle.TILE)
    else:
        rows = await _queries.tile_roots.fetch(connection, level=level - 1, first=first, after_last=first + merkle.TILE)
    return [row[0] for row in rows]

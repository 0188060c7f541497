"""The auditor of the log: numbers without holes, a tree that folds to its head, tiles and signed heads that agree.

It folds the log in strides and keeps no more than one, whatever the length of the log. Where the events of old months
were taken away, the tiles stand for them: they were full before anything went.
"""

from collections.abc import Iterator

import asyncpg

from sahut.db import Connection, Queries
from sahut.work import merkle
from sahut.work.log.months import stray_months
from sahut.work.log.reading import head_bytes
from sahut.work.log.sweep import lost_events
from sahut.work.signing import HEAD, key_id_of, signature_is_good

_STRIDE = 65_536  # a whole number of tiles
_SWEEP_STRIDE = 1_000_000
_queries = Queries.load("sahut.work.log")


async def audit_log(connection: Connection, public_key: bytes | None) -> list[str]:
    """What does not agree in the sealed log, a sentence each; empty when all does.

    `public_key`: checks the signatures of heads made with this key; None leaves signatures out. Reads only, in the
    caller's transaction (one snapshot).
    """
    found: list[str] = []
    counts = await _queries.audit_log_counts.fetchrow(connection)
    assert counts is not None
    if not counts["head"] == counts["kept_after"] + counts["sealed"] == counts["highest"]:
        found.append(
            f"The log's head says {counts['head']} events, {counts['kept_after']} of them taken away;"
            f" {counts['sealed']} are numbered up to {counts['highest']}."
        )
    found += await _audit_tree(connection, min(counts["head"], counts["highest"]), counts["kept_after"], public_key)
    for above in range(0, counts["seen"], _SWEEP_STRIDE):
        for event_id in await lost_events(connection, above=above, upto=above + _SWEEP_STRIDE):
            found.append(f"Event {event_id} was passed over by the sealer.")
        for row in await _queries.doubled_events.fetch(connection, above=above, upto=above + _SWEEP_STRIDE):
            found.append(f"Event {row['id']} bears more than one number: somebody has forged an id.")
    for stray in await stray_months(connection):
        found.append(f"{stray['events']} events of {stray['month']} fell into no month of the log: a clock has jumped.")
    for row in await _queries.audit_alarms.fetch(connection):
        found.append(f"{row['raised']} alarms of the kind {row['kind']} stand in the log.")
    return found


async def _audit_tree(connection: Connection, sealed: int, kept_after: int, public_key: bytes | None) -> list[str]:
    """Fold all events anew and hold every signed head and every tile against it."""
    found: list[str] = []
    tree, tiles = merkle.Tree(), _Tiles(connection)
    for first in range(0, max(sealed, 1), _STRIDE):
        upto = min(sealed, first + _STRIDE)
        leaves = await _leaves(connection, first, upto, kept_after)
        if len(leaves) != upto - first:
            return [*found, f"Between {first} and {upto} the log has {len(leaves)} events."]
        found += await tiles.audit(leaves)
        signed: dict[int, list[asyncpg.Record]] = {}
        for row in await _queries.audit_signed_heads.fetch(connection, after=first or -1, upto=upto):
            signed.setdefault(row["n"], []).append(row)
        for root_n, root in _roots(tree, leaves, set(signed)):
            for row in signed[root_n]:
                found += _audit_signed_head(row, root, public_key)
    head = await _queries.read_head.fetchrow(connection)
    assert head is not None
    if tree.root() != head["root"]:
        found.append(f"The {sealed} events do not fold to the head of the log.")
    for row in await _queries.audit_signed_heads.fetch(connection, after=sealed, upto=2**62):
        found.append(f"A head was signed at {row['signed_at']} for {row['n']} events, more than the log has.")
    return found + await tiles.audit_counts(sealed)


async def _leaves(connection: Connection, first: int, upto: int, kept_after: int) -> list[bytes]:
    """The leaf hashes numbered `first` + 1 to `upto`: of the events, or by the tiles where events were taken away."""
    border = min(upto, max(first, kept_after))
    rows = await _queries.level_of_tiles.fetch(
        connection, level=0, first=first // merkle.TILE, after_last=border // merkle.TILE
    )
    leaves = [hashed for row in rows for hashed in _split(row["hashes"])]
    if border < upto:
        leaves += [row["leaf"] for row in await _queries.leaf_hashes.fetch(connection, after=border, upto=upto)]
    return leaves


class _Tiles:
    """Holds the kept tiles against the leaves as they come; of each level only the open tile is remembered."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._open: list[list[bytes]] = []
        self._done: list[int] = []

    async def audit(self, hashes: list[bytes], level: int = 0) -> list[str]:
        """The next hashes of a level, in order; what the tiles say otherwise."""
        if level == len(self._open):
            self._open.append([])
            self._done.append(0)
        waiting = self._open[level] + hashes
        full = len(waiting) // merkle.TILE
        due = [waiting[at * merkle.TILE : (at + 1) * merkle.TILE] for at in range(full)]
        self._open[level] = waiting[full * merkle.TILE :]
        if not full:
            return []
        first, self._done[level] = self._done[level], self._done[level] + full
        roots = [merkle.fold(tile) for tile in due]
        rows = await _queries.level_of_tiles.fetch(self._connection, level=level, first=first, after_last=first + full)
        kept = {row["position"]: (row["hashes"], row["root"]) for row in rows}
        found: list[str] = []
        for at in range(first, first + full):
            if at not in kept:
                found.append(f"Tile {at} of level {level} is missing.")
            elif kept[at] != (b"".join(due[at - first]), roots[at - first]):
                found.append(f"Tile {at} of level {level} does not hold the hashes that it should.")
        return found + await self.audit(roots, level + 1)

    async def audit_counts(self, sealed: int) -> list[str]:
        """No level has more tiles than are full."""
        return [
            f"Level {row['level']} has {row['count']} tiles up to {row['highest']}; {due} are due."
            for row in await _queries.audit_tile_counts.fetch(self._connection)
            if (row["count"], row["highest"] + 1) != (due := sealed >> merkle.TILE_BITS * (row["level"] + 1), due)
        ]


def _split(hashes: bytes) -> list[bytes]:
    return [hashes[at : at + 32] for at in range(0, len(hashes), 32)]


def _audit_signed_head(row: asyncpg.Record, root: bytes, public_key: bytes | None) -> list[str]:
    if root != row["root"]:
        return [f"The head signed at {row['signed_at']} for {row['n']} events is not the root of them."]
    if public_key is None or key_id_of(public_key) != row["key_id"]:
        return []
    data = head_bytes(row["n"], row["root"], row["signed_at"])
    good = signature_is_good(public_key, HEAD, data, row["signature"])
    return [] if good else [f"The signature of the head of {row['signed_at']} is not good."]


def _roots(tree: merkle.Tree, leaves: list[bytes], wanted: set[int]) -> Iterator[tuple[int, bytes]]:
    """Add the leaves; the roots at the wanted sizes on the way."""
    if tree.size in wanted:
        yield tree.size, tree.root()
    for leaf in leaves:
        tree.add(leaf)
        if tree.size in wanted:
            yield tree.size, tree.root()

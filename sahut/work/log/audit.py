"""The auditor of the log: numbers without holes, a tree that folds to its head, tiles and signed heads that agree."""

from collections.abc import Iterator

import asyncpg

from sahut.db import Connection, Queries
from sahut.work import merkle
from sahut.work.log.reading import head_bytes
from sahut.work.log.sweep import lost_events
from sahut.work.signing import HEAD, key_id_of, signature_is_good

_STRIDE = 65_536  # a whole number of tiles
_queries = Queries.load("sahut.work.log")


async def audit_log(connection: Connection, public_key: bytes | None) -> list[str]:
    """What does not agree in the sealed log, a sentence each; empty when all does.

    `public_key`: checks the signatures of heads made with this key; None leaves signatures out. Reads only, in the
    caller's transaction (one snapshot).
    """
    found: list[str] = []
    counts = await _queries.audit_log_counts.fetchrow(connection)
    assert counts is not None
    if not counts["head"] == counts["sealed"] == counts["highest"] == counts["with_event"]:
        found.append(
            f"The log's head says {counts['head']} events, {counts['sealed']} are numbered up to {counts['highest']},"
            f" {counts['with_event']} of them exist."
        )
    found += await _audit_tree(connection, counts["sealed"], public_key)
    for event_id in await lost_events(connection, above=0, upto=2**62):
        found.append(f"Event {event_id} was passed over by the sealer.")
    for row in await _queries.audit_alarms.fetch(connection):
        found.append(f"{row['raised']} alarms of the kind {row['kind']} stand in the log.")
    return found


async def _audit_tree(connection: Connection, sealed: int, public_key: bytes | None) -> list[str]:
    """Fold all events anew and hold every signed head and every tile against it."""
    found: list[str] = []
    tree, levels = merkle.Tree(), [list[bytes]()]
    for first in range(0, max(sealed, 1), _STRIDE):
        upto = min(sealed, first + _STRIDE)
        leaves = [row["leaf"] for row in await _queries.leaf_hashes.fetch(connection, after=first, upto=upto)]
        if len(leaves) != upto - first:
            return [*found, f"Between {first} and {upto} the log has {len(leaves)} events."]
        levels[0] += leaves
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
    return found + await _audit_tiles(connection, levels)


def _audit_signed_head(row: asyncpg.Record, root: bytes, public_key: bytes | None) -> list[str]:
    if root != row["root"]:
        return [f"The head signed at {row['signed_at']} for {row['n']} events is not the root of them."]
    if public_key is None or key_id_of(public_key) != row["key_id"]:
        return []
    data = head_bytes(row["n"], row["root"], row["signed_at"])
    good = signature_is_good(public_key, HEAD, data, row["signature"])
    return [] if good else [f"The signature of the head of {row['signed_at']} is not good."]


async def _audit_tiles(connection: Connection, levels: list[list[bytes]]) -> list[str]:
    """Every full tile of every level is there and holds what it should. `levels`: the leaves; higher ones are added."""
    found: list[str] = []
    for level in range(8):
        hashes = levels[level]
        full = len(hashes) // merkle.TILE
        due = [hashes[at * merkle.TILE : (at + 1) * merkle.TILE] for at in range(full)]
        roots = [merkle.fold(tile) for tile in due]
        kept = {row["position"]: row for row in await _queries.audit_tiles.fetch(connection, level=level)}
        for at in sorted(kept.keys() ^ set(range(full))):
            found.append(f"Tile {at} of level {level} is {'not due' if at in kept else 'missing'}.")
        for at, row in kept.items():
            if at < full and (b"".join(due[at]), roots[at]) != (row["hashes"], row["root"]):
                found.append(f"Tile {at} of level {level} does not hold the hashes that it should.")
        if not full:
            return found
        levels.append(roots)
    return found


def _roots(tree: merkle.Tree, leaves: list[bytes], wanted: set[int]) -> Iterator[tuple[int, bytes]]:
    """Add the leaves; the roots at the wanted sizes on the way."""
    if tree.size in wanted:
        yield tree.size, tree.root()
    for leaf in leaves:
        tree.add(leaf)
        if tree.size in wanted:
            yield tree.size, tree.root()

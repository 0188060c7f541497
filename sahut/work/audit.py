"""The auditor of the log: numbers without holes, a tree that folds to its head, tiles and signed heads that agree."""

from collections.abc import Iterator

from sahut.db import Connection, Queries
from sahut.work import merkle
from sahut.work.log import head_bytes
from sahut.work.signing import HEAD, key_id_of, signature_is_good
from sahut.work.sweep import lost_events

_STRIDE = 65_536  # a whole number of tiles
_queries = Queries.load("sahut.work")


async def audit_log(connection: Connection, public_key: bytes | None) -> list[str]:
    """What does not agree in the sealed log, the jobs and the clocks, a sentence each; empty when all does.

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
    for row in await _queries.audit_jobs.fetch(connection):
        found.append(f"{row['buried']} jobs of the kind {row['kind']} are buried, such as {row['example']}.")
    for row in await _queries.audit_overdue.fetch(connection):
        found.append(
            f"{row['overdue']} promises of the kind {row['kind']} ran out unmarked, the first at {row['since']}."
        )
    return found


async def _audit_tree(connection: Connection, sealed: int, public_key: bytes | None) -> list[str]:
    """Fold all events anew and hold every tile and every signed head against it."""
    found: list[str] = []
    tree = merkle.Tree()
    for first in range(0, max(sealed, 1), _STRIDE):
        upto = min(sealed, first + _STRIDE)
        leaves = [row["leaf"] for row in await _queries.leaf_hashes.fetch(connection, after=first, upto=upto)]
        if len(leaves) != upto - first:
            return [*found, f"Between {first} and {upto} the log has {len(leaves)} events."]
        for row in await _queries.audit_tiles.fetch(
            connection, first=first // merkle.TILE, after_last=(first + _STRIDE) // merkle.TILE
        ):
            at = row["position"] * merkle.TILE - first
            if (
                b"".join(leaves[at : at + merkle.TILE]) != row["hashes"]
                or merkle.fold(leaves[at : at + 256]) != row["root"]
            ):
                found.append(f"Tile {row['position']} does not hold the hashes of its events.")
        heads = await _queries.audit_signed_heads.fetch(connection, after=first or -1, upto=upto)
        signed = {row["n"]: row for row in heads}
        for root_n, root in _roots(tree, leaves, set(signed)):
            row = signed[root_n]
            if root != row["root"]:
                found.append(f"The head signed at {row['signed_at']} for {root_n} events is not the root of them.")
            if public_key is not None and key_id_of(public_key) == row["key_id"]:
                data = head_bytes(row["n"], row["root"], row["signed_at"])
                if not signature_is_good(public_key, HEAD, data, row["signature"]):
                    found.append(f"The signature of the head of {row['signed_at']} is not good.")
    head = await _queries.read_head.fetchrow(connection)
    assert head is not None
    if tree.root() != head["root"]:
        found.append(f"The {sealed} events do not fold to the head of the log.")
    return found


def _roots(tree: merkle.Tree, leaves: list[bytes], wanted: set[int]) -> Iterator[tuple[int, bytes]]:
    """Add the leaves; the roots at the wanted sizes on the way."""
    if tree.size in wanted:
        yield tree.size, tree.root()
    for leaf in leaves:
        tree.add(leaf)
        if tree.size in wanted:
            yield tree.size, tree.root()

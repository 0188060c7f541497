"""RFC 9162, section 2.1, written down once more from the text of the standard and not from the product.

The product keeps perfect subtrees from left to right; this splits from the top, as the definition does. Two ways that
agree on every size are better evidence than one way run twice.
"""

import hashlib
import json
from collections.abc import Sequence

# An event as the log commits to it, from columns that any client can read; the body is the database's own text of it.
EVENTS_IN_ORDER = """
    select s.n, e.id, (extract(epoch from e.at) * 1000000)::bigint as at_us, e.topic, e.subject, e.kind,
           e.body::text as body
      from work.seal s join work.event e on e.id = s.event_id and e.at = s.at order by s.n"""


def event_text(event_id: int, at_us: int, topic: str, subject: int, kind: str, body: str) -> str:
    """The JSON array that is hashed for an event."""
    said = [json.dumps(part, ensure_ascii=False) for part in (event_id, at_us, topic, subject, kind)]
    return f"[{', '.join(said)}, {body}]"


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def tree_hash(leaves: Sequence[bytes]) -> bytes:
    """MTH of the list of leaf hashes; of nothing it is the hash of nothing."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    return _tree_hash(leaves, 0, len(leaves))


def _tree_hash(leaves: Sequence[bytes], first: int, after_last: int) -> bytes:
    count = after_last - first
    if count == 1:
        return leaves[first]
    left = 1 << (count - 1).bit_length() - 1  # the largest power of two smaller than the count
    middle = first + left
    return hashlib.sha256(b"\x01" + _tree_hash(leaves, first, middle) + _tree_hash(leaves, middle, after_last)).digest()


def root_from_path(leaf: bytes, index: int, count: int, path: Sequence[bytes]) -> bytes | None:
    """The root that an inclusion path leads to (section 2.1.3.2); None when the path has the wrong length."""
    if not 0 <= index < count:
        return None
    left_over, last, root = index, count - 1, leaf
    for sibling in path:
        if last == 0:
            return None
        if left_over & 1 or left_over == last:
            root = hashlib.sha256(b"\x01" + sibling + root).digest()
            while not left_over & 1 and left_over:
                left_over, last = left_over >> 1, last >> 1
        else:
            root = hashlib.sha256(b"\x01" + root + sibling).digest()
        left_over, last = left_over >> 1, last >> 1
    return root if last == 0 else None

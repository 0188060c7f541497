"""The Merkle tree of the sealed log, in the shape of RFC 9162 section 2.1, with SHA-256. Pure.

Leaves hash with the prefix 0x00, nodes with 0x01. A tree of `size` leaves is kept as the roots of its perfect subtrees
from left to right: the binary digits of the size.
"""

from collections.abc import Sequence
from hashlib import sha256

TILE_BITS = 8
TILE = 1 << TILE_BITS
EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """The hash of one leaf: 32 bytes."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two neighbours: 32 bytes."""
    return sha256(b"\x01" + left + right).digest()


class Tree:
    """A growing tree. `subtrees`: roots of the perfect subtrees, largest first, as many as `size` has binary ones."""

    __slots__ = ("size", "subtrees")

    def __init__(self, size: int = 0, subtrees: Sequence[bytes] = ()) -> None:
        if len(subtrees) != size.bit_count():
            raise ValueError("the subtrees do not fit the size")
        self.size, self.subtrees = size, list(subtrees)

    def add(self, leaf: bytes) -> None:
        """Append one leaf hash."""
        size = self.size
        while size & 1:  # two neighbours of one size make the next larger one
            leaf = node_hash(self.subtrees.pop(), leaf)
            size >>= 1
        self.subtrees.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """The head of the tree; of the empty tree the hash of nothing."""
        if not self.subtrees:
            return EMPTY_ROOT
        root = self.subtrees[-1]
        for left in reversed(self.subtrees[:-1]):
            root = node_hash(left, root)
        return root


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root over a power of two of hashes."""
    level = list(hashes)
    while len(level) > 1:
        level = [node_hash(level[i], level[i + 1]) for i in range(0, len(level), 2)]
    return level[0]


def split(count: int) -> int:
    """The largest power of two smaller than `count` (at least 2): where RFC 9162 divides a tree."""
    return 1 << (count - 1).bit_length() - 1


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over any number of leaf hashes."""
    tree = Tree()
    for leaf in leaves:
        tree.add(leaf)
    return tree.root()


def path_in(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The inclusion path of the leaf hash at `index` (0 is first): log2 of the count, lowest neighbour first."""
    if len(leaves) == 1:
        return []
    middle = split(len(leaves))
    if index < middle:
        return [*path_in(leaves[:middle], index), root_of(leaves[middle:])]
    return [*path_in(leaves[middle:], index - middle), root_of(leaves[:middle])]


def root_and_paths(leaves: Sequence[bytes]) -> tuple[bytes, list[list[bytes]]]:
    """The root over one leaf hash or more, and the inclusion path of each, every node hashed once."""
    if len(leaves) == 1:
        return leaves[0], [[]]
    middle = split(len(leaves))
    left, left_paths = root_and_paths(leaves[:middle])
    right, right_paths = root_and_paths(leaves[middle:])
    for path in left_paths:
        path.append(right)
    for path in right_paths:
        path.append(left)
    return node_hash(left, right), left_paths + right_paths


def root_by_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that a leaf hash at `index` of `size` leaves has by its path; None when the path has the wrong length.

    Source: RFC 9162 section 2.1.3.2.
    """
    if not 0 <= index < size:
        return None
    position, last, root = index, size - 1, leaf
    for neighbour in path:
        if last == 0:
            return None
        if position & 1 or position == last:
            root = node_hash(neighbour, root)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            root = node_hash(root, neighbour)
        position, last = position >> 1, last >> 1
    return root if last == 0 else None


def consistency_in(leaves: Sequence[bytes], first: int) -> list[bytes]:
    """The proof that the tree of the first `first` leaf hashes (1 to all) is the beginning of the tree of all.

    Source: RFC 9162 section 2.1.4.1.
    """
    return _consistency(leaves, first, True)


def _consistency(leaves: Sequence[bytes], first: int, whole: bool) -> list[bytes]:
    if first == len(leaves):
        return [] if whole else [root_of(leaves)]
    middle = split(len(leaves))
    if first <= middle:
        return [*_consistency(leaves[:middle], first, whole), root_of(leaves[middle:])]
    return [*_consistency(leaves[middle:], first - middle, False), root_of(leaves[:middle])]


def extends(first: int, first_root: bytes, second: int, second_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether the path shows that the tree of `second` leaves begins with the tree of `first` leaves.

    The empty tree is the beginning of every tree, and a tree of itself; both by an empty path.
    Source: RFC 9162 section 2.1.4.2.
    """
    if first == second:
        return first >= 0 and not path and first_root == second_root and (first > 0 or first_root == EMPTY_ROOT)
    if first == 0 < second:
        return not path and first_root == EMPTY_ROOT
    if not 0 < first < second or not path:
        return False
    # When the first tree is one perfect subtree of the second, its root is the step from which both grow.
    steps = [first_root, *path] if first & (first - 1) == 0 else path
    return _roots_by_steps(first - 1, second - 1, steps) == (first_root, second_root)


def _roots_by_steps(position: int, last: int, steps: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """The roots of the smaller and the larger tree; None when the path has the wrong length."""
    while position & 1:
        position, last = position >> 1, last >> 1
    smaller = larger = steps[0]
    for neighbour in steps[1:]:
        if last == 0:
            return None
        if position & 1 or position == last:
            smaller, larger = node_hash(neighbour, smaller), node_hash(neighbour, larger)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            larger = node_hash(larger, neighbour)
        position, last = position >> 1, last >> 1
    return (smaller, larger) if last == 0 else None

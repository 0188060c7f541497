"""The Merkle tree against RFC 9162's own words, written down a second time, and against known vectors."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sahut.work import leaf_hash, merkle, path_in, root_by_path, root_of

SIZES = range(1, 71)

# The test data of Certificate Transparency (RFC 6962 reference implementation): eight leaves and the root of each size.
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def rfc_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 9162 section 2.1.1, word for word, over leaf hashes."""
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + rfc_root(leaves[:k]) + rfc_root(leaves[k:])).digest()


def hashes(count: int) -> list[bytes]:
    return [leaf_hash(b"%d" % number) for number in range(count)]


@pytest.mark.parametrize("size", range(1, 9))
def test_known_vectors(size: int) -> None:
    assert root_of([leaf_hash(leaf) for leaf in LEAVES[:size]]).hex() == ROOTS[size - 1]


def test_the_empty_tree_is_the_hash_of_nothing() -> None:
    assert merkle.Tree().root() == sha256(b"").digest() == root_of([])


@pytest.mark.parametrize("size", SIZES)
def test_a_growing_tree_has_the_root_of_the_rfc(size: int) -> None:
    leaves, tree = hashes(size), merkle.Tree()

    for leaf in leaves:
        tree.add(leaf)

    assert tree.root() == rfc_root(leaves)
    assert (tree.size, len(tree.subtrees)) == (size, size.bit_count())


@pytest.mark.parametrize("size", SIZES)
def test_a_tree_goes_on_from_its_subtrees(size: int) -> None:
    leaves = hashes(size + 3)
    kept = merkle.Tree()
    for leaf in leaves[:size]:
        kept.add(leaf)

    again = merkle.Tree(kept.size, kept.subtrees)
    for leaf in leaves[size:]:
        again.add(leaf)

    assert again.root() == rfc_root(leaves)


def test_subtrees_that_do_not_fit_the_size_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        merkle.Tree(3, hashes(1))


@pytest.mark.parametrize("size", SIZES)
def test_every_leaf_is_proved_and_by_no_wrong_index_size_or_path(size: int) -> None:
    leaves = hashes(size)
    root = rfc_root(leaves)

    for index, leaf in enumerate(leaves):
        path = path_in(leaves, index)
        assert root_by_path(leaf, index, size, path) == root
        assert root_by_path(leaf_hash(b"another"), index, size, path) != root
        assert all(root_by_path(leaf, wrong, size, path) != root for wrong in {index ^ 1, index + 1} - {index})
        assert root_by_path(leaf, index, size, [*path, root]) is None
        assert not path or root_by_path(leaf, index, size, path[:-1]) is None
        assert not path or root_by_path(leaf, index, size, [*path[:-1], leaf_hash(b"x")]) != root


@pytest.mark.parametrize(("index", "size"), [(-1, 4), (4, 4), (5, 4), (0, 0), (0, -1)])
def test_a_leaf_outside_the_tree_has_no_root(index: int, size: int) -> None:
    assert root_by_path(leaf_hash(b""), index, size, []) is None


@given(st.integers(1, 300), st.data())
def test_a_path_with_one_changed_bit_proves_nothing(size: int, data: st.DataObject) -> None:
    leaves = hashes(size)
    index = data.draw(st.integers(0, size - 1))
    path = path_in(leaves, index)
    root = root_of(leaves)
    assert root_by_path(leaves[index], index, size, path) == root
    if not path:
        return

    step, bit = data.draw(st.integers(0, len(path) - 1)), data.draw(st.integers(0, 255))
    changed = list(path)
    changed[step] = (int.from_bytes(path[step], "big") ^ 1 << bit).to_bytes(32, "big")

    assert root_by_path(leaves[index], index, size, changed) != root


def test_leaves_and_nodes_hash_apart() -> None:
    left, right = hashes(2)

    assert leaf_hash(left + right) != merkle.node_hash(left, right)


def test_a_tree_divides_at_the_largest_power_of_two_below() -> None:
    assert [merkle.split(count) for count in (2, 3, 4, 5, 8, 9, 256, 257)] == [1, 2, 2, 4, 4, 8, 128, 256]


@pytest.mark.parametrize("height", range(9))
def test_folding_a_perfect_tree(height: int) -> None:
    leaves = hashes(1 << height)

    assert merkle.fold(leaves) == rfc_root(leaves)


# Consistency, from the words of RFC 9162 section 2.1.4, written down a second time.


def rfc_proof(m: int, leaves: list[bytes]) -> list[bytes]:
    """PROOF(m, D[n]) = SUBPROOF(m, D[n], true)."""

    def subproof(m: int, d: list[bytes], b: bool) -> list[bytes]:
        n = len(d)
        if m == n:
            return [] if b else [rfc_root(d)]
        k = 1
        while k * 2 < n:
            k *= 2
        if m <= k:
            return [*subproof(m, d[:k], b), rfc_root(d[k:])]
        return [*subproof(m - k, d[k:], False), rfc_root(d[:k])]

    return subproof(m, leaves, True)


def rfc_verify(first: int, first_hash: bytes, second: int, second_hash: bytes, proof: list[bytes]) -> bool:
    """The steps of 2.1.4.2, one for one, for 0 < first < second."""
    path = list(proof)
    if not path:
        return False
    if first.bit_count() == 1:
        path = [first_hash, *path]
    fn, sn = first - 1, second - 1
    while fn % 2 == 1:
        fn, sn = fn // 2, sn // 2
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            return False
        if fn % 2 == 1 or fn == sn:
            fr, sr = sha256(b"\x01" + c + fr).digest(), sha256(b"\x01" + c + sr).digest()
            if fn % 2 == 0:
                while not (fn % 2 == 1 or fn == 0):
                    fn, sn = fn // 2, sn // 2
        else:
            sr = sha256(b"\x01" + sr + c).digest()
        fn, sn = fn // 2, sn // 2
    return fr == first_hash and sr == second_hash and sn == 0


@pytest.mark.parametrize("size", SIZES)
def test_every_tree_is_shown_to_begin_with_every_smaller_one_as_the_rfc_says(size: int) -> None:
    leaves = hashes(size)
    root = rfc_root(leaves)

    for first in range(1, size + 1):
        path = merkle.consistency_in(leaves, first)
        assert path == rfc_proof(first, leaves)
        assert merkle.extends(first, rfc_root(leaves[:first]), size, root, path)
        assert not merkle.extends(first, leaf_hash(b"another"), size, root, path)
        assert not merkle.extends(first, rfc_root(leaves[:first]), size, leaf_hash(b"another"), path)
        assert not merkle.extends(first, rfc_root(leaves[:first]), size, root, [*path, root])
        assert first == size or not merkle.extends(first, rfc_root(leaves[:first]), size, root, path[:-1])
        assert first == size or not merkle.extends(size, root, first, rfc_root(leaves[:first]), path)


def test_the_empty_tree_is_the_beginning_of_every_tree() -> None:
    root = root_of(hashes(3))

    assert merkle.extends(0, merkle.EMPTY_ROOT, 3, root, [])
    assert merkle.extends(0, merkle.EMPTY_ROOT, 0, merkle.EMPTY_ROOT, [])
    assert not merkle.extends(0, root, 3, root, [])
    assert not merkle.extends(0, root, 0, root, [])
    assert not merkle.extends(-1, root, -1, root, [])
    assert not merkle.extends(0, merkle.EMPTY_ROOT, 3, root, [root])


@given(st.integers(2, 300), st.data())
def test_a_tree_in_which_one_earlier_leaf_was_changed_extends_nothing(size: int, data: st.DataObject) -> None:
    leaves = hashes(size)
    first = data.draw(st.integers(1, size - 1))
    rewritten = list(leaves)
    rewritten[data.draw(st.integers(0, first - 1))] = leaf_hash(b"rewritten")
    path = merkle.consistency_in(rewritten, first)

    assert not merkle.extends(first, root_of(leaves[:first]), size, root_of(rewritten), path)
    assert merkle.extends(first, root_of(rewritten[:first]), size, root_of(rewritten), path)


@given(st.integers(1, 300), st.integers(1, 300), st.lists(st.integers(0, 600), max_size=12))
def test_any_path_is_judged_as_the_rfc_judges_it(first: int, more: int, picked: list[int]) -> None:
    """Paths of hashes that occur in the trees, so that some steps are right."""
    leaves = hashes(first + more)
    known = [*merkle.consistency_in(leaves, first), *leaves]
    path = [known[number % len(known)] for number in picked]
    small, large = root_of(leaves[:first]), root_of(leaves)

    assert merkle.extends(first, small, first + more, large, path) == rfc_verify(
        first, small, first + more, large, path
    )
    good = merkle.consistency_in(leaves, first)
    assert rfc_verify(first, small, first + more, large, good)

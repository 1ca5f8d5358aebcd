"""The tree is the one of RFC 6962, and its proofs show what they should and nothing else."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.merkle import (
    EMPTY_ROOT,
    Frontier,
    Node,
    consistency_nodes,
    consistency_proof,
    extends,
    includes,
    inclusion_nodes,
    inclusion_proof,
    leaf_hash,
    levels_completed,
    peaks,
)

RFC_LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
RFC_ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
"""Known roots of the reference implementation of Certificate Transparency, by size."""

SIZES = st.integers(min_value=1, max_value=300)


def recursive_root(leaves: list[bytes]) -> bytes:
    """The definition of RFC 6962, section 2.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while 2 * split < len(leaves):
        split *= 2
    left, right = recursive_root(leaves[:split]), recursive_root(leaves[split:])
    return sha256(b"\x01" + left + right).digest()


def leaves_of(size: int) -> list[bytes]:
    return [b"leaf %d" % number for number in range(size)]


def grown(leaves: list[bytes]) -> tuple[Frontier, dict[Node, bytes]]:
    """The frontier after these leaves, and the hash of every perfect subtree."""
    frontier = Frontier.empty()
    hashes: dict[Node, bytes] = {}
    for number, leaf in enumerate(leaves):
        hashed = leaf_hash(leaf)
        hashes[Node(0, number)] = hashed
        for level, completed in enumerate(frontier.add(hashed), start=1):
            hashes[Node(level, number >> level)] = completed
    return frontier, hashes


@pytest.mark.parametrize(("size", "root"), RFC_ROOTS.items())
def test_the_roots_are_those_of_certificate_transparency(size: int, root: str) -> None:
    assert grown(RFC_LEAVES[:size])[0].root().hex() == root


def test_the_tree_without_leaves_has_a_root() -> None:
    assert Frontier.empty().root() == EMPTY_ROOT == recursive_root([])


@given(SIZES)
def test_growing_leaf_by_leaf_gives_the_recursive_definition(size: int) -> None:
    leaves = leaves_of(size)
    frontier, hashes = grown(leaves)
    assert frontier.root() == recursive_root(leaves)
    assert frontier.peaks == [hashes[node] for node in peaks(size)]


@given(SIZES)
def test_a_frontier_rebuilt_from_stored_subtrees_grows_on(size: int) -> None:
    leaves = leaves_of(size + 5)
    _, hashes = grown(leaves[:size])
    again = Frontier(size, [hashes[node] for node in peaks(size)])
    for leaf in leaves[size:]:
        again.add(leaf_hash(leaf))
    assert again.root() == recursive_root(leaves)


@given(st.integers(min_value=0, max_value=10_000))
def test_a_subtree_is_kept_with_the_leaf_that_completes_it(leaf: int) -> None:
    for level in range(levels_completed(leaf) + 1):
        assert Node(level, leaf >> level).completed_by == leaf
    above = levels_completed(leaf) + 1
    assert Node(above, leaf >> above).completed_by > leaf


@given(SIZES, st.data())
def test_every_leaf_is_shown_to_be_in_the_tree(size: int, data: st.DataObject) -> None:
    leaf = data.draw(st.integers(min_value=0, max_value=size - 1))
    frontier, hashes = grown(leaves_of(size))
    needed = {node: hashes[node] for node in inclusion_nodes(leaf, size)}
    proof = inclusion_proof(leaf, size, needed)
    hashed, root = hashes[Node(0, leaf)], frontier.root()
    assert includes(leaf, hashed, size, root, proof)
    assert not includes(leaf, leaf_hash(b"another"), size, root, proof)
    assert not includes(leaf, hashed, size, leaf_hash(b"another"), proof)
    assert not includes(leaf, hashed, size, root, [*proof, root])
    assert not includes(size, hashed, size, root, proof)
    if proof:
        assert not includes(leaf, hashed, size, root, proof[:-1])
        assert not includes(leaf ^ 1, hashed, size, root, proof)


@given(SIZES, SIZES)
def test_every_earlier_tree_is_shown_to_be_the_beginning(first: int, second: int) -> None:
    old, new = sorted((first, second))
    leaves = leaves_of(new)
    frontier, hashes = grown(leaves)
    needed = {node: hashes[node] for node in consistency_nodes(old, new)}
    proof = consistency_proof(old, new, needed)
    old_root, new_root = recursive_root(leaves[:old]), frontier.root()
    assert extends(old, old_root, new, new_root, proof)
    assert not extends(old, leaf_hash(b"another"), new, new_root, proof)
    assert not extends(old, old_root, new, leaf_hash(b"another"), proof)
    assert not extends(old, old_root, new, new_root, [*proof, new_root])
    if proof:
        assert not extends(old, old_root, new, new_root, proof[:-1])


def test_a_rewritten_beginning_has_no_proof() -> None:
    leaves = leaves_of(7)
    old_root = recursive_root(leaves[:4])
    leaves[2] = b"rewritten"
    frontier, hashes = grown(leaves)
    proof = consistency_proof(4, 7, hashes)
    assert not extends(4, old_root, 7, frontier.root(), proof)


@pytest.mark.parametrize(("leaf", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_there_is_no_proof_for_a_leaf_that_is_not_there(leaf: int, size: int) -> None:
    with pytest.raises(ValueError, match="has no leaf"):
        inclusion_proof(leaf, size, {})


@pytest.mark.parametrize(("old", "new"), [(0, 3), (4, 3), (-1, 3)])
def test_there_is_no_proof_between_sizes_that_cannot_be(old: int, new: int) -> None:
    with pytest.raises(ValueError, match="no proof leads"):
        consistency_proof(old, new, {})
    assert not extends(old, EMPTY_ROOT, new, EMPTY_ROOT, [])

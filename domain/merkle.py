"""A Merkle tree over an append-only sequence, as in RFC 6962: hashes, growth and proofs.

    leaf hash = SHA-256(0x00 || leaf)        node hash = SHA-256(0x01 || left || right)

A tree of n leaves splits at the largest power of two below n. Its left parts are perfect subtrees,
which never change again, so only their hashes are ever kept: each is completed by one leaf, and a
tree of any size is made of few of them.

            size 6         peaks: (2, 0) and (1, 2)
        ┌─────┴─────┐
      (2,0)       (1,2)    (level, number): 2^level leaves, counted from the left
     ┌──┴──┐      ┌─┴─┐
   (1,0) (1,1)    4   5
   ┌┴┐   ┌┴┐
   0 1   2 3
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple, TypeAlias

EMPTY_ROOT = sha256(b"").digest()
"""Root of the tree without leaves."""


class Node(NamedTuple):
    """A perfect subtree of 2^level leaves; level 0 is a leaf."""

    level: int
    number: int

    @property
    def completed_by(self) -> int:
        """Number of its last leaf."""
        return ((self.number + 1) << self.level) - 1


Span: TypeAlias = tuple[int, int]
"""Leaves from the first number up to, not including, the second."""


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of a leaf's content."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of two subtrees side by side."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(slots=True)
class Frontier:
    """The right edge of a growing tree: all that it takes to add leaves and to know the root.

    Attributes:
        size: number of leaves.
        peaks: hashes of the perfect subtrees that make up the tree, largest first.
    """

    size: int
    peaks: list[bytes]

    @classmethod
    def empty(cls) -> "Frontier":
        """Return the frontier of the tree without leaves."""
        return cls(0, [])

    def add(self, hashed: bytes) -> list[bytes]:
        """Add a leaf by its hash; returns the hashes of the subtrees it completes, level 1 up."""
        completed = []
        rest = self.size
        while rest & 1:
            hashed = node_hash(self.peaks.pop(), hashed)
            completed.append(hashed)
            rest >>= 1
        self.peaks.append(hashed)
        self.size += 1
        return completed

    def root(self) -> bytes:
        """Return the root of the tree as it is."""
        return _joined(self.peaks)

    def copy(self) -> "Frontier":
        """Return one that grows by itself."""
        return Frontier(self.size, list(self.peaks))


def levels_completed(leaf: int) -> int:
    """Return how many subtrees above itself a leaf completes, by its number."""
    count = leaf + 1
    return (count & -count).bit_length() - 1


def peaks(size: int) -> list[Node]:
    """Return the perfect subtrees that make up a tree of this size, largest first."""
    return _perfect((0, size))


def inclusion_nodes(leaf: int, size: int) -> set[Node]:
    """Return the subtrees whose hashes `inclusion_proof` needs."""
    return _nodes_of(_inclusion_spans(leaf, size))


def inclusion_proof(leaf: int, size: int, hashes: Mapping[Node, bytes]) -> list[bytes]:
    """Return the proof that a leaf is in the tree of this size: RFC 6962, section 2.1.1.

    Args:
        hashes: of at least `inclusion_nodes(leaf, size)`.

    Raises:
        ValueError: the tree has no such leaf.
    """
    return [_hash_of(span, hashes) for span in _inclusion_spans(leaf, size)]


def consistency_nodes(old_size: int, new_size: int) -> set[Node]:
    """Return the subtrees whose hashes `consistency_proof` needs."""
    return _nodes_of(_consistency_spans(old_size, new_size))


def consistency_proof(old_size: int, new_size: int, hashes: Mapping[Node, bytes]) -> list[bytes]:
    """Return the proof that a tree begins with an earlier one: RFC 6962, section 2.1.2.

    Args:
        hashes: of at least `consistency_nodes(old_size, new_size)`.

    Raises:
        ValueError: there is no proof from or to such a size.
    """
    return [_hash_of(span, hashes) for span in _consistency_spans(old_size, new_size)]


def includes(leaf: int, hashed: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> bool:
    """Tell whether a proof shows that a leaf with this hash is in the tree: RFC 9162, 2.1.3.2."""
    if not 0 <= leaf < size:
        return False
    position, last = leaf, size - 1
    for step in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            hashed = node_hash(step, hashed)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            hashed = node_hash(hashed, step)
        position >>= 1
        last >>= 1
    return last == 0 and hashed == root


def extends(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Tell whether a proof shows that the new tree begins with the old one: RFC 9162, 2.1.4.2."""
    if old_size == new_size:
        return not proof and old_root == new_root
    if not 0 < old_size < new_size:
        return False
    steps = list(proof)
    if old_size & (old_size - 1) == 0:
        steps.insert(0, old_root)
    if not steps:
        return False
    position, last = old_size - 1, new_size - 1
    while position & 1:
        position >>= 1
        last >>= 1
    old = new = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            old, new = node_hash(step, old), node_hash(step, new)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            new = node_hash(new, step)
        position >>= 1
        last >>= 1
    return last == 0 and (old, new) == (old_root, new_root)


def _inclusion_spans(leaf: int, size: int) -> list[Span]:
    if not 0 <= leaf < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {leaf}")
    spans: list[Span] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if leaf < middle:
            spans.append((middle, end))
            end = middle
        else:
            spans.append((start, middle))
            start = middle
    return spans[::-1]


def _consistency_spans(old_size: int, new_size: int) -> list[Span]:
    if not 0 < old_size <= new_size:
        raise ValueError(f"no proof leads from {old_size} to {new_size} leaves")
    spans: list[Span] = []
    start, end = 0, new_size
    while end != old_size:
        middle = start + _split(end - start)
        if old_size <= middle:
            spans.append((middle, end))
            end = middle
        else:
            spans.append((start, middle))
            start = middle
    if start > 0:
        # The verifier does not know this part of the old tree; without `start` it is all of it.
        spans.append((start, end))
    return spans[::-1]


def _split(count: int) -> int:
    """Return the largest power of two below a count of at least 2."""
    return 1 << (count - 1).bit_length() - 1


def _perfect(span: Span) -> list[Node]:
    """Return the perfect subtrees of a span that begins where one of its size may begin."""
    start, end = span
    nodes = []
    while start < end:
        level = (end - start).bit_length() - 1
        nodes.append(Node(level, start >> level))
        start += 1 << level
    return nodes


def _nodes_of(spans: Iterable[Span]) -> set[Node]:
    return {node for span in spans for node in _perfect(span)}


def _hash_of(span: Span, hashes: Mapping[Node, bytes]) -> bytes:
    return _joined([hashes[node] for node in _perfect(span)])


def _joined(subtrees: Sequence[bytes]) -> bytes:
    """Return the hash over perfect subtrees of falling size, largest first."""
    if not subtrees:
        return EMPTY_ROOT
    hashed = subtrees[-1]
    for left in reversed(subtrees[:-1]):
        hashed = node_hash(left, hashed)
    return hashed

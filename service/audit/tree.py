"""Whether the tree over the log is the one that was signed, at every size at which it was."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

from domain.checkpoint import VerifierKey, parse_note
from domain.errors import InvalidCheckpoint
from domain.merkle import Frontier, leaf_hash
from domain.seals import StoredCheckpoint
from infrastructure.postgres.audit import TreeLeaf
from infrastructure.signing import SignatureProblem, signature_problem
from service.audit.findings import Finding, Kind

NAMED_LEAVES = 5


class SignedRoot(NamedTuple):
    """What somebody has signed.

    Attributes:
        source: name of the kind of checkpoint, for people.
    """

    size: int
    root: bytes
    source: str


class Notary:
    """Reads checkpoints and believes those that one of its keys has signed."""

    def __init__(self, keys: Sequence[VerifierKey]) -> None:
        self._keys = keys

    def stored(self, row: StoredCheckpoint, source: str) -> SignedRoot | Finding:
        """Return what a row of the table has signed, or what is wrong with it."""
        read = self.read(row.size, row.note, source)
        if isinstance(read, SignedRoot) and row.root != read.root:
            return Finding(
                Kind.CHECKPOINT,
                f"{source} of size {row.size}: its column root is not the root that was signed",
            )
        return read

    def read(self, size: int, note: str, source: str) -> SignedRoot | Finding:
        """Return what a note has signed, or what is wrong with it.

        Args:
            size: under which it is kept.
            source: name of the kind of checkpoint.
        """
        name = f"{source} of size {size}"
        try:
            signed = parse_note(note)
        except InvalidCheckpoint as error:
            return Finding(Kind.CHECKPOINT, f"{name}: {error}")
        match signature_problem(signed, self._keys):
            case SignatureProblem.WRONG_SIGNATURE as problem:
                return Finding(Kind.CHECKPOINT, f"{name}: {problem}")
            case SignatureProblem.NOT_SIGNED_BY_US:
                signers = ", ".join(
                    f"{each.key_name}+{each.key_id.hex()}" for each in signed.signatures
                )
                ours = ", ".join(f"{key.name}+{key.key_id.hex()}" for key in self._keys)
                return Finding(
                    Kind.WRONG_KEY,
                    f"{name}: it is signed by {signers}, and the given key is {ours or 'none'}",
                )
        checkpoint = signed.checkpoint
        if checkpoint.size != size:
            return Finding(Kind.CHECKPOINT, f"{name}: what was signed is of size {checkpoint.size}")
        if checkpoint.origin not in {key.name for key in self._keys}:
            return Finding(Kind.CHECKPOINT, f"{name}: it is of another log, {checkpoint.origin!r}")
        return SignedRoot(size, checkpoint.root, source)


class TreeCheck:
    """Grows the tree anew from the hashes in the leaves and compares it on the way.

    Attributes:
        sound: whether nothing was found to be wrong so far.
    """

    def __init__(self) -> None:
        self._frontier = Frontier.empty()
        self._recent: deque[TreeLeaf] = deque(maxlen=NAMED_LEAVES)
        self._agreed: dict[str, int] = {}
        self._forked: dict[str, int] = {}
        self._broken = False
        self.sound = True

    @property
    def size(self) -> int:
        """Number of leaves so far."""
        return self._frontier.size

    def grow(self, leaves: Iterable[TreeLeaf], signed: Sequence[SignedRoot]) -> Iterator[Finding]:
        """Take the next leaves; yields what is wrong with them.

        Args:
            signed: what was signed of the tree between the first and the last of them, by size.
        """
        expected: dict[int, list[SignedRoot]] = {}
        for each in signed:
            expected.setdefault(each.size, []).append(each)
        for leaf in leaves:
            if self._broken:
                return
            yield from self._noted(self._add(leaf))
            for each in expected.get(self._frontier.size, ()):
                yield from self._noted(self._compare(each))

    def end(self, signed: Iterable[SignedRoot]) -> Iterator[Finding]:
        """Say that there are no more leaves.

        Args:
            signed: what was signed of larger trees than this.
        """
        beyond: dict[str, SignedRoot] = {each.source: each for each in signed}
        if not self._broken:
            for source, each in beyond.items():
                self.sound = False
                yield Finding(
                    Kind.CUT,
                    f"a {source} was signed over {each.size} events, and {self.size} are sealed: "
                    f"leaves {self.size} to {each.size - 1} were removed",
                )
        for source, count in self._forked.items():
            if count > 1:
                yield Finding(
                    Kind.FORKED, f"{count - 1} later {source}s were signed over another tree, too"
                )

    def _noted(self, findings: Iterator[Finding]) -> Iterator[Finding]:
        for finding in findings:
            self.sound = False
            yield finding

    def _add(self, leaf: TreeLeaf) -> Iterator[Finding]:
        size = self._frontier.size
        if leaf.number != size:
            self._broken = True
            until = leaf.number - 1
            yield Finding(
                Kind.MISSING_LEAF,
                (f"leaf {size} is" if until == size else f"leaves {size} to {until} are")
                + " missing; the tree cannot be checked beyond",
            )
            return
        completed = self._frontier.add(leaf_hash(leaf.event_hash))
        self._recent.append(leaf)
        if b"".join(completed) != leaf.subtrees:
            yield Finding(
                Kind.TREE,
                f"leaf {leaf.number}: the subtree hashes kept with it are not those of its leaves",
                UUID(bytes=leaf.task_id),
                leaf.version,
            )

    def _compare(self, signed: SignedRoot) -> Iterator[Finding]:
        source = signed.source
        if self._frontier.root() == signed.root:
            self._agreed[source] = signed.size
            return
        count = self._forked[source] = self._forked.get(source, 0) + 1
        if count > 1:
            return
        first, last = self._agreed.get(source, 0), signed.size - 1
        which = f"leaf {first}" if first == last else f"one or more of leaves {first} to {last}"
        yield Finding(
            Kind.FORKED,
            f"the {source} of size {signed.size} was signed over another tree: {which} changed "
            f"after it{self._names(first, last)}",
        )

    def _names(self, first: int, last: int) -> str:
        """Return which events a few leaves are; nothing for many."""
        if last - first >= NAMED_LEAVES:
            return ""
        return ": " + ", ".join(
            f"task {UUID(bytes=leaf.task_id)} version {leaf.version}"
            for leaf in self._recent
            if first <= leaf.number <= last
        )

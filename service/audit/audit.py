"""One look at the whole log: first the tree and what was signed of it, then every stream."""

from collections.abc import AsyncIterator, Iterator, Sequence

from domain.checkpoint import VerifierKey
from domain.errors import KetlogError
from domain.seals import StoredCheckpoint
from infrastructure.checkpoint_folder import CheckpointFolder
from infrastructure.postgres.audit import read_streams, read_tree
from infrastructure.postgres.connect import Connection
from infrastructure.postgres.statements import statement
from service.audit.findings import Finding, Kind, Tally
from service.audit.progress import Progress
from service.audit.streams import check_streams
from service.audit.tree import Notary, SignedRoot, TreeCheck

TABLE, FOLDER = "checkpoint", "shipped checkpoint"


class CannotVerify(KetlogError):
    """Something that is needed is not there; the message says what to give."""


class Audit:
    """Verifies a log that may be in use.

    Args:
        connection: reads the log; nothing is written.
        keys: public keys whose signatures are believed.
        folder: checkpoints that were shipped, if any were.

    Attributes:
        tally: what was looked at so far.
    """

    def __init__(
        self, connection: Connection, keys: Sequence[VerifierKey], folder: CheckpointFolder | None
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._folder = folder
        self._notary = Notary(keys)
        self._tree = TreeCheck()
        self.tally = Tally()

    async def findings(self) -> AsyncIterator[Finding]:
        """Yield what is wrong.

        Raises:
            CannotVerify: there are signatures and no key.
            asyncpg.PostgresError, OSError: the database or the folder cannot be read.
        """
        async for finding in self._check_tree():
            yield finding
        progress = Progress("events verified")
        async for piece in read_streams(self._connection):
            before = self.tally.events
            for finding in check_streams(piece, self.tally, tree_is_sound=self._tree.sound):
                yield finding
            progress.advance(self.tally.events - before)
        self.tally.rates.append(progress.done())

    async def _check_tree(self) -> AsyncIterator[Finding]:
        # What was shipped, what was signed, the leaves: a sealer makes them in the other order.
        last_shipped = 0 if self._folder is None else self._folder.latest()
        latest = await self._connection.fetchrow(statement("latest_checkpoint"))
        last_signed = 0 if latest is None else latest["size"]
        if not self._keys and (last_shipped or last_signed):
            raise CannotVerify(
                "there are signed checkpoints and no public key to check them with. "
                "Give it with --key, or set SIGNING_KEY_FILE."
            )
        signed = _Signed(self._connection, self._notary, self._folder, self.tally)
        progress = Progress("leaves verified")
        async for leaves in read_tree(self._connection):
            until = leaves[-1].number + 1
            roots, findings = await signed.next(min(until, last_signed), min(until, last_shipped))
            for finding in (*findings, *self._tree.grow(leaves, roots)):
                yield finding
            progress.advance(len(leaves))
        roots, findings = await signed.next(last_signed, last_shipped)
        for finding in (*findings, *self._tree.end(roots)):
            yield finding
        self.tally.rates.append(progress.done())


class _Signed:
    """What was signed, by rising size, from the table and from the folder."""

    def __init__(
        self,
        connection: Connection,
        notary: Notary,
        folder: CheckpointFolder | None,
        tally: Tally,
    ) -> None:
        self._connection = connection
        self._notary = notary
        self._folder = folder
        self._tally = tally
        self._after = 0
        self._sizes: Iterator[int] = iter(()) if folder is None else folder.sizes()
        self._waiting: int | None = next(self._sizes, None)

    async def next(
        self, until_signed: int, until_shipped: int
    ) -> tuple[list[SignedRoot], list[Finding]]:
        """Return what was signed of trees up to these sizes, and which checkpoints are no good."""
        rows = await self._connection.fetch(
            statement("checkpoints_between"), self._after, until_signed
        )
        self._after = max(self._after, until_signed)
        stored = [StoredCheckpoint(**row) for row in rows]
        read = [self._notary.stored(row, TABLE) for row in stored]
        sizes = {row.size for row in stored}
        for size, note in self._shipped(until_shipped):
            read.append(self._notary.read(size, note, FOLDER))
            if size not in sizes:
                what = f"the table has none of size {size}, which was shipped"
                read.append(Finding(Kind.CHECKPOINT, what))
        roots = [each for each in read if isinstance(each, SignedRoot)]
        self._count(roots)
        return roots, [each for each in read if isinstance(each, Finding)]

    def _shipped(self, until: int) -> Iterator[tuple[int, str]]:
        while self._folder is not None and self._waiting is not None and self._waiting <= until:
            yield self._waiting, self._folder.read(self._waiting)
            self._waiting = next(self._sizes, None)

    def _count(self, roots: Sequence[SignedRoot]) -> None:
        tally = self._tally
        for root in roots:
            if root.source == TABLE:
                tally.checkpoints += 1
                tally.vouched = max(tally.vouched, root.size)
            else:
                tally.shipped += 1
                tally.vouched_elsewhere = max(tally.vouched_elsewhere, root.size)

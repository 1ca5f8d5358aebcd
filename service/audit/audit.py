"""One look at the whole log: the tree and what was signed of it, and beside it every stream."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from domain.checkpoint import VerifierKey
from domain.errors import KetlogError
from domain.seals import StoredCheckpoint
from infrastructure.checkpoint_folder import CheckpointFolder
from infrastructure.postgres.audit import read_tree
from infrastructure.postgres.connect import Connection, connect
from infrastructure.postgres.statements import statement
from service.audit.findings import Finding, Kind, Tally
from service.audit.progress import Progress
from service.audit.streams import check_range
from service.audit.tree import Notary, SignedRoot, TreeCheck
from service.audit.workers import Job, over_ranges

APPLICATION_NAME = "ketlog verify"
TABLE, FOLDER = "checkpoint", "shipped checkpoint"


class CannotVerify(KetlogError):
    """Something that is needed is not there; the message says what to give."""


class Audit:
    """Verifies a log that may be in use.

    Args:
        dsn: where the log is; nothing is written.
        keys: public keys whose signatures are believed.
        folder: checkpoints that were shipped, if any were.
        jobs: number of processes that check streams.
        show: is told what is wrong.

    Attributes:
        tally: what was looked at so far.
    """

    def __init__(
        self,
        dsn: str,
        keys: Sequence[VerifierKey],
        folder: CheckpointFolder | None,
        jobs: int,
        show: Callable[[Finding], None],
    ) -> None:
        self._dsn = dsn
        self._keys = keys
        self._folder = folder
        self._jobs = jobs
        self._show = show
        self._notary = Notary(keys)
        self._tree = TreeCheck()
        self._progress = Progress("events verified")
        self.tally = Tally()

    async def run(self) -> None:
        """Look at everything once.

        Raises:
            CannotVerify: there are signatures and no key.
            KetlogError, asyncpg.PostgresError, OSError: the log or the folder cannot be read.
        """
        connections = [await connect(self._dsn, APPLICATION_NAME) for _ in range(2)]
        tree = asyncio.create_task(self._check_tree(connections[0]))
        streams = asyncio.create_task(self._check_streams(connections[1]))
        try:
            await asyncio.gather(tree, streams)
            self.tally.tail_seconds = await _age_of_tail(connections[0])
        finally:
            for task in (tree, streams):
                task.cancel()
            await asyncio.gather(tree, streams, return_exceptions=True)
            for connection in connections:
                connection.terminate()
        self.tally.rate = self._progress.done()

    async def _check_streams(self, connection: Connection) -> None:
        job = Job(partial(connect, self._dsn, APPLICATION_NAME), check_range)
        async for _, checked in over_ranges(connection, job, self._jobs):
            for finding in checked.findings:
                self._show(finding)
            self.tally.add(checked.tally)
            self._progress.advance(checked.tally.events)

    async def _check_tree(self, connection: Connection) -> None:
        # What was shipped, what was signed, the leaves: a sealer makes them in the other order.
        last_shipped = 0 if self._folder is None else self._folder.latest()
        latest = await connection.fetchrow(statement("latest_checkpoint"))
        last_signed = 0 if latest is None else latest["size"]
        if not self._keys and (last_shipped or last_signed):
            raise CannotVerify(
                "there are signed checkpoints and no public key to check them with. "
                "Give it with --key, or set SIGNING_KEY_FILE."
            )
        signed = _Signed(connection, self._notary, self._folder, self.tally)
        async for leaves in read_tree(connection):
            until = leaves[-1].number + 1
            roots, findings = await signed.next(min(until, last_signed), min(until, last_shipped))
            for finding in (*findings, *self._tree.grow(leaves, roots)):
                self._show(finding)
        roots, findings = await signed.next(last_signed, last_shipped)
        for finding in (*findings, *self._tree.end(roots)):
            self._show(finding)
        self.tally.leaves = self._tree.size
        self.tally.tree_is_sound = self._tree.sound


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


async def _age_of_tail(connection: Connection) -> float:
    """Return how many seconds ago the first event without a leaf was recorded; 0 for none."""
    (end,) = await connection.fetch(statement("sealed_end"))
    age = await connection.fetchval(
        statement("age_of_next_event"), str(end["xid"]), end["position"]
    )
    return age or 0.0

"""Seals the log: numbers its events, builds the tree over them, signs it and ships what it signed.

    read in log order ─► add leaves ─► sign a checkpoint ─► ship it
          ▲                                                    │
          └──────────────── every `seal_seconds` ──────────────┘

It runs behind the appends and shares nothing with them but the server: it only reads events that
are committed, in bounded batches, and rests as long as it works while it catches up. All it needs
to go on is in the tables, so it may be stopped at any point, and of two sealers one finds that the
other was faster. It signs nothing that does not continue what was signed before.
"""

import asyncio
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from domain.checkpoint import VerifierKey, parse_note
from domain.errors import InvalidCheckpoint, KetlogError, LogForked, StoreError
from domain.log import LogCursor
from domain.merkle import Frontier, peaks
from domain.seals import Leaf, Seals, frontier_from
from infrastructure.checkpoint_folder import AnotherCheckpoint, CheckpointFolder
from infrastructure.signing import (
    SigningKey,
    SigningKeyError,
    known_keys,
    load_or_make,
    signature_problem,
)

BATCH = 1_000
SHIPMENTS_A_ROUND = 500
LONG_LAG_SECONDS = 60.0

log = structlog.get_logger()


@dataclass(slots=True)
class _Tree:
    """The tree as this sealer knows it.

    Attributes:
        cursor: the last event in it.
        signed: size at the latest checkpoint.
        shipped: size at the latest shipped checkpoint.
    """

    key: SigningKey
    frontier: Frontier
    cursor: LogCursor
    signed: int
    shipped: int


class Sealer:
    """Keeps the sealed part of the log close behind its end.

    Args:
        seals: the log's hashes, leaves and checkpoints.
        key_file: the signing key; made if it is missing and nothing was signed yet.
        origin: name of the log in its checkpoints.
        sink: where checkpoints are shipped to, if anywhere.
        seal_seconds: pause between two rounds.

    Attributes:
        size: number of sealed events.
        lag_seconds: age of the oldest event that is under no checkpoint yet; 0 for none.
        problem: why nothing is sealed, or shipped, at present.
    """

    def __init__(
        self,
        seals: Seals,
        key_file: Path,
        origin: str,
        sink: CheckpointFolder | None,
        seal_seconds: float,
    ) -> None:
        self._seals = seals
        self._key_file = key_file
        self._origin = origin
        self._sink = sink
        self._seal_seconds = seal_seconds
        self._tree: _Tree | None = None
        self._signed_until: LogCursor | None = None
        self._lagging = False
        self.size = 0
        self.lag_seconds = 0.0
        self.problem: str | None = None

    async def run(self) -> None:
        """Seal until cancelled."""
        while True:
            try:
                await self._try()
            except StoreError:
                # The dispatcher says that the database is away.
                self._tree = None
            await asyncio.sleep(self._seal_seconds)

    async def _try(self) -> None:
        try:
            await self.round()
        except (LogForked, SigningKeyError) as error:
            self._tree = None
            self._report(error)
        await self._measure()

    async def round(self) -> int:
        """Seal what is there; returns how many events that were.

        Raises:
            StoreUnavailable: the next round goes on where this one was.
            LogForked: the tables do not continue what was signed; nothing is signed.
            SigningKeyError: there is no key to sign with.
        """
        tree = self._tree or await self._open()
        self._tree = tree
        before = tree.frontier.size
        signed_at = time.monotonic()
        while await self._grow(tree):
            if time.monotonic() - signed_at >= self._seal_seconds:
                await self._sign(tree)
                signed_at = time.monotonic()
        await self._sign(tree)
        await self._ship(tree)
        return tree.frontier.size - before

    async def _open(self) -> _Tree:
        """Take up the tree where the tables have it, if it is the one that was signed."""
        # First what was signed, then the tree: another sealer may be at work in between.
        latest = await self._seals.latest_checkpoint()
        shipped, shipped_note = await asyncio.to_thread(self._latest_shipped)
        state = await self._seals.state()
        self.size, self._signed_until = state.frontier.size, state.cursor
        key = await asyncio.to_thread(
            load_or_make, self._key_file, self._origin, may_make=latest is None
        )
        keys = await asyncio.to_thread(known_keys, self._key_file)
        if latest is not None:
            await self._compare(state.frontier, latest.note, keys, "latest checkpoint")
        if shipped:
            await self._compare(state.frontier, shipped_note, keys, "latest shipped checkpoint")
        signed = 0 if latest is None else latest.size
        return _Tree(key, state.frontier, state.cursor, signed, shipped)

    async def _compare(
        self, frontier: Frontier, note: str, keys: list[VerifierKey], name: str
    ) -> None:
        """Raise `LogForked` unless the tree begins with the one that was signed."""
        try:
            signed = parse_note(note)
        except InvalidCheckpoint as error:
            raise LogForked(f"The {name} is damaged: {error}.") from error
        size = signed.checkpoint.size
        if problem := signature_problem(signed, keys):
            raise LogForked(
                f"The {name}, of size {size}, cannot be trusted: {problem}. "
                f"Keys that signed before belong into {self._key_file}.pub, one a line."
            )
        if size > frontier.size:
            raise LogForked(
                f"The {name} was signed over {size} events, and only {frontier.size} are sealed: "
                "the log was cut, or restored from an older copy."
            )
        signed_tree = frontier_from(size, await self._seals.hashes(peaks(size)))
        if signed_tree.root() != signed.checkpoint.root:
            raise LogForked(f"The tree does not hold what the {name}, of size {size}, has signed.")

    async def _grow(self, tree: _Tree) -> bool:
        """Add a batch of leaves; tells whether there may be more."""
        began = time.monotonic()
        events = await self._seals.read(tree.cursor, BATCH)
        if not events:
            return False
        self.lag_seconds = max(self.lag_seconds, events[0].age_seconds)
        frontier = tree.frontier.copy()
        leaves = [Leaf.grown(frontier, event) for event in events if not event.sealed]
        if leaves and not await self._seals.add_leaves(leaves):
            # Another sealer was faster: see what it has done, in the next round.
            self._tree = None
            return False
        tree.frontier = frontier
        tree.cursor = events[-1].cursor
        self.size = frontier.size
        if len(events) < BATCH:
            return False
        await asyncio.sleep(time.monotonic() - began)
        return True

    async def _sign(self, tree: _Tree) -> None:
        size = tree.frontier.size
        if size > tree.signed:
            root = tree.frontier.root()
            await self._seals.add_checkpoint(size, root, tree.key.sign(size, root).note())
            tree.signed = size
            log.debug("The log is sealed", size=size)
        self._signed_until = tree.cursor

    def _latest_shipped(self) -> tuple[int, str]:
        """Return the latest shipped checkpoint; what cannot be read will be shipped again."""
        try:
            size = 0 if self._sink is None else self._sink.latest()
            return size, self._sink.read(size) if self._sink is not None and size else ""
        except OSError:
            return 0, ""

    async def _ship(self, tree: _Tree) -> None:
        """Ship what was signed and is not there yet; a sink that is away holds up nothing else."""
        problem: KetlogError | None = None
        if self._sink is not None and tree.shipped < tree.signed:
            for row in await self._seals.checkpoints(tree.shipped, SHIPMENTS_A_ROUND):
                try:
                    await asyncio.to_thread(partial(self._sink.ship, row.size, row.note))
                except AnotherCheckpoint as error:
                    raise LogForked(f"The log was signed twice: {error}.") from error
                except OSError as error:
                    problem = _unshippable(self._sink, error)
                    break
                tree.shipped = row.size
        self._report(problem)

    async def _measure(self) -> None:
        if self._signed_until is not None:
            self.lag_seconds = await self._seals.lag(self._signed_until)
        lagging = self.lag_seconds > LONG_LAG_SECONDS
        if lagging and not self._lagging:
            log.warning("Sealing is far behind", lag_seconds=round(self.lag_seconds))
        self._lagging = lagging

    def _report(self, error: KetlogError | None) -> None:
        """Log a problem once, and its end."""
        problem = None if error is None else str(error)
        if problem is not None and problem != self.problem:
            log.error("The log is not sealed as it should be", reason=problem)
        elif problem is None and self.problem is not None:
            log.info("The log is sealed again")
        self.problem = problem


def _unshippable(sink: CheckpointFolder, error: OSError) -> KetlogError:
    return KetlogError(
        f"Checkpoints cannot be shipped to {sink.path}: {error.strerror}. "
        "Sealing goes on; they will follow when CHECKPOINT_SINK can be written."
    )

"""Leaves and checkpoints in PostgreSQL."""

from collections.abc import Collection, Sequence
from operator import attrgetter
from uuid import UUID

import asyncpg

from domain.log import LogCursor
from domain.merkle import Node, peaks
from domain.seals import Leaf, LoggedHash, SealedLog, StoredCheckpoint, frontier_from
from infrastructure.postgres.connect import Database
from infrastructure.postgres.statements import statement

_COLUMNS = attrgetter("number", "task_id", "version", "event_hash", "subtrees")


class PostgresSeals:
    """`domain.seals.Seals` over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def state(self) -> SealedLog:
        """See `domain.seals.Seals.state`."""
        async with self._database.connection() as connection:
            (row,) = await connection.fetch(statement("sealed_end"))
        frontier = frontier_from(row["size"], await self.hashes(peaks(row["size"])))
        return SealedLog(frontier, LogCursor(row["xid"], row["position"]))

    async def read(self, after: LogCursor, limit: int) -> list[LoggedHash]:
        """See `domain.seals.Seals.read`."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                statement("read_hashes"), str(after.xid), after.position, limit
            )
        return [
            LoggedHash(LogCursor(xid, position), task_id, version, hashed, age, sealed)
            for position, xid, task_id, version, hashed, age, sealed in rows
        ]

    async def lag(self, after: LogCursor) -> float:
        """See `domain.seals.Seals.lag`."""
        async with self._database.connection() as connection:
            age = await connection.fetchval(
                statement("age_of_next_event"), str(after.xid), after.position
            )
        return max(0.0, age or 0.0)

    async def add_leaves(self, leaves: Sequence[Leaf]) -> bool:
        """See `domain.seals.Seals.add_leaves`."""
        columns = list(zip(*map(_COLUMNS, leaves), strict=True))
        try:
            async with self._database.connection() as connection:
                stored = await connection.fetch(statement("add_leaves"), *columns)
        except asyncpg.UniqueViolationError:
            return False
        return bool(stored)

    async def add_checkpoint(self, size: int, root: bytes, note: str) -> None:
        """See `domain.seals.Seals.add_checkpoint`."""
        async with self._database.connection() as connection:
            await connection.execute(statement("add_checkpoint"), size, root, note)

    async def latest_checkpoint(self) -> StoredCheckpoint | None:
        """See `domain.seals.Seals.latest_checkpoint`."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(statement("latest_checkpoint"))
        return None if row is None else StoredCheckpoint(**row)

    async def checkpoints(self, after_size: int, limit: int) -> list[StoredCheckpoint]:
        """See `domain.seals.Seals.checkpoints`."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(statement("checkpoints"), after_size, limit)
        return [StoredCheckpoint(**row) for row in rows]

    async def leaves_of(self, task_id: UUID) -> list[Leaf]:
        """See `domain.seals.Seals.leaves_of`."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(statement("leaves_of_task"), task_id)
        return [Leaf(**row) for row in rows]

    async def hashes(self, nodes: Collection[Node]) -> dict[Node, bytes]:
        """See `domain.seals.Seals.hashes`."""
        numbers = sorted({node.completed_by for node in nodes})
        async with self._database.connection() as connection:
            rows = await connection.fetch(statement("leaves_by_number"), numbers)
        leaves = {row["number"]: Leaf(**row) for row in rows}
        return {
            node: leaves[node.completed_by].node_hash(node.level)
            for node in nodes
            if node.completed_by in leaves
        }

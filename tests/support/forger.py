"""Somebody with every right on the database who wants the past to be different."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from domain.hashing import GENESIS, event_hash
from domain.log import StoredEvent
from domain.merkle import Frontier, leaf_hash

GUARDS = (
    ("events", "events_are_final"),
    ("payloads", "payloads_are_final"),
    ("payloads", "payloads_go_on_record"),
    ("leaves", "leaves_are_final"),
    ("checkpoints", "checkpoints_are_final"),
)


class Forger:
    """Changes what triggers protect; `connection` is a superuser's."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection

    async def do(self, statement: str, *values: object) -> None:
        """Run a statement without the triggers that would refuse it."""
        for table, trigger in GUARDS:
            await self.connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
        await self.connection.execute(statement, *values)
        for table, trigger in GUARDS:
            await self.connection.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}")

    async def swap(self, task_id: UUID, first: int, second: int) -> None:
        """Let two events of a task change places."""
        away = 1_000_000
        for source, target in ((first, away), (second, first), (away, second)):
            await self.do(
                "UPDATE events SET version = $3 WHERE task_id = $1 AND version = $2",
                task_id,
                source,
                target,
            )

    async def rehash(self, task_id: UUID) -> None:
        """Give every event of a task the hash that fits, and the projection its head."""
        previous = GENESIS
        for event in await self.stream(task_id):
            previous = event_hash(previous, event)
            await self.do(
                "UPDATE events SET hash = $3 WHERE task_id = $1 AND version = $2",
                task_id,
                event.version,
                previous,
            )
            await self.do(
                "UPDATE tasks SET version = $2, head_hash = $3 WHERE task_id = $1",
                task_id,
                event.version,
                previous,
            )

    async def replant(self) -> None:
        """Make the whole tree anew over the hashes that the events have now."""
        rows = await self.connection.fetch(
            "SELECT leaf_number, hash FROM leaves JOIN events USING (task_id, version) ORDER BY 1"
        )
        tree = Frontier.empty()
        for number, (_, hashed) in enumerate(rows):
            subtrees = b"".join(tree.add(leaf_hash(hashed)))
            await self.do(
                "UPDATE leaves SET event_hash = $2, subtrees = $3 WHERE leaf_number = $1",
                number,
                hashed,
                subtrees,
            )

    async def stream(self, task_id: UUID) -> Sequence[StoredEvent]:
        """The events of a task as they are."""
        rows = await self.connection.fetch(
            "SELECT position, xid::text::bigint AS xid, event_id, task_id, version, type,"
            " schema_version, data, metadata, recorded_at, hash FROM events WHERE task_id = $1"
            " ORDER BY version",
            task_id,
        )
        return [StoredEvent(**row) for row in rows]

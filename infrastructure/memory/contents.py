"""What is kept beside a task's events, as plain Python."""

from dataclasses import dataclass
from uuid import UUID

from domain.payloads import Payload
from infrastructure.memory.store import MemoryStore


@dataclass(slots=True)
class MemoryContents:
    """`domain.seals.Contents` of a log in memory."""

    store: MemoryStore

    async def of(self, task_id: UUID) -> list[Payload]:
        """See `domain.seals.Contents.of`."""
        rows = self.store.payload_rows.get(task_id, {})
        return [rows[kind] for kind in sorted(rows)]

"""What tasks of the in-memory store were submitted with."""

from dataclasses import dataclass
from uuid import UUID

from domain.codec import decode_metadata, decode_submission
from domain.payloads import PayloadKind
from domain.ports import StoredCircuit
from infrastructure.memory.store import MemoryStore


@dataclass(slots=True)
class MemoryCircuits:
    """`domain.ports.CircuitQueries` of a log in memory."""

    store: MemoryStore

    async def circuit(self, task_id: UUID, tenant: str | None = None) -> StoredCircuit | None:
        """See `domain.ports.CircuitQueries.circuit`."""
        stream = self.store.streams.get(task_id)
        if stream is None or tenant not in {None, decode_metadata(stream[0].metadata).tenant}:
            return None
        bodies = {kind: row.body for kind, row in self.store.payload_rows[task_id].items()}
        return StoredCircuit(
            decode_submission(stream[0].type, stream[0].schema_version, stream[0].data),
            bodies.get(PayloadKind.CIRCUIT),
            bodies.get(PayloadKind.PARAMETERS),
        )

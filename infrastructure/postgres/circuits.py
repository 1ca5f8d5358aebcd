"""What tasks were submitted with."""

from uuid import UUID

from domain.codec import decode_submission
from domain.ports import StoredCircuit
from infrastructure.postgres.connect import Database
from infrastructure.postgres.statements import statement


class PostgresCircuits:
    """`domain.ports.CircuitQueries` over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def circuit(self, task_id: UUID, tenant: str | None = None) -> StoredCircuit | None:
        """See `domain.ports.CircuitQueries.circuit`."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(statement("circuit_of_task"), task_id, tenant)
        if row is None:
            return None
        return StoredCircuit(
            decode_submission(row["type"], row["schema_version"], row["data"]),
            row["circuit"],
            row["parameters"],
        )

"""How batches stand, read from the projection."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any
from uuid import UUID

from domain.batches import SHOWN_FAILURES, BatchFailure, BatchView
from domain.codec import decode, decode_metadata
from domain.log import RecordedEvent
from domain.status import Status
from infrastructure.postgres.connect import Database
from infrastructure.postgres.statements import statement


class PostgresBatches:
    """`domain.batches.BatchQueries` over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def view(self, batch_id: UUID, tenant: str | None = None) -> BatchView | None:
        """See `domain.batches.BatchQueries.view`."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(
                statement("batch_view"), batch_id, tenant, SHOWN_FAILURES
            )
        if row is None:
            return None
        return BatchView(
            batch_id,
            {status: row[status] for status in Status},
            row["correlation_id"],
            row["submitted_at"],
            row["started_at"],
            row["completed_at"],
            list(_failures(row)),
        )

    async def open_streams(
        self, batch_id: UUID, tenant: str | None, limit: int
    ) -> list[Sequence[RecordedEvent]]:
        """See `domain.batches.BatchQueries.open_streams`."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(statement("batch_open_streams"), batch_id, tenant, limit)
        events = map(_recorded, rows)
        return [tuple(stream) for _, stream in groupby(events, key=attrgetter("task_id"))]


def _failures(row: Any) -> Iterator[BatchFailure]:
    columns = (row["failed_tasks"] or (), row["codes"] or (), row["messages"] or ())
    for task_id, code, message in zip(*columns, strict=True):
        yield BatchFailure(task_id, code, message)


def _recorded(row: Any) -> RecordedEvent:
    task_id, version, event_id, name, schema_version, data, metadata, recorded_at = row
    event = decode(name, schema_version, data)
    return RecordedEvent(event_id, task_id, version, event, decode_metadata(metadata), recorded_at)

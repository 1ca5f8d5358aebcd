"""Recorded spans in PostgreSQL, so that one task's way can be seen without any other program."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan

from infrastructure.postgres.connect import Database
from infrastructure.postgres.statements import statement
from infrastructure.telemetry.otlp_json import encode_span


@dataclass(frozen=True, slots=True)
class StoredSpan:
    """A span as it was recorded.

    Attributes:
        resource: which process made it.
        span: OTLP JSON.
    """

    resource: Mapping[str, Any]
    span: dict[str, Any]


class PostgresTraces:
    """`infrastructure.telemetry.tracing.SpanStore` over one database, and the way to read it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, spans: Sequence[ReadableSpan]) -> None:
        """See `infrastructure.telemetry.tracing.SpanStore.add`."""
        encoded = [encode_span(span) for span in spans]
        resources = [json.dumps(dict(span.resource.attributes)) for span in spans]
        async with self._database.connection() as connection:
            await connection.execute(
                statement("add_spans"),
                [span["traceId"] for span in encoded],
                [span["spanId"] for span in encoded],
                resources,
                [json.dumps(span, separators=(",", ":")) for span in encoded],
            )

    async def of_trace(self, trace_id: str) -> list[StoredSpan]:
        """Return the spans of a trace, in no order; raises `StoreUnavailable`."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(statement("spans_of_trace"), trace_id)
        return [StoredSpan(json.loads(row["resource"]), json.loads(row["span"])) for row in rows]

    async def forget(self, older_than_seconds: float, limit: int) -> int:
        """Remove old spans, at most so many; returns how many; raises `StoreUnavailable`."""
        async with self._database.connection() as connection:
            tag = await connection.execute(statement("forget_spans"), older_than_seconds, limit)
        return int(tag.rpartition(" ")[2])

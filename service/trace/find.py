"""Finds the traces that an id means."""

import re
from dataclasses import dataclass
from uuid import UUID

from infrastructure.postgres.connect import Database
from infrastructure.postgres.event_log import PostgresEventLog
from infrastructure.postgres.statements import statement
from infrastructure.postgres.traces import PostgresTraces, StoredSpan
from infrastructure.telemetry.context import trace_id_of
from service.trace.from_events import spans_of

MOST_TASKS = 10
_TRACE_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class TaskTrace:
    """One task's spans.

    Attributes:
        recorded: whether they were recorded; they are made from its events otherwise.
    """

    task_id: UUID
    trace_id: str
    spans: list[StoredSpan]
    recorded: bool


async def find(database: Database, wanted: str) -> list[TaskTrace]:
    """Return the traces of the newest tasks with this id, correlation id or trace id.

    Raises:
        StoreUnavailable: PostgreSQL cannot be reached.
    """
    async with database.connection() as connection:
        rows = await connection.fetch(
            statement("tasks_to_trace"), _uuid(wanted), wanted, _trace_id(wanted), MOST_TASKS
        )
    traces = PostgresTraces(database)
    log = PostgresEventLog(database)
    found = []
    for row in rows:
        trace_id = trace_id_of(row["traceparent"])
        spans = _of_task(await traces.of_trace(trace_id), row["task_id"])
        recorded = bool(spans)
        if not recorded:
            histories = await log.histories([row["task_id"]])
            spans = spans_of(histories[row["task_id"]].events)
        found.append(TaskTrace(row["task_id"], trace_id, spans, recorded))
    return found


def _of_task(spans: list[StoredSpan], task_id: UUID) -> list[StoredSpan]:
    """Keep one task's spans: a client's trace may hold several tasks."""
    foreign = {"stringValue": str(task_id)}
    left_out = {
        stored.span["spanId"]
        for stored in spans
        if any(
            pair["key"] == "ketlog.task.id" and pair["value"] != foreign
            for pair in stored.span["attributes"]
        )
    }
    left = [
        stored
        for stored in spans
        if stored.span["spanId"] not in left_out and stored.span.get("parentSpanId") not in left_out
    ]
    parents = {stored.span.get("parentSpanId") for stored in left}
    # A request of another task has nothing below it any more.
    return [
        stored
        for stored in left
        if stored.span["spanId"] in parents or not stored.span["name"].startswith(("POST", "GET"))
    ]


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _trace_id(text: str) -> str:
    digits = text.lower().replace("-", "")
    return digits if _TRACE_ID.fullmatch(digits) else ""

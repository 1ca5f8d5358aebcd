"""The waterfall of a task that was not sampled, from the times of its events.

The spans have the names and the ids that recorded ones would have; what no event tells is missing.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from domain.events import (
    ProcessingStarted,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
    TaskRequeued,
    TaskSubmitted,
)
from domain.log import RecordedEvent
from infrastructure.postgres.traces import StoredSpan
from infrastructure.telemetry.context import span_id_of, span_id_of_event, trace_id_of
from infrastructure.telemetry.otlp_json import Json, encode_attributes

RESOURCE = {"service.name": "ketlog-log"}
INTERNAL, CONSUMER = 1, 5
_STEPS = ("parse", "compile", "run")


def spans_of(events: Sequence[RecordedEvent]) -> list[StoredSpan]:
    """Return what a task's events tell of its way.

    Args:
        events: the whole stream, oldest first.
    """
    return [StoredSpan(RESOURCE, span) for span in _spans(events)]


def _spans(events: Sequence[RecordedEvent]) -> Iterator[Json]:
    first = events[0]
    traceparent = first.metadata.traceparent
    trace_id, root = trace_id_of(traceparent), span_id_of(traceparent)
    naming = {
        "ketlog.task.id": str(first.task_id),
        "ketlog.correlation.id": first.metadata.correlation_id,
        "ketlog.from": "events",
    }

    def span(
        span_id: str,
        parent: str,
        name: str,
        begun: int,
        ended: int,
        *,
        kind: int = INTERNAL,
        **more: Any,
    ) -> Json:
        return {
            "traceId": trace_id,
            "spanId": span_id,
            "parentSpanId": parent,
            "name": name,
            "kind": kind,
            "startTimeUnixNano": str(begun),
            "endTimeUnixNano": str(max(begun, ended)),
            "attributes": encode_attributes(naming | more),
        }

    lasting = [event for event in events if event.event.status is not None]
    whole = span(root, "", "task", _at(first), _at(lasting[-1]))
    del whole["parentSpanId"]
    yield whole
    since = first
    claim: RecordedEvent | None = None
    for event in events[1:]:
        match event.event:
            case ProcessingStarted():
                own = span_id_of_event(event.event_id, "wait")
                yield span(own, root, "wait for a worker", _at(since), _at(event))
                claim = event
            case TaskCompleted() | TaskFailed() | TaskRequeued() | TaskCancelled() if claim:
                yield from _attempt(span, root, claim, event)
                claim, since = None, event
            case TaskSubmitted():
                since = event
            case _:
                pass


def _attempt(span: Any, root: str, claim: RecordedEvent, end: RecordedEvent) -> Iterator[Json]:
    own = span_id_of_event(claim.event_id, "process")
    begun = _at(claim)
    started = claim.event
    attributes: dict[str, Any] = {"ketlog.outcome": type(end.event).__name__}
    if isinstance(started, ProcessingStarted):
        attributes |= {"ketlog.attempt": started.attempt, "ketlog.worker.id": started.worker_id}
    made = span(own, root, "process quantum_tasks", begun, _at(end), kind=CONSUMER, **attributes)
    if isinstance(end.event, TaskRequeued):
        made["status"] = {"code": 2, "message": str(end.event.reason)}
    elif isinstance(end.event, TaskFailed):
        made["status"] = {"code": 2, "message": end.event.code}
    yield made
    if not isinstance(end.event, TaskCompleted):
        return
    execution = end.event.execution
    at = begun + int(execution.get("waited_seconds", 0.0) * 1e9)
    for step in _STEPS:
        lasted = int(execution.get("durations", {}).get(step, 0.0) * 1e9)
        yield span(span_id_of_event(claim.event_id, step), own, step, at, at + lasted)
        at += lasted


def _at(event: RecordedEvent) -> int:
    return _nanoseconds(event.recorded_at)


def _nanoseconds(time: datetime) -> int:
    return int(time.timestamp()) * 1_000_000_000 + time.microsecond * 1_000

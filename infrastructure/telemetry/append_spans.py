"""Spans of appends: one for each task, and one for the transaction that several shared."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.events import ProcessingStarted, TaskCompleted, TaskFailed, TaskRequeued
from domain.log import Append, Metadata
from infrastructure.telemetry.context import (
    attempt_context,
    child_of,
    claim_context,
    span_id_of_event,
)
from infrastructure.telemetry.tracing import Attributes, SpanKind, Tracing

DATABASE: Attributes = {
    "db.system.name": "postgresql",
    "db.operation.name": "INSERT",
    "db.collection.name": "events",
}


@dataclass(frozen=True, slots=True)
class Stored:
    """An append that was stored, and when it was asked for, in nanoseconds since the epoch."""

    append: Append
    asked_at: int


def parent_of(append: Append) -> str:
    """Return the context of the span that an append belongs to."""
    metadata = append.metadata
    match append.event:
        case ProcessingStarted():
            return claim_context(metadata.traceparent, append.event_id)
        case TaskRequeued(reason=reason) if not reason.ends_attempt:
            return metadata.traceparent
        case TaskCompleted() | TaskFailed() | TaskRequeued() if metadata.causation_id is not None:
            return attempt_context(metadata.traceparent, metadata.causation_id)
        case _:
            return metadata.traceparent


def append_context(append: Append) -> str:
    """Return the context of an append's own span."""
    own = span_id_of_event(append.event_id, "append")
    return child_of(append.metadata.traceparent, own)


def task_attributes(append: Append) -> dict[str, str | int | float | bool]:
    """Return what names the task in a span."""
    return _naming(append.metadata) | {"ketlog.task.id": str(append.task_id)}


class AppendSpans:
    """Makes the spans of what a group commit has stored."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    def stored(self, commits: Sequence[Stored], size: int, begun: int, ended: int) -> None:
        """Record one transaction.

        Args:
            commits: what was accepted.
            size: appends in the transaction, those that were refused included.
        """
        sampled = [
            commit
            for commit in commits
            if self._tracing.records(commit.append.metadata.traceparent)
        ]
        if not sampled:
            return
        attributes = dict(DATABASE)
        links: list[str] = []
        if size > 1:
            attributes["db.operation.batch.size"] = size
            attributes["db.operation.name"] = "BATCH INSERT"
            members = [append_context(commit.append) for commit in sampled]
            links = [
                self._tracing.batch(
                    "BATCH INSERT events", members, begun, ended, attributes, kind=SpanKind.CLIENT
                )
            ]
        for commit in sampled:
            append = commit.append
            self._tracing.span(
                "append events",
                append_context(append),
                parent_of(append),
                commit.asked_at,
                ended,
                {
                    **attributes,
                    **task_attributes(append),
                    "ketlog.event.type": type(append.event).__name__,
                    "ketlog.append.queued_seconds": (begun - commit.asked_at) / 1e9,
                },
                kind=SpanKind.CLIENT,
                links=links,
            )


def _naming(metadata: Metadata) -> dict[str, str | int | float | bool]:
    return {"ketlog.correlation.id": metadata.correlation_id}

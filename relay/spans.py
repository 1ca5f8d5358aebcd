"""The relay's spans: messages on their way to the broker, and attempts whose workers are gone."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from domain.log import Append
from domain.ports import OutboxRow
from infrastructure.rabbitmq.topology import EXCHANGE, QUEUE
from infrastructure.telemetry.append_spans import (
    DATABASE,
    append_context,
    parent_of,
    task_attributes,
)
from infrastructure.telemetry.context import child_of
from infrastructure.telemetry.tracing import Attributes, SpanKind, Tracing

_MESSAGING: Attributes = {
    "messaging.system": "rabbitmq",
    "messaging.operation.name": "send",
    "messaging.operation.type": "send",
    "messaging.destination.name": EXCHANGE,
    "messaging.rabbitmq.destination.routing_key": QUEUE,
}


class SendSpans:
    """Puts the context of its `send` span into each message, and makes the span once it is sent."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing
        self._contexts: dict[UUID, str] = {}

    def sending(self, rows: Sequence[OutboxRow]) -> Sequence[OutboxRow]:
        """Return the rows as they are to be sent; one that is on its way keeps its context."""
        self._contexts = {
            row.message_id: self._contexts.get(row.message_id) or child_of(row.traceparent)
            for row in rows
            if self._tracing.records(row.traceparent)
        }
        if not self._contexts:
            return rows
        return [
            replace(row, traceparent=self._contexts.get(row.message_id, row.traceparent))
            for row in rows
        ]

    def sent(
        self, rows: Sequence[OutboxRow], confirmed: Collection[int], begun: int, ended: int
    ) -> None:
        """Record what the broker has confirmed.

        Args:
            rows: as the outbox had them.
            confirmed: row ids.
            begun: nanoseconds since the epoch, as is `ended`.
        """
        known = set(confirmed)
        sampled = [row for row in rows if row.row_id in known and row.message_id in self._contexts]
        if not sampled:
            return
        contexts = [self._contexts.pop(row.message_id) for row in sampled]
        links: list[str] = []
        attributes = dict(_MESSAGING)
        if len(rows) > 1:
            batch = {**attributes, "messaging.batch.message_count": len(rows)}
            name = f"send {EXCHANGE}"
            links = [self._tracing.batch(name, contexts, begun, ended, batch, kind=SpanKind.CLIENT)]
        for row, context in zip(sampled, contexts, strict=True):
            self._tracing.span(
                f"send {EXCHANGE}",
                context,
                row.traceparent,
                begun,
                ended,
                {
                    **attributes,
                    "messaging.message.id": str(row.message_id),
                    "messaging.message.conversation_id": row.correlation_id,
                    "ketlog.task.id": str(row.task_id),
                    "ketlog.correlation.id": row.correlation_id,
                },
                kind=SpanKind.PRODUCER,
                links=links,
            )


def record_lost_attempt(
    tracing: Tracing, append: Append, started_at: datetime, begun: int, ended: int
) -> None:
    """Make the span of an attempt whose worker died, and that of the event that says so.

    Args:
        append: the event that ended the attempt.
        started_at: when the attempt began, by the database's clock.
        begun: when the event began to be written, in nanoseconds since the epoch.
        ended: when it was.
    """
    if not tracing.records(append.metadata.traceparent):
        return
    naming = task_attributes(append)
    attempt = getattr(append.event, "attempt", 0)
    tracing.span(
        f"process {QUEUE}",
        parent_of(append),
        append.metadata.traceparent,
        int(started_at.timestamp() * 1e9),
        ended,
        {
            **naming,
            "messaging.system": "rabbitmq",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": QUEUE,
            "ketlog.attempt": attempt,
            "ketlog.outcome": "worker_lost",
            "error.type": "worker_lost",
        },
        kind=SpanKind.CONSUMER,
        error="the worker stopped renewing its lease",
    )
    tracing.span(
        "append events",
        append_context(append),
        parent_of(append),
        begun,
        ended,
        {**DATABASE, **naming, "ketlog.event.type": type(append.event).__name__},
        kind=SpanKind.CLIENT,
    )

"""Which spans an append leaves behind, and below which others they hang."""

from dataclasses import replace
from uuid import UUID

import pytest
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from domain.events import (
    Event,
    ProcessingStarted,
    RequeueReason,
    TaskCancelled,
    TaskFailed,
    TaskRequeued,
)
from domain.identifiers import uuid7
from domain.log import Append, Metadata
from infrastructure.telemetry.append_spans import (
    AppendSpans,
    Stored,
    append_context,
    parent_of,
)
from infrastructure.telemetry.context import (
    attempt_context,
    claim_context,
    span_id_of,
    trace_id_of,
)
from infrastructure.telemetry.sampling import Sampler
from infrastructure.telemetry.tracing import Tracing

SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
CLAIM = UUID("0193a1b2-0000-7000-8000-000000000001")
STARTED = ProcessingStarted(1, "a-worker")
FAILED = TaskFailed(1, "parse_error", "no circuit")
REQUEUED = TaskRequeued(1, RequeueReason.WORKER_LOST, "gone")
CANCELLED = TaskCancelled("not needed")
SENT_AGAIN = TaskRequeued(1, RequeueReason.DEAD_LETTERED, "rejected")


class Seen(SpanProcessor):
    """Keeps every span."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def appends(seen: Seen) -> AppendSpans:
    return AppendSpans(Tracing("ketlog-test", "one", Sampler("always_on", 1.0), None, seen))


def append(event: Event, traceparent: str = SAMPLED, causation: UUID | None = CLAIM) -> Append:
    return Append(uuid7(), 1, event, Metadata("a-correlation-id", traceparent, "test", causation))


def span_ids(spans: list[ReadableSpan]) -> list[str]:
    return [f"{span.context.span_id:016x}" for span in spans if span.context is not None]


def test_a_claim_hangs_below_the_span_of_its_claiming() -> None:
    started = append(STARTED)
    assert parent_of(started) == claim_context(SAMPLED, started.event_id)


@pytest.mark.parametrize("event", [FAILED, REQUEUED])
def test_the_end_of_an_attempt_hangs_below_the_attempt(event: Event) -> None:
    assert parent_of(append(event)) == attempt_context(SAMPLED, CLAIM)


@pytest.mark.parametrize(
    ("event", "causation"), [(FAILED, None), (CANCELLED, CLAIM), (SENT_AGAIN, CLAIM)]
)
def test_everything_else_hangs_below_what_its_metadata_names(
    event: Event, causation: UUID | None
) -> None:
    assert parent_of(append(event, causation=causation)) == SAMPLED


def test_one_append_is_one_span_that_names_its_task(appends: AppendSpans, seen: Seen) -> None:
    failed = append(FAILED)
    appends.stored([Stored(failed, 1_000_000_000)], 1, 3_000_000_000, 4_000_000_000)
    (span,) = seen.spans
    assert span_ids([span]) == [span_id_of(append_context(failed))]
    assert (span.start_time, span.end_time) == (1_000_000_000, 4_000_000_000)
    assert dict(span.attributes or {}) == {
        "db.system.name": "postgresql",
        "db.operation.name": "INSERT",
        "db.collection.name": "events",
        "ketlog.correlation.id": "a-correlation-id",
        "ketlog.task.id": str(failed.task_id),
        "ketlog.event.type": "TaskFailed",
        "ketlog.append.queued_seconds": 2.0,
    }
    assert not span.links


def test_appends_that_shared_a_transaction_and_its_span_link_to_each_other(
    appends: AppendSpans, seen: Seen
) -> None:
    both = [append(FAILED), append(CANCELLED)]
    appends.stored([Stored(one, 1) for one in both], 3, 2, 3)
    batch, *members = seen.spans
    assert batch.context is not None
    assert (batch.name, [span.name for span in members]) == (
        "BATCH INSERT events",
        ["append events", "append events"],
    )
    assert (batch.attributes or {})["db.operation.batch.size"] == 3
    assert [f"{link.context.span_id:016x}" for link in batch.links] == span_ids(members)
    for member in members:
        assert [link.context.span_id for link in member.links] == [batch.context.span_id]


def test_traces_that_are_not_sampled_leave_no_spans(appends: AppendSpans, seen: Seen) -> None:
    unsampled = append(FAILED, SAMPLED[:-2] + "00")
    appends.stored([Stored(unsampled, 1)], 2, 2, 3)
    assert seen.spans == []


def test_a_span_of_an_append_is_known_by_its_event_alone() -> None:
    one = append(FAILED)
    again = replace(one, task_id=uuid7())
    assert append_context(one) == append_context(again) != append_context(append(FAILED))
    assert trace_id_of(append_context(one)) == trace_id_of(SAMPLED)

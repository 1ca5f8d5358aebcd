"""The span of an attempt tells how it ended."""

import time

import pytest
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.trace import StatusCode

from domain.identifiers import uuid7
from infrastructure.memory.store import MemoryStore
from infrastructure.rabbitmq.consumer import Delivery
from infrastructure.rabbitmq.message import TaskMessage
from infrastructure.telemetry.sampling import Sampler
from infrastructure.telemetry.tracing import Tracing
from service.worker.intake import Held
from service.worker.run import Run
from service.worker.spans import AttemptSpans
from tests.support import tasks

SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Seen(SpanProcessor):
    """Keeps every span."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


async def attempt(spans: AttemptSpans, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run that has begun, of a task whose trace is recorded."""
    monkeypatch.setattr(tasks, "new_traceparent", lambda: SAMPLED)
    store = MemoryStore()
    pending = await tasks.submitted(store)
    histories = await store.histories([pending.task_id])
    await tasks.put(store, tasks.claim(pending))
    task = await tasks.load(store, pending.task_id)
    message = TaskMessage(
        task.task_id, uuid7(), task.metadata.correlation_id, task.metadata.traceparent
    )
    held = Held(Delivery(1, 1, message), task.task_id, time.monotonic())
    spans.claimed([held], [task], histories, time.time_ns())
    return Run(task, time.monotonic(), started_at=time.monotonic())


@pytest.mark.parametrize(
    ("cancelled", "outcome", "status"),
    [(True, "cancelled", StatusCode.UNSET), (False, "lost", StatusCode.ERROR)],
)
async def test_a_cancelled_attempt_is_no_error_and_a_lost_one_is(
    monkeypatch: pytest.MonkeyPatch, cancelled: bool, outcome: str, status: StatusCode
) -> None:
    seen = Seen()
    spans = AttemptSpans(Tracing("test", "one", Sampler("always_on", 1.0), None, seen), "w1")
    run = await attempt(spans, monkeypatch)
    run.cancelled = cancelled
    spans.ended(run, None)
    last = seen.spans[-1]
    assert last.name == "process quantum_tasks"
    assert (last.attributes or {})["ketlog.outcome"] == outcome
    assert last.status.status_code is status

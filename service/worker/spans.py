"""Spans of attempts: from the message to the end in the log.

    process ┬ claim ─ append events
            ├ parse, compile, run      (from what the simulator has measured)
            └ append events

The attempt's span is a child of the submission and is linked to the message that woke the worker.
Its id comes from the claim's event, so the relay can tell the end of an attempt whose worker died.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from domain.events import TaskCompleted, TaskFailed, TaskRequeued
from domain.execution import METHODS
from domain.log import Append, History
from domain.task import Task
from infrastructure.rabbitmq.message import TaskMessage
from infrastructure.rabbitmq.topology import QUEUE
from infrastructure.telemetry.context import attempt_context, child_of, claim_context
from infrastructure.telemetry.tracing import SpanKind, Tracing
from service.worker.intake import Held
from service.worker.run import Run

_STEPS = ("parse", "compile", "run")


class AttemptSpans:
    """Makes the spans of one worker's attempts."""

    def __init__(self, tracing: Tracing, worker_id: str) -> None:
        self._tracing = tracing
        self._worker_id = worker_id
        self._messages: dict[UUID, tuple[Held, float]] = {}

    def claimed(
        self,
        taken: Sequence[Held],
        tasks: Sequence[Task],
        histories: Mapping[UUID, History],
        begun: int,
    ) -> None:
        """Record claims that are in the log now.

        Args:
            taken: the messages that led to them.
            histories: the tasks' streams before the claims.
            begun: when the worker began to look at them, in nanoseconds since the epoch.
        """
        sampled = [task for task in tasks if self._tracing.records(task.metadata.traceparent)]
        if not sampled:
            return
        held = {each.task_id: each for each in taken}
        ended = time.time_ns()
        for task in sampled:
            parent = task.metadata.traceparent
            message = held[task.task_id]
            pending_since = histories[task.task_id].events[-1].recorded_at.timestamp()
            queued = max(0.0, _moment(message.arrived) / 1e9 - pending_since)
            self._messages[task.last_event_id] = message, queued
            self._tracing.span(
                "claim",
                claim_context(parent, task.last_event_id),
                attempt_context(parent, task.last_event_id),
                begun,
                ended,
                self._naming(task) | {"ketlog.claim.batch_size": len(tasks)},
            )

    def ended(self, run: Run, append: Append | None) -> None:
        """Record an attempt that is over.

        Args:
            append: what was written about its end; `None` where the task was taken away.
        """
        task = run.task
        known = self._messages.pop(task.last_event_id, None)
        if known is None:
            return
        held, queued = known
        context = attempt_context(task.metadata.traceparent, task.last_event_id)
        attributes = self._naming(task) | {
            "messaging.system": "rabbitmq",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": QUEUE,
            "messaging.message.conversation_id": task.metadata.correlation_id,
            "ketlog.worker.id": self._worker_id,
            # Why there is a gap before this span: in the outbox and with the broker.
            "ketlog.queue.wait_seconds": queued,
        }
        links = []
        message = held.delivery.message
        if isinstance(message, TaskMessage):
            attributes["messaging.message.id"] = str(message.message_id)
            links = [message.traceparent]
        if run.started_at is not None:
            attributes["ketlog.slot.wait_seconds"] = run.started_at - run.claimed_at
        self._steps(run, context, append)
        self._tracing.span(
            f"process {QUEUE}",
            context,
            task.metadata.traceparent,
            _moment(held.arrived),
            time.time_ns(),
            attributes | _outcome(run, append),
            kind=SpanKind.CONSUMER,
            links=links,
            error=_error(run, append),
        )

    def _steps(self, run: Run, context: str, append: Append | None) -> None:
        """Record what the simulator did, one step after the other."""
        if run.started_at is None or run.over_at is None:
            return
        at, over = _moment(run.started_at), _moment(run.over_at)
        execution = _execution(append)
        durations = execution.get("durations")
        if durations is None:
            self._tracing.span(
                "run", child_of(context), context, at, over, {}, error=_error(run, append)
            )
            return
        described = _described(execution)
        for step in _STEPS:
            end = min(at + int(durations[step] * 1e9), over)
            attributes = described if step == "run" else {}
            self._tracing.span(step, child_of(context), context, at, end, attributes)
            at = end

    def _naming(self, task: Task) -> dict[str, str | int | float | bool]:
        return {
            "ketlog.task.id": str(task.task_id),
            "ketlog.correlation.id": task.metadata.correlation_id,
            "ketlog.attempt": task.attempt,
        }


def _execution(append: Append | None) -> Mapping[str, Any]:
    event = None if append is None else append.event
    return event.execution if isinstance(event, TaskCompleted) else {}


def _described(execution: Mapping[str, Any]) -> dict[str, str | int | float | bool]:
    method = execution.get("method")
    described: dict[str, str | int | float | bool] = {
        "ketlog.simulator.method": method if method in METHODS else "other",
        "ketlog.shots": execution.get("shots", 0),
    }
    if isinstance(qubits := execution.get("simulated_qubits"), int):
        described["ketlog.qubits"] = qubits
    return described


def _outcome(run: Run, append: Append | None) -> dict[str, str | int | float | bool]:
    match None if append is None else append.event:
        case None if run.cancelled:
            return {"ketlog.outcome": "cancelled"}
        case None:
            return {"ketlog.outcome": "lost"}
        case TaskFailed(code=code):
            return {"ketlog.outcome": "failed", "error.type": code}
        case TaskRequeued(reason=reason):
            return {"ketlog.outcome": "requeued", "ketlog.requeue.reason": str(reason)}
        case _:
            return {"ketlog.outcome": "completed"}


def _error(run: Run, append: Append | None) -> str | None:
    match None if append is None else append.event:
        case None if not run.cancelled:
            return "the task was taken away"
        case TaskFailed(code=code):
            return code
        case TaskRequeued(reason=reason) if reason.counts:
            return str(reason)
        case _:
            return None


def _moment(monotonic: float) -> int:
    """Return a `time.monotonic()` of this process in nanoseconds since the epoch."""
    return time.time_ns() - int((time.monotonic() - monotonic) * 1e9)

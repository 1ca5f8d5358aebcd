"""A task's status answer as the events up to some moment make it, for answers about the past."""

from collections.abc import Collection, Mapping, Sequence

from domain.codec import to_json
from domain.events import TaskCancelled, TaskCompleted, TaskErased
from domain.log import RecordedEvent
from domain.payloads import PayloadKind
from domain.ports import SHOWN_REPRODUCTIONS, TaskView
from domain.projection import Reproduction, reproduction_of, status_history
from domain.task import fold


def view_of(
    events: Sequence[RecordedEvent], contents: Mapping[PayloadKind, bytes]
) -> TaskView | None:
    """Return what the status answer was after these events; `None` for no events.

    Args:
        events: the first so many of one task's stream.
        contents: the bodies of the task's payloads that are there today.

    Raises:
        InvalidEvent: the events are not a stream that we wrote.
    """
    task = fold(events)
    if task is None:
        return None
    completion = completion_of(events)
    erasure = erasure_of(events)
    return TaskView(
        task_id=task.task_id,
        version=task.version,
        status=task.status,
        shots=task.options.shots,
        attempt=task.attempt,
        correlation_id=task.metadata.correlation_id,
        submitted_at=task.submitted_at,
        started_at=task.started_at,
        completed_at=task.completed_at,
        error_code=task.error_code,
        error_message=task.error_message,
        history=status_history(tuple(events)),
        result=None if completion is None else contents.get(PayloadKind.RESULT),
        memory=None if completion is None else contents.get(PayloadKind.MEMORY),
        execution=None if completion is None else to_json(completion.execution).encode(),
        cancel_reason=cancel_reason(events),
        reproductions=reproductions(events),
        tenant=task.metadata.tenant,
        labels=task.labels,
        erased=erased(erasure, completion, contents),
        erased_at=None if erasure is None else erasure.recorded_at,
    )


def completion_of(events: Sequence[RecordedEvent]) -> TaskCompleted | None:
    """Return the event that completed the task, if one did."""
    for recorded in events:
        if isinstance(recorded.event, TaskCompleted):
            return recorded.event
    return None


def cancel_reason(events: Sequence[RecordedEvent]) -> str | None:
    """Return why the task was cancelled, if it was."""
    # Only an erasure may follow a cancellation.
    for recorded in reversed(events[-2:]):
        if isinstance(recorded.event, TaskCancelled):
            return recorded.event.reason
    return None


def erasure_of(events: Sequence[RecordedEvent]) -> RecordedEvent | None:
    """Return the event that erased the task's contents, if there is one: it is the last."""
    return events[-1] if isinstance(events[-1].event, TaskErased) else None


def reproductions(events: Sequence[RecordedEvent]) -> list[Reproduction]:
    """Return the comparisons that a status answer shows, oldest first."""
    notes = [
        reproduction
        for recorded in events
        if (reproduction := reproduction_of(recorded.event, recorded.recorded_at)) is not None
    ]
    return notes[-SHOWN_REPRODUCTIONS:]


def erased(
    erasure: RecordedEvent | None,
    completion: TaskCompleted | None,
    contents: Collection[PayloadKind],
) -> list[PayloadKind]:
    """Return what of a task's contents was erased; see `TaskView`."""
    if erasure is not None and isinstance(erasure.event, TaskErased):
        return list(erasure.event.contents)
    if completion is None:
        return []
    kept = [PayloadKind.RESULT]
    if completion.memory is not None:
        kept.append(PayloadKind.MEMORY)
    return [kind for kind in kept if kind not in contents]

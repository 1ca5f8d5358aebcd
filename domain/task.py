"""The task: what may happen to it next, decided from what has happened so far.

            TaskSubmitted
                  │
  TaskRequeued    ▼      TaskRequeued
         ┌───►┌─────────┐◄───────────┐
         └────┤ pending │            │
              └────┬────┘      ┌─────┴──────┐  TaskCompleted  ┌───────────┐
                   │ Processing│            ├────────────────►│ completed │
                   ├──────────►│ processing │                 └───────────┘
                   │  Started  │            │  TaskFailed     ┌────────┐
                   │           └─────┬──────┴────────────────►│ failed │
                   │  TaskCancelled  │                        └────────┘
                   └────────┬────────┘
                            ▼
                      ┌───────────┐
                      │ cancelled │
                      └───────────┘

A pending task is requeued only where its message has become a dead letter; the status stays.

A completed task may get notes (`ResultReproduced`, `ResultDiverged`): they count as versions and
change nothing else. So does the erasure of its contents (`TaskErased`), after whatever end; nothing
follows that one.

`decide` turns a command into the event it causes, or refuses it. `evolve` applies an event of the
log. Neither knows the time, a database or each other: a task is the fold of its events, and what
was decided once is never decided again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeAlias, assert_never
from uuid import UUID

from domain.errors import InvalidEvent, TransitionRefused
from domain.events import (
    Event,
    ProcessingStarted,
    RequeueReason,
    ResultDiverged,
    ResultReproduced,
    TaskCancelled,
    TaskCompleted,
    TaskErased,
    TaskFailed,
    TaskRequeued,
    TaskSubmitted,
)
from domain.execution import RunFailed, RunOptions
from domain.labels import NO_LABELS, Labels
from domain.log import Metadata, RecordedEvent
from domain.payloads import Commitment, PayloadKind
from domain.projection import change_of
from domain.status import Status

MAX_MESSAGE_CHARACTERS = 1_000
DEFAULT_MAX_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Task:
    """A task as its events have made it.

    Attributes:
        version: number of events so far; the next append must expect it.
        attempt: the attempt that runs, or the last one that did; 0 before the first.
        attempts_spent: attempts that ended in a lost worker or a dead simulator.
        last_event_id: what the next event is caused by.
        erased: whether its contents were removed.
    """

    task_id: UUID
    version: int
    status: Status
    options: RunOptions
    circuit: Commitment
    parameters: Commitment | None
    metadata: Metadata
    submitted_at: datetime
    last_event_id: UUID
    attempt: int = 0
    attempts_spent: int = 0
    started_at: datetime | None = None
    completed_at: datetime | None = None
    error_code: str | None = None
    error_message: str | None = None
    labels: Labels = NO_LABELS
    erased: bool = False


@dataclass(frozen=True, slots=True)
class Submit:
    """Accept a circuit."""

    options: RunOptions
    circuit: Commitment
    parameters: Commitment | None = None
    labels: Labels = NO_LABELS


@dataclass(frozen=True, slots=True)
class Claim:
    """Begin an attempt on a worker."""

    worker_id: str


@dataclass(frozen=True, slots=True)
class Complete:
    """Record the result of the running attempt."""

    attempt: int
    result: Commitment
    execution: Mapping[str, Any]
    memory: Commitment | None = None


@dataclass(frozen=True, slots=True)
class Fail:
    """Record that the running attempt found a reason why there is no result."""

    attempt: int
    failure: RunFailed


@dataclass(frozen=True, slots=True)
class GiveUp:
    """End the running attempt without an outcome: try again, or fail after the last attempt."""

    attempt: int
    reason: RequeueReason
    detail: str
    max_attempts: int = DEFAULT_MAX_ATTEMPTS


@dataclass(frozen=True, slots=True)
class Requeue:
    """Have another message sent for a pending task, whose message became a dead letter."""

    detail: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop the task where it stands."""

    reason: str


@dataclass(frozen=True, slots=True)
class Compare:
    """Record how the run of a result came out when it was made again.

    Attributes:
        divergence: what came out otherwise, for people; `None` where nothing did.
    """

    distance: float
    differences: Mapping[str, Any]
    execution: Mapping[str, Any]
    divergence: str | None = None


@dataclass(frozen=True, slots=True)
class Erase:
    """Remove the contents of a task that has ended.

    Attributes:
        contents: everything that its events commit to.
    """

    contents: tuple[PayloadKind, ...]


Command: TypeAlias = Submit | Claim | Complete | Fail | GiveUp | Requeue | Cancel | Compare | Erase


def decide(task: Task | None, command: Command) -> Event:  # noqa: C901, PLR0911 - one for each command
    """Return the event that a command causes.

    Raises:
        TransitionRefused: the task's state does not allow the command.
    """
    if isinstance(command, Submit):
        if task is not None:
            raise TransitionRefused(f"task {task.task_id} exists already")
        return TaskSubmitted(command.options, command.circuit, command.parameters, command.labels)
    if task is None:
        raise TransitionRefused(f"{type(command).__name__} needs a task that exists")
    match command:
        case Claim(worker_id=worker_id):
            _require(task, command, Status.PENDING)
            return ProcessingStarted(task.attempts_spent + 1, worker_id)
        case Complete():
            _require_attempt(task, command, command.attempt)
            return TaskCompleted(command.attempt, command.result, command.execution, command.memory)
        case Fail(attempt=attempt, failure=failure):
            _require_attempt(task, command, attempt)
            return _failed(attempt, failure)
        case GiveUp():
            _require_attempt(task, command, command.attempt)
            return _requeued_or_failed(task, command)
        case Requeue(detail=detail):
            _require(task, command, Status.PENDING)
            return TaskRequeued(task.attempt, RequeueReason.DEAD_LETTERED, printable(detail))
        case Cancel(reason=reason):
            _require(task, command, Status.PENDING, Status.PROCESSING)
            return TaskCancelled(printable(reason))
        case Compare():
            _require(task, command, Status.COMPLETED)
            _require_contents(task, command)
            return _compared(command)
        case Erase(contents=contents):
            _require(task, command, Status.COMPLETED, Status.FAILED, Status.CANCELLED)
            _require_contents(task, command)
            return TaskErased(contents)
        case _:
            assert_never(command)


def evolve(task: Task | None, recorded: RecordedEvent) -> Task:
    """Apply the next event of a task's stream.

    Raises:
        InvalidEvent: the event cannot follow what came before; the stream is not one we wrote.
    """
    event = recorded.event
    if isinstance(event, TaskSubmitted):
        if task is not None or recorded.version != 1:
            raise InvalidEvent(f"task {recorded.task_id} is submitted twice")
        return _submitted(recorded, event)
    if task is None or recorded.version != task.version + 1:
        have = 0 if task is None else task.version
        raise InvalidEvent(
            f"task {recorded.task_id} has event {recorded.version} right after event {have}"
        )
    if event.status is None:
        return _noted(task, recorded)
    if not _may_follow(task, event):
        raise InvalidEvent(
            f"task {recorded.task_id} is {task.status} and cannot become {event.status}"
        )
    return _moved(task, recorded, event, event.status)


def fold(events: Iterable[RecordedEvent]) -> Task | None:
    """Return the task that a stream of events amounts to; `None` for no events."""
    task: Task | None = None
    for recorded in events:
        task = evolve(task, recorded)
    return task


def printable(text: str) -> str:
    """Return text that any log, column or terminal can take: escaped where needed, and bounded.

    Messages quote what a client sent, and a client may send NULs and control sequences.
    """
    safe = "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)
    if len(safe) <= MAX_MESSAGE_CHARACTERS:
        return safe
    return safe[: MAX_MESSAGE_CHARACTERS - 1] + "…"


_NEXT: Mapping[Status, frozenset[Status]] = {
    Status.PENDING: frozenset({Status.PROCESSING, Status.CANCELLED}),
    Status.PROCESSING: frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED}),
    Status.COMPLETED: frozenset(),
    Status.FAILED: frozenset(),
    Status.CANCELLED: frozenset(),
}


def _may_follow(task: Task, event: Event) -> bool:
    if isinstance(event, TaskRequeued):
        before = Status.PROCESSING if event.reason.ends_attempt else Status.PENDING
        return task.status is before
    return event.status in _NEXT[task.status]


def _require(task: Task, command: Command, *allowed: Status) -> None:
    if task.status not in allowed:
        raise TransitionRefused(
            f"{type(command).__name__} refused: task {task.task_id} is {task.status}"
        )


def _require_contents(task: Task, command: Command) -> None:
    if task.erased:
        raise TransitionRefused(
            f"{type(command).__name__} refused: the contents of task {task.task_id} were erased"
        )


def _require_attempt(task: Task, command: Command, attempt: int) -> None:
    _require(task, command, Status.PROCESSING)
    if task.attempt != attempt:
        raise TransitionRefused(
            f"{type(command).__name__} of attempt {attempt} refused: "
            f"task {task.task_id} is at attempt {task.attempt}"
        )


def _failed(attempt: int, failure: RunFailed) -> TaskFailed:
    return TaskFailed(
        attempt, failure.code, printable(failure.message), failure.line, failure.column
    )


def _requeued_or_failed(task: Task, command: GiveUp) -> Event:
    if not command.reason.ends_attempt:
        raise TransitionRefused(f"GiveUp refused: {command.reason} ends no attempt")
    detail = printable(command.detail)
    if command.reason.counts and task.attempts_spent + 1 >= command.max_attempts:
        message = f"{detail} (attempt {command.attempt} of {command.max_attempts}, the last)"
        return TaskFailed(command.attempt, str(command.reason), message)
    return TaskRequeued(command.attempt, command.reason, detail)


def _compared(command: Compare) -> Event:
    if command.divergence is None:
        return ResultReproduced(command.distance, command.differences, command.execution)
    return ResultDiverged(
        command.distance, command.differences, command.execution, printable(command.divergence)
    )


def _noted(task: Task, recorded: RecordedEvent) -> Task:
    erasure = isinstance(recorded.event, TaskErased)
    if task.erased:
        raise InvalidEvent(f"task {recorded.task_id} was erased, and nothing may follow that")
    if erasure and not task.status.terminal:
        raise InvalidEvent(f"task {recorded.task_id} is {task.status} and cannot be erased")
    if not erasure and task.status is not Status.COMPLETED:
        raise InvalidEvent(
            f"task {recorded.task_id} is {task.status} and has no result to be compared"
        )
    return replace(task, version=recorded.version, last_event_id=recorded.event_id, erased=erasure)


def _submitted(recorded: RecordedEvent, event: TaskSubmitted) -> Task:
    return Task(
        task_id=recorded.task_id,
        version=1,
        status=event.status,
        options=event.options,
        circuit=event.circuit,
        parameters=event.parameters,
        metadata=recorded.metadata,
        submitted_at=recorded.recorded_at,
        last_event_id=recorded.event_id,
        labels=event.labels,
    )


def _moved(task: Task, recorded: RecordedEvent, event: Event, status: Status) -> Task:
    change = change_of(event)
    spent = isinstance(event, TaskRequeued) and event.reason.counts
    started_at = task.started_at
    if status is Status.PENDING:
        started_at = None
    elif status is Status.PROCESSING:
        started_at = recorded.recorded_at
    # Not `replace`, which takes half as long again: every event of a replay comes through here.
    return Task(
        task_id=task.task_id,
        version=recorded.version,
        status=status,
        options=task.options,
        circuit=task.circuit,
        parameters=task.parameters,
        metadata=task.metadata,
        submitted_at=task.submitted_at,
        last_event_id=recorded.event_id,
        attempt=task.attempt if change.attempt is None else change.attempt,
        attempts_spent=task.attempts_spent + spent,
        started_at=started_at,
        completed_at=recorded.recorded_at if status.terminal else None,
        error_code=change.error_code,
        error_message=change.error_message,
        labels=task.labels,
    )

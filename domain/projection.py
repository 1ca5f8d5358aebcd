"""What each event changes in the status that users see.

One function serves the fold of `domain.task`, the in-memory store and the columns that the append
statement of PostgreSQL writes, so the projection and a replay of the log cannot drift apart. The
times are not here: they are the event's `recorded_at`, which only the log knows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never

from domain.events import (
    Event,
    ProcessingStarted,
    ResultDiverged,
    ResultReproduced,
    TaskCancelled,
    TaskCompleted,
    TaskErased,
    TaskFailed,
    TaskRequeued,
    TaskSubmitted,
)
from domain.log import RecordedEvent
from domain.status import Status


@dataclass(frozen=True, slots=True)
class Change:
    """What an event changes; `None` leaves a column as it is.

    Attributes:
        status: the new status. Pending puts the task into the outbox, processing makes a lease
            and takes it out, a terminal status ends both. `None`, of a note after the end, changes
            nothing but the version.
        note: the line that the status history shows; a note has no line there.
    """

    status: Status | None
    note: str
    shots: int | None = None
    attempt: int | None = None
    error_code: str | None = None
    error_message: str | None = None


@dataclass(frozen=True, slots=True)
class Reproduction:
    """How a result came out when its run was made again.

    Attributes:
        differences: name -> {"recorded": …, "present": …} of what was not as in the recorded run.
    """

    reproduced: bool
    compared_at: datetime
    distance: float
    differences: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StatusEntry:
    """One line of a task's status history."""

    status: Status
    transitioned_at: datetime
    notes: str


def change_of(event: Event) -> Change:  # noqa: PLR0911 - one for each type of event
    """Return what an event changes in the projection."""
    match event:
        case TaskSubmitted(options=options):
            return Change(event.status, "Task created", shots=options.shots, attempt=0)
        case ProcessingStarted(attempt=attempt):
            return Change(event.status, "Worker started processing", attempt=attempt)
        case TaskCompleted():
            return Change(event.status, "Task completed successfully")
        case TaskFailed(code=code):
            return Change(
                event.status,
                f"Task failed: {code}",
                error_code=code,
                error_message=error_message(event),
            )
        case TaskCancelled():
            return Change(event.status, "Task cancelled")
        case TaskRequeued(reason=reason):
            return Change(event.status, f"Task requeued: {reason}")
        case ResultReproduced():
            return Change(event.status, "Result reproduced")
        case ResultDiverged():
            return Change(event.status, "Result diverged")
        case TaskErased():
            return Change(event.status, "Contents erased")
        case _:
            assert_never(event)


def error_message(failure: TaskFailed) -> str:
    """Return the sentence a user reads: the reason and, where known, its place in the circuit."""
    return error_message_at(failure.message, failure.line, failure.column)


def error_message_at(message: str, line: int | None, column: int | None) -> str:
    """Return a message with its place in the circuit, as far as that is known."""
    if line is None:
        return message
    if column is None:
        return f"line {line}: {message}"
    return f"line {line}, column {column}: {message}"


def status_history(events: tuple[RecordedEvent, ...]) -> list[StatusEntry]:
    """Return the status history that a stream of events amounts to, oldest first."""
    entries = []
    for recorded in events:
        change = change_of(recorded.event)
        if change.status is not None:
            entries.append(StatusEntry(change.status, recorded.recorded_at, change.note))
    return entries


def reproduction_of(event: Event, recorded_at: datetime) -> Reproduction | None:
    """Return the comparison that an event notes, if it is such a note."""
    if not isinstance(event, ResultReproduced | ResultDiverged):
        return None
    reproduced = isinstance(event, ResultReproduced)
    return Reproduction(reproduced, recorded_at, event.distance, event.differences)

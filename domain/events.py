"""What can happen to a task.

Names are stable and every type has a schema version: `domain.codec` says how each is stored and
how older versions are read. An event that changes the status names it in `status`; one that
leaves it alone (a note after the end) has `None` there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, TypeAlias

from domain.execution import RunOptions
from domain.payloads import Commitment
from domain.status import Status


class RequeueReason(StrEnum):
    """Why a task that was being processed is pending again."""

    WORKER_LOST = "worker_lost"
    """Its lease ran out: the worker died, froze or lost the database."""
    SIMULATOR_DIED = "simulator_died"
    """The simulator child ended by itself while it ran the circuit."""
    HANDED_BACK = "handed_back"
    """The worker gave it back before it began: it drains, or a longer circuit is in the way."""

    @property
    def counts(self) -> bool:
        """Whether the attempt is spent. A task handed back was never tried."""
        return self is not RequeueReason.HANDED_BACK


@dataclass(frozen=True, slots=True)
class TaskSubmitted:
    """A client asked for a circuit to be run. Always version 1 of its task."""

    status: ClassVar[Status] = Status.PENDING

    options: RunOptions
    circuit: Commitment
    parameters: Commitment | None = None


@dataclass(frozen=True, slots=True)
class ProcessingStarted:
    """A worker claimed the task; `attempt` counts from 1."""

    status: ClassVar[Status] = Status.PROCESSING

    attempt: int
    worker_id: str


@dataclass(frozen=True, slots=True)
class TaskCompleted:
    """The circuit ran. `execution` is what it takes to run it again and compare."""

    status: ClassVar[Status] = Status.COMPLETED

    attempt: int
    result: Commitment
    execution: Mapping[str, Any]
    memory: Commitment | None = None


@dataclass(frozen=True, slots=True)
class TaskFailed:
    """The task ended without a result; `code` is for programs, `message` for people."""

    status: ClassVar[Status] = Status.FAILED

    attempt: int
    code: str
    message: str
    line: int | None = None
    column: int | None = None


@dataclass(frozen=True, slots=True)
class TaskCancelled:
    """A client asked for the task to stop before it had ended."""

    status: ClassVar[Status] = Status.CANCELLED

    reason: str


@dataclass(frozen=True, slots=True)
class TaskRequeued:
    """The task is pending again. `attempt` is the one that was given up."""

    status: ClassVar[Status] = Status.PENDING

    attempt: int
    reason: RequeueReason
    detail: str


Event: TypeAlias = (
    TaskSubmitted | ProcessingStarted | TaskCompleted | TaskFailed | TaskCancelled | TaskRequeued
)
EVENT_TYPES: tuple[type[Event], ...] = (
    TaskSubmitted,
    ProcessingStarted,
    TaskCompleted,
    TaskFailed,
    TaskCancelled,
    TaskRequeued,
)

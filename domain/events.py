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
from domain.labels import NO_LABELS, Labels
from domain.payloads import Commitment, PayloadKind
from domain.status import Status


class RequeueReason(StrEnum):
    """Why a task is pending again."""

    WORKER_LOST = "worker_lost"
    """Its lease ran out: the worker died, froze or lost the database."""
    SIMULATOR_DIED = "simulator_died"
    """The simulator child ended by itself while it ran the circuit."""
    HANDED_BACK = "handed_back"
    """The worker gave it back before it began: it drains, or a longer circuit is in the way."""
    DEAD_LETTERED = "dead_lettered"
    """It was pending all along, but the broker had put its message away as undeliverable."""

    @property
    def counts(self) -> bool:
        """Whether the attempt is spent. A task that never began was not tried."""
        return self in _SPENDING

    @property
    def ends_attempt(self) -> bool:
        """Whether the task was being processed; otherwise it was pending before as well."""
        return self is not RequeueReason.DEAD_LETTERED


_SPENDING = frozenset({RequeueReason.WORKER_LOST, RequeueReason.SIMULATOR_DIED})


@dataclass(frozen=True, slots=True)
class TaskSubmitted:
    """A client asked for a circuit to be run. Always version 1 of its task."""

    status: ClassVar[Status] = Status.PENDING

    options: RunOptions
    circuit: Commitment
    parameters: Commitment | None = None
    labels: Labels = NO_LABELS


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
    """The task is pending again, or still, and needs another message.

    Attributes:
        attempt: the one that was given up; where none was, the last one, 0 before the first.
    """

    status: ClassVar[Status] = Status.PENDING

    attempt: int
    reason: RequeueReason
    detail: str


@dataclass(frozen=True, slots=True)
class ResultReproduced:
    """A note: the recorded run was made again and every outcome came out as before.

    Attributes:
        distance: total variation distance between the two results, 0.0 here.
        differences: what was not as in the recorded run and yet changed nothing: name ->
            {"recorded": …, "present": …}; versions, processor, options of the simulator.
        execution: how it was run this time, as in `TaskCompleted`.
    """

    status: ClassVar[None] = None

    distance: float
    differences: Mapping[str, Any]
    execution: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ResultDiverged:
    """A note: the recorded run was made again and came out otherwise. The result stays as it is.

    Attributes:
        distance: total variation distance between the two results, 0.0 to 1.0.
        differences: what was not as in the recorded run, as in `ResultReproduced`. Where it is
            empty, nothing explains the divergence.
        execution: how it was run this time; empty where it could not be run.
        detail: what came out otherwise, for people.
    """

    status: ClassVar[None] = None

    distance: float
    differences: Mapping[str, Any]
    execution: Mapping[str, Any]
    detail: str

    @property
    def explained(self) -> bool:
        """Whether the run was made with anything else than the recorded one."""
        return bool(self.differences)


@dataclass(frozen=True, slots=True)
class TaskErased:
    """A note, the last event of its task: its contents were removed, salts and all.

    Attributes:
        contents: what the task's events had committed to. None of it is kept any more; what the
            events themselves say stays.
    """

    status: ClassVar[None] = None

    contents: tuple[PayloadKind, ...]


Event: TypeAlias = (
    TaskSubmitted
    | ProcessingStarted
    | TaskCompleted
    | TaskFailed
    | TaskCancelled
    | TaskRequeued
    | ResultReproduced
    | ResultDiverged
    | TaskErased
)
EVENT_TYPES: tuple[type[Event], ...] = (
    TaskSubmitted,
    ProcessingStarted,
    TaskCompleted,
    TaskFailed,
    TaskCancelled,
    TaskRequeued,
    ResultReproduced,
    ResultDiverged,
    TaskErased,
)

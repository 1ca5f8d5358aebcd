"""Bodies and answers about batches."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, RootModel

from domain.batches import MAX_BATCH_TASKS, SHOWN_FAILURES
from service.api.models import (
    EXAMPLE_ID,
    MAX_PARAMETERS,
    CorrelationId,
    Moment,
    Parameter,
    SubmitTask,
    TaskId,
)


class Binding(RootModel[dict[str, Parameter]]):
    """Values for some or all of a program's `input` declarations, by name."""

    model_config = ConfigDict(strict=True)


def submitted_batch(task: type[SubmitTask]) -> type[BaseModel]:
    """Return the model of a batch of such tasks."""

    class SubmitBatch(BaseModel):
        """Tasks to be stored together, all of them or none."""

        model_config = ConfigDict(strict=True, extra="forbid")

        tasks: list[task] = Field(  # type: ignore[valid-type]
            min_length=1,
            max_length=MAX_BATCH_TASKS,
            description="Each as it would be submitted alone.",
        )

    return SubmitBatch


def submitted_sweep(task: type[SubmitTask]) -> type[SubmitTask]:
    """Return the model of a sweep of such a task."""

    class SubmitSweep(task):  # type: ignore[valid-type,misc]
        """A circuit with `input` declarations, to be run once for each binding of them."""

        bindings: list[Binding] = Field(
            min_length=1,
            max_length=MAX_BATCH_TASKS,
            description="One task is made of each. Its parameters are `parameters`, with those of "
            f"the binding in their place; at most {MAX_PARAMETERS} together.",
            examples=[[{"theta": 0.0}, {"theta": 1.5707963}]],
        )

    SubmitSweep.model_config["title"] = SubmitSweep.__name__
    return SubmitSweep


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class BatchSubmitted(_Answer):
    """All tasks of the batch are stored and will be run."""

    batch_id: TaskId
    submitted_at: Moment
    task_ids: list[TaskId] = Field(
        description="In the order of the request.", examples=[[EXAMPLE_ID]]
    )
    message: str = Field(examples=["Batch of 2 tasks submitted successfully."])
    correlation_id: CorrelationId


class BatchCounts(_Answer):
    """How many tasks of a batch have each status."""

    pending: int = Field(ge=0)
    processing: int = Field(ge=0)
    completed: int = Field(ge=0)
    failed: int = Field(ge=0)
    cancelled: int = Field(ge=0)


class BatchFailure(_Answer):
    """A task that has failed."""

    task_id: TaskId
    error_code: str = Field(examples=["parse_error"])
    error_message: str = Field(examples=["line 1, column 5: a semicolon is missing"])


class BatchStatus(_Answer):
    """A batch as it stands. Fields without a value are absent."""

    batch_id: TaskId
    tasks: int = Field(ge=1, description="How many it has.")
    counts: BatchCounts
    ended: bool = Field(description="Whether all of its tasks have ended, however they did.")
    submitted_at: Moment
    started_at: Moment = Field(default="", description="When the first of them started.")
    completed_at: Moment = Field(default="", description="When the last of them ended.")
    failures: list[BatchFailure] = Field(
        default=[], description=f"The first {SHOWN_FAILURES} that failed."
    )
    cancelled_now: int = Field(
        default=0, ge=0, description="How many this request has cancelled; after a cancellation."
    )
    correlation_id: CorrelationId


EXAMPLE_BATCH_ID = "019b6520-7a10-7d3a-8a51-3f2b6f0f9c11"
_FIRST = "019b6520-7a10-8000-9c4e-2f0b1d6a7c55"
_SECOND = "019b6520-7a10-8001-a3b7-51e9c0d4f286"
_BELL = "OPENQASM 3; qubit[2] q; bit[2] c; h q[0]; cx q[0], q[1]; c = measure q;"
_ROTATION = "OPENQASM 3; input float theta; qubit q; bit c; rx(theta) q; c = measure q;"
BATCHES: dict[str, Any] = {
    "batch": {
        "summary": "Two circuits",
        "value": {
            "tasks": [
                {"circuit": _BELL, "shots": 2000, "name": "a Bell pair"},
                {"circuit": "OPENQASM 3; qubit q; h q; measure q;", "seed": 7},
            ]
        },
    }
}
SWEEPS: dict[str, Any] = {
    "sweep": {
        "summary": "A rotation by three angles",
        "value": {
            "circuit": _ROTATION,
            "shots": 4096,
            "bindings": [{"theta": 0.0}, {"theta": 0.7853982}, {"theta": 1.5707963}],
        },
    }
}
BATCH_SUBMITTED: dict[str, Any] = {
    "stored": {
        "summary": "Stored",
        "value": {
            "batch_id": EXAMPLE_BATCH_ID,
            "submitted_at": "2025-12-28T14:30:00.123Z",
            "task_ids": [_FIRST, _SECOND],
            "message": "Batch of 2 tasks submitted successfully.",
            "correlation_id": "0f3c8a1e-7b1d-4f6a-9b1e-2d5c4a3b2f10",
        },
    }
}
_RUNNING: dict[str, Any] = {
    "batch_id": EXAMPLE_BATCH_ID,
    "tasks": 2,
    "counts": {"pending": 0, "processing": 1, "completed": 0, "failed": 1, "cancelled": 0},
    "ended": False,
    "submitted_at": "2025-12-28T14:30:00.123Z",
    "started_at": "2025-12-28T14:30:00.131Z",
    "failures": [
        {
            "task_id": _FIRST,
            "error_code": "parse_error",
            "error_message": "line 1, column 5: a semicolon is missing",
        }
    ],
    "correlation_id": "0f3c8a1e-7b1d-4f6a-9b1e-2d5c4a3b2f10",
}
BATCH_RUNNING: dict[str, Any] = {
    "running": {"summary": "One has failed, one runs", "value": _RUNNING}
}
BATCH_CANCELLED: dict[str, Any] = {
    "cancelled": {
        "summary": "The one that ran was cancelled",
        "value": {
            **_RUNNING,
            "counts": {"pending": 0, "processing": 0, "completed": 0, "failed": 1, "cancelled": 1},
            "ended": True,
            "completed_at": "2025-12-28T14:30:07.000Z",
            "cancelled_now": 1,
        },
    }
}

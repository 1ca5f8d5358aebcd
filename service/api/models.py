"""What goes in and out, as pydantic models.

`SubmitTask` validates requests. The others describe answers: the OpenAPI document is made from
them, and the tests hold every answer against them; the answers themselves are put together from
text that the database keeps, which no model has to read.
"""

import math
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from domain.execution import MAX_SEED, Method, ParameterValue
from domain.labels import Priority
from domain.status import Status
from service.api.labels import Name, NotBefore, Tags

DEFAULT_SHOTS = 1024
MAX_PARAMETERS = 1_000
MAX_PARAMETER_VALUES = 32_768
"""More do not fit into the bytes that parameters may have, and millions take seconds to read."""
MAX_REASON_CHARACTERS = 500
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1
_LARGEST_FLOAT = sys.float_info.max
_LARGEST_NUMBER = int(Decimal(repr(_LARGEST_FLOAT)))
"""What the document says, to the last digit: the float itself is a little larger than its text."""

QUICKSTART_CIRCUIT = "OPENQASM 3; qubit q; h q; measure q;"
EXAMPLE_ID = "019b6520-6c5b-7d3a-8a51-3f2b6f0f9c11"
EXAMPLE_CORRELATION_ID = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"


def _parameter(value: Any) -> ParameterValue:
    """Accept booleans, finite numbers and lists of them; what 64 bits do not hold is a float."""
    return _accepted(value, iter(range(1, MAX_PARAMETER_VALUES + 1)))


def _accepted(value: Any, room: Iterator[int]) -> ParameterValue:
    """Accept a value, which takes one place of those that there are for a whole parameter."""
    if next(room, None) is None:
        raise ValueError(f"must have at most {MAX_PARAMETER_VALUES} values")
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) <= _LARGEST_NUMBER:
        return value if _SMALLEST <= value <= _LARGEST else float(value)
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, list):
        return [_accepted(item, room) for item in value]
    raise ValueError("must be a boolean, a finite number, or a list of those")


def _whole(value: Any) -> Any:
    """Take a number such as 1024.0 for the integer that it is in JSON."""
    return int(value) if type(value) is float and value.is_integer() else value


PARAMETER_VALUE: Final = "ParameterValue"
"""Comment in a parameter's schema, by which the document finds what its items refer to."""
_PARAMETER_SCHEMA = {
    "$comment": PARAMETER_VALUE,
    "anyOf": [
        {"type": "boolean"},
        {"type": "number", "minimum": -_LARGEST_FLOAT, "maximum": _LARGEST_FLOAT},
        {"type": "array", "items": {}, "description": "Values of an array, nested as declared."},
    ],
}
Parameter: TypeAlias = Annotated[Any, AfterValidator(_parameter), WithJsonSchema(_PARAMETER_SCHEMA)]
Whole: TypeAlias = Annotated[int, BeforeValidator(_whole)]


class SubmitTask(BaseModel):
    """A circuit to run, and how."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        allow_inf_nan=False,
        json_schema_extra={
            "examples": [
                {"circuit": QUICKSTART_CIRCUIT},
                {
                    "circuit": (
                        'OPENQASM 3.0;\ninclude "stdgates.inc";\ninput float theta;\n'
                        "qubit[2] q;\nbit[2] c;\nrx(theta) q[0];\ncx q[0], q[1];\nc = measure q;\n"
                    ),
                    "shots": 4096,
                    "seed": 7,
                    "parameters": {"theta": 1.5707963},
                },
            ]
        },
    )

    circuit: str = Field(
        min_length=1,
        description="OpenQASM 3 or 2. Any text is accepted; one that cannot be run fails later, "
        "with the reason in `error_message`.",
    )
    shots: Whole = Field(DEFAULT_SHOTS, ge=1, description="How often the circuit is run.")
    seed: Annotated[int, Field(ge=0, le=MAX_SEED), BeforeValidator(_whole)] | None = Field(
        None, description="Makes the counts repeatable; drawn if absent."
    )
    method: Method = Field(
        "automatic", description="Simulation method; `execution` tells which one was used and why."
    )
    memory: bool = Field(False, description="Also keep the outcome of every shot, in order.")
    timeout_seconds: float | None = Field(
        None, gt=0, description="Longest run in seconds; the worker has a default and a maximum."
    )
    measure_all: bool = Field(
        False, description="Measure every qubit at the end if the circuit measures none."
    )
    parameters: dict[str, Parameter] | None = Field(
        None,
        max_length=MAX_PARAMETERS,
        description="Values for the `input` declarations of an OpenQASM 3 program, by name.",
    )
    name: Name | None = None
    tags: Tags | None = None
    priority: Priority = Field(
        Priority.NORMAL,
        description="Among the tasks of one tenant those of a higher priority go first: they pass "
        "the ones of the next lower priority that were submitted up to a day before.",
    )
    not_before: NotBefore | None = None


def limited_submission(max_shots: int, max_circuit_bytes: int) -> type[SubmitTask]:
    """Return `SubmitTask` with the limits of this installation, in validation and schema."""

    class Limited(SubmitTask):
        circuit: str = Field(
            min_length=1,
            max_length=max_circuit_bytes,
            description=f"{SubmitTask.model_fields['circuit'].description} "
            f"At most {max_circuit_bytes} bytes in UTF-8.",
        )
        shots: Whole = Field(
            min(DEFAULT_SHOTS, max_shots),
            ge=1,
            le=max_shots,
            description=SubmitTask.model_fields["shots"].description,
        )

    Limited.__name__ = Limited.__qualname__ = SubmitTask.__name__
    Limited.__doc__ = SubmitTask.__doc__
    Limited.model_config["title"] = SubmitTask.__name__
    Limited.model_rebuild(force=True)
    return Limited


class CancelTask(BaseModel):
    """Why a task is cancelled."""

    model_config = ConfigDict(strict=True, extra="forbid")

    reason: str | None = Field(
        None,
        max_length=MAX_REASON_CHARACTERS,
        description="Kept in the task's history and shown as `cancel_reason`.",
        examples=["the calibration was wrong"],
    )


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


Moment: TypeAlias = Annotated[
    str,
    Field(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
        examples=["2025-12-28T14:30:00.123Z"],
        json_schema_extra={"format": "date-time"},
        description="RFC 3339, UTC, milliseconds.",
    ),
]
TaskId: TypeAlias = Annotated[
    str,
    Field(
        pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        examples=[EXAMPLE_ID],
        json_schema_extra={"format": "uuid"},
    ),
]
CorrelationId: TypeAlias = Annotated[
    str,
    Field(
        min_length=1,
        max_length=128,
        examples=[EXAMPLE_CORRELATION_ID],
        description="Of the submission: the client's own, or the id of its trace.",
    ),
]


class TaskSubmitted(_Answer):
    """The task is stored and will be run."""

    task_id: TaskId
    submitted_at: Moment
    message: Literal["Task submitted successfully."]
    correlation_id: CorrelationId


class StatusChange(_Answer):
    """One line of a task's history."""

    status: Status
    transitioned_at: Moment
    notes: str = Field(examples=["Task created"])


class Difference(_Answer):
    """Something that was not as in the recorded run."""

    recorded: Any
    present: Any


class Reproduction(_Answer):
    """How a result came out when its run was made again with the recorded seed and options."""

    outcome: Literal["reproduced", "diverged"]
    compared_at: Moment
    distance: float = Field(
        ge=0, le=1, description="Total variation distance between the two results."
    )
    differences: dict[str, Difference] = Field(
        description="Versions, processor and simulator options that were not as in the recorded "
        "run. A divergence without any is not explained by them.",
        examples=[{"versions.qiskit_aer": {"recorded": "0.18.1", "present": "0.18.2"}}],
    )


class TaskStatus(_Answer):
    """A task as it stands. Fields without a value are absent."""

    task_id: TaskId
    status: Status
    submitted_at: Moment
    started_at: Moment = Field(default="", description="When the current or last attempt began.")
    completed_at: Moment = Field(default="", description="When the task ended, however it did.")
    result: dict[str, int] = Field(
        default={},
        description="Outcome → number of shots, once completed. Qiskit's bit order: bit 0 is "
        "rightmost, the last register leftmost, a space between registers.",
        examples=[{"0": 512, "1": 512}],
    )
    status_history: list[StatusChange]
    correlation_id: CorrelationId
    shots: int
    attempt: int = Field(description="The current or last attempt; 0 before the first.")
    error_code: str = Field(default="", description="Why it failed, for programs.")
    error_message: str = Field(
        default="", description="Why it failed, with line and column where they are known."
    )
    cancel_reason: str = Field(
        default="", description="Why it was cancelled, if that was said; never an error."
    )
    execution: dict[str, Any] = Field(
        default={}, description="How it was run: seed, method, versions, durations, hashes."
    )
    memory: list[str] = Field(default=[], description="The outcome of each shot, if asked for.")
    version: int = Field(description="How many events the task's history has.")
    name: str = Field(default="", description="As submitted.", examples=["a Bell pair"])
    tags: dict[str, str] = Field(
        default={}, description="As submitted.", examples=[{"device": "north"}]
    )
    priority: Literal["low", "high"] = Field(
        default="high", description="Absent where it is `normal`."
    )
    not_before: Moment = Field(default="", description="No worker gets it before this time.")
    batch_id: TaskId = Field(default="", description="What it was submitted together with.")
    origin: TaskId = Field(default="", description="The task that this one does again.")
    reproductions: list[Reproduction] = Field(
        default=[], description="The newest times that the run was made again, oldest first."
    )
    erased: list[Literal["circuit", "parameters", "result", "memory"]] = Field(
        default=[], description="What there was and was erased since."
    )
    erased_at: Moment = Field(default="", description="When its contents were erased.")


class Health(_Answer):
    """How the service and what it depends on are doing."""

    status: Literal["healthy", "degraded", "unhealthy"] = Field(
        description="degraded: the queue is away or blocked; tasks are accepted and run when it is "
        "back. unhealthy: tasks cannot be stored."
    )
    database_status: Literal["connected", "failing", "disconnected"] = Field(
        description="failing: it answers and cannot store tasks, for instance because its disk is "
        "full; `/readyz` has the reason."
    )
    queue_status: Literal["connected", "blocked", "disconnected"] = Field(
        description="blocked: it answers and takes no messages, for want of memory or disk."
    )
    timestamp: str = Field(
        examples=["2025-12-28T14:30:00Z"], json_schema_extra={"format": "date-time"}
    )


class Probe(_Answer):
    """The process is alive, or ready for requests."""

    status: Literal["alive", "ready"]
    reasons: list[str] = Field(
        default_factory=list, description="What is amiss although requests should be sent here."
    )


class FieldProblem(_Answer):
    """What is wrong with one field."""

    field: str = Field(examples=["shots"])
    message: str = Field(examples=["Input should be greater than or equal to 1"])


class ProblemDocument(BaseModel):
    """A problem document (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(
        examples=["urn:ketlog:problem:invalid-request"],
        description="Stable; for programs.",
        json_schema_extra={"format": "uri"},
    )
    title: str = Field(examples=["Invalid request"])
    status: int = Field(ge=400, le=599, examples=[422])
    detail: str = Field(examples=["Correct these fields and send it again: shots."])
    correlation_id: str = Field(description="Of this request.", examples=[EXAMPLE_CORRELATION_ID])
    errors: list[FieldProblem] = Field(default=[], description="One entry for each bad field.")

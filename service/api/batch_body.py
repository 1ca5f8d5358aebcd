"""From the bytes of a batch or a sweep to the tasks it asks for, or to what is wrong with it.

A body of the full size is read in pieces: others have their turn in between.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from domain.batches import MAX_BATCH_TASKS
from domain.execution import RunOptions
from domain.labels import Labels
from domain.payloads import Payload
from service.api.batch_models import Binding
from service.api.body import BodyLimits
from service.api.labels import labels_of
from service.api.models import MAX_PARAMETERS, SubmitTask
from service.api.outline import Outline, TooLong, TooManyElements, outline
from service.api.pace import Pace
from service.api.problems import FieldProblem, Problem, invalid_request
from service.api.validation import (
    circuit_payload,
    malformed_json,
    parameters_payload,
    run_options,
    validation_problem,
)

MAX_BATCH_BYTES = 16 * 1024 * 1024
BATCH_LIMITS = BodyLimits(circuit=0, plain=MAX_BATCH_BYTES, hard=MAX_BATCH_BYTES)
_TASKS, _BINDINGS = "tasks", "bindings"
M = TypeVar("M", bound=BaseModel)


class Draft(NamedTuple):
    """A task that was asked for. Its payloads have salts of their own."""

    options: RunOptions
    labels: Labels
    circuit: Payload
    parameters: Payload | None


class BatchReader:
    """Reads bodies.

    Args:
        task: validates one task, see `models.limited_submission`.
        sweep: the model of a sweep, for its fields.
        limits: sizes of one task.
        furthest_start: how far in the future a task may ask to be started.
    """

    def __init__(
        self,
        task: type[SubmitTask],
        sweep: type[SubmitTask],
        limits: BodyLimits,
        furthest_start: timedelta,
    ) -> None:
        self._task = task
        self._sweep = sweep
        self._limits = limits
        self._furthest_start = furthest_start

    async def batch(self, body: bytes) -> list[Draft]:
        """Return the tasks of a batch.

        Raises:
            Problem: 400 for what is no JSON, 422 with an entry for each bad field of each task.
        """
        parts = await self._parts(body, _TASKS)
        elements = _elements(parts, _TASKS)
        unknown = f"unknown field; the only field is {_TASKS}"
        if parts.members:
            raise invalid_request([FieldProblem(name, unknown) for name in parts.members])
        drafts: list[Draft] = []
        problems = _Problems(_TASKS)
        pace = Pace()
        for place, element in enumerate(elements):
            try:
                task = _validated(self._task, element, self._task)
                circuit = circuit_payload(task.circuit, 0, self._limits)
                drafts.append(self._draft(task, circuit, task.parameters))
            except Problem as problem:
                problems.add(place, problem)
            await pace.breathe()
        problems.tell(len(elements))
        return drafts

    async def sweep(self, body: bytes) -> list[Draft]:
        """Return the tasks of a sweep, one for each binding.

        Raises:
            Problem: as for a batch.
        """
        parts = await self._parts(body, _BINDINGS)
        members = ",".join(f"{json.dumps(name)}:{text}" for name, text in parts.members.items())
        task = _validated(self._task, f"{{{members}}}", self._sweep)
        elements = _elements(parts, _BINDINGS)
        circuit = circuit_payload(task.circuit, 0, self._limits)
        _check_size(len(circuit.body), len(elements))
        drafts: list[Draft] = []
        problems = _Problems(_BINDINGS)
        pace = Pace()
        for place, element in enumerate(elements):
            try:
                values = _validated(Binding, element, Binding).root
                copied = Payload(circuit.kind, circuit.body)
                drafts.append(self._draft(task, copied, (task.parameters or {}) | values))
            except Problem as problem:
                problems.add(place, problem)
            await pace.breathe()
        problems.tell(len(elements))
        return drafts

    async def _parts(self, body: bytes, array: str) -> Outline:
        try:
            return await outline(body.decode(), array, MAX_BATCH_TASKS, self._limits.hard)
        except UnicodeDecodeError as error:
            raise malformed_json(f"byte {error.start} is not UTF-8", body) from None
        except json.JSONDecodeError as error:
            where = f"at line {error.lineno} column {error.colno}"
            raise malformed_json(f"{error.msg} {where}", body) from None
        except TooManyElements:
            raise invalid_request(
                [FieldProblem(array, f"must have at most {MAX_BATCH_TASKS} elements")]
            ) from None
        except TooLong as part:
            name = part.name if part.place is None else f"{part.name}.{part.place}"
            raise invalid_request(
                [FieldProblem(name, f"must have at most {self._limits.hard} characters")]
            ) from None

    def _draft(
        self, task: SubmitTask, circuit: Payload, parameters: Mapping[str, Any] | None
    ) -> Draft:
        if parameters is not None and len(parameters) > MAX_PARAMETERS:
            reason = f"must be at most {MAX_PARAMETERS} together"
            raise invalid_request([FieldProblem("parameters", reason)])
        return Draft(
            run_options(task),
            labels_of(task, self._furthest_start),
            circuit,
            parameters_payload(parameters),
        )


class _Problems:
    """What is wrong with the elements of an array.

    Args:
        array: its name.
    """

    def __init__(self, array: str) -> None:
        self._array = array
        self._places: set[int] = set()
        self._found: list[FieldProblem] = []

    def add(self, place: int, problem: Problem) -> None:
        """Take note of what is wrong with one; raises `Problem` (400) where it is no JSON."""
        name = f"{self._array}.{place}"
        if problem.status != 422:  # noqa: PLR2004 - what each element is answered alone
            raise malformed_json(f"{problem.detail.rstrip('.')}, in {name}", b"{")
        self._places.add(place)
        self._found += [
            FieldProblem(name if field == "body" else f"{name}.{field}", message)
            for field, message in problem.errors
        ]

    def tell(self, elements: int) -> None:
        """Raise `Problem` (422) if something was wrong."""
        if not self._found:
            return
        raise Problem(
            422,
            "invalid-request",
            "Invalid request",
            f"{len(self._places)} of {elements} {self._array} cannot be taken, and nothing was "
            "stored. Correct them and send all of it again.",
            errors=self._found,
            most_errors=MAX_BATCH_TASKS,
        )


def _elements(parts: Outline, array: str) -> Sequence[str]:
    if array in parts.members:
        raise invalid_request([FieldProblem(array, "must be an array")])
    if parts.elements is None:
        raise invalid_request([FieldProblem(array, "Field required")])
    if not parts.elements:
        raise invalid_request([FieldProblem(array, "must have at least one element")])
    return parts.elements


def _validated(model: type[M], text: str, fields: type[BaseModel]) -> M:
    """Return what a text says; raises `Problem`, in which the fields are those of a model."""
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise validation_problem(error, b"{", fields) from None


def _check_size(circuit_bytes: int, tasks: int) -> None:
    """Raise `Problem` (422) if the copies of a circuit are too much to be stored at a time."""
    if circuit_bytes * tasks > MAX_BATCH_BYTES:
        raise invalid_request(
            [
                FieldProblem(
                    _BINDINGS,
                    f"each task keeps a copy of the circuit, and {tasks} of {circuit_bytes} bytes "
                    f"are more than {MAX_BATCH_BYTES}; send them in several sweeps",
                )
            ]
        )

"""From the bytes of a body to a validated submission, or to the problem with it."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from domain.codec import to_json
from domain.execution import RunOptions
from domain.payloads import Payload, PayloadKind
from domain.task import printable
from service.api.body import BodyLimits, too_large
from service.api.models import SubmitTask
from service.api.problems import FieldProblem, Problem, invalid_request

MAX_PARAMETER_BYTES = 64 * 1024
_MAX_FIELD_CHARACTERS = 100


def parse_submission(body: bytes, model: type[SubmitTask], limits: BodyLimits) -> SubmitTask:
    """Return what a body asks for.

    Raises:
        Problem: 400 for what is no JSON, 413 for its size, 422 for bad fields.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        if len(body) > limits.plain:
            raise too_large(limits) from None
        raise validation_problem(error, body, SubmitTask) from None


def circuit_payload(circuit: str, body_size: int, limits: BodyLimits) -> Payload:
    """Return a circuit as it is stored; raises `Problem` when it is larger than allowed."""
    encoded = circuit.encode()
    if len(encoded) > limits.circuit:
        if body_size > limits.plain:
            raise too_large(limits)
        raise invalid_request(
            [FieldProblem("circuit", f"must have at most {limits.circuit} bytes in UTF-8")]
        )
    return Payload(PayloadKind.CIRCUIT, encoded)


def parameters_payload(parameters: Mapping[str, Any] | None) -> Payload | None:
    """Return parameters as they are stored, in one order whatever the client's.

    Raises:
        Problem: they are larger than allowed.
    """
    if not parameters:
        return None
    encoded = to_json(dict(sorted(parameters.items()))).encode()
    if len(encoded) > MAX_PARAMETER_BYTES:
        raise invalid_request(
            [FieldProblem("parameters", f"must have at most {MAX_PARAMETER_BYTES} bytes as JSON")]
        )
    return Payload(PayloadKind.PARAMETERS, encoded)


def run_options(task: SubmitTask) -> RunOptions:
    """Return how a client wants its circuit to be run."""
    return RunOptions(
        task.shots,
        task.seed,
        task.method,
        task.memory,
        task.timeout_seconds,
        task.measure_all,
    )


def validation_problem(error: ValidationError, body: bytes, model: type[BaseModel]) -> Problem:
    """Return what is wrong with a body that a model refuses: 400 or 422."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    first = details[0]
    if first["type"] == "json_invalid":
        return malformed_json(first["msg"].removeprefix("Invalid JSON: "), body)
    by_field: dict[str, FieldProblem] = {}
    for detail in details:
        field = _field(detail)
        by_field.setdefault(field, FieldProblem(field, _message(detail, model)))
    return invalid_request(list(by_field.values()))


def malformed_json(reason: str, body: bytes) -> Problem:
    """Return the answer to a body that is no JSON: 400."""
    detail = (
        f"The body is not valid JSON: {printable(reason)}."
        if body.strip()
        else 'The body is empty. Send a JSON object such as {"circuit": "OPENQASM 3; …"}.'
    )
    return Problem(
        400,
        "malformed-json",
        "Malformed JSON",
        detail,
        errors=[FieldProblem("body", "must be a JSON object in UTF-8")],
    )


def _field(detail: ErrorDetails) -> str:
    name = printable(".".join(map(str, detail["loc"]))) or "body"
    return name if len(name) <= _MAX_FIELD_CHARACTERS else name[:_MAX_FIELD_CHARACTERS] + "…"


def _message(detail: ErrorDetails, model: type[BaseModel]) -> str:
    match detail["type"]:
        case "extra_forbidden":
            return "unknown field; the fields are " + ", ".join(model.model_fields)
        case "model_type" | "model_attributes_type":
            return "must be a JSON object"
        case _:
            return detail["msg"].removeprefix("Value error, ")

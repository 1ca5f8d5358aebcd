"""Runs, and questions about circuits, as JSON-compatible mappings: for pipes and for messages.

The readers raise `KeyError`, `TypeError` or `ValueError` for what the writers did not write.
"""

from collections.abc import Mapping
from typing import Any, get_args

from domain.execution import RunFailed, RunOptions, RunOutcome, RunRequest, RunSucceeded
from domain.inspection import (
    CircuitDrawing,
    CircuitReport,
    Inspection,
    InspectionAnswer,
    InspectionKind,
)


def request_to_json(request: RunRequest) -> dict[str, Any]:
    """A run request as a JSON-compatible mapping."""
    options = request.options
    return {
        "circuit": request.circuit,
        "parameters": dict(request.parameters),
        "options": {
            "shots": options.shots,
            "seed": options.seed,
            "method": options.method,
            "memory": options.memory,
            "timeout_seconds": options.timeout_seconds,
            "measure_all": options.measure_all,
        },
    }


def request_from_json(value: Mapping[str, Any]) -> RunRequest:
    """Rebuild a run request from `request_to_json`."""
    return RunRequest(value["circuit"], RunOptions(**value["options"]), value["parameters"])


def outcome_to_json(outcome: RunOutcome) -> dict[str, Any]:
    """The outcome of a run as a JSON-compatible mapping."""
    if isinstance(outcome, RunFailed):
        return _failure_to_json(outcome)
    return {
        "counts": outcome.counts,
        "memory": outcome.memory,
        "execution": outcome.execution,
    }


def outcome_from_json(value: Mapping[str, Any]) -> RunOutcome:
    """Rebuild the outcome of a run from `outcome_to_json`."""
    if "code" in value:
        return _failure_from_json(value)
    memory = value["memory"]
    return RunSucceeded(
        value["counts"], None if memory is None else tuple(memory), value["execution"]
    )


def inspection_to_json(inspection: Inspection) -> dict[str, Any]:
    """A question about a circuit as a JSON-compatible mapping."""
    return {"kind": inspection.kind, **request_to_json(inspection.request)}


def inspection_from_json(value: Mapping[str, Any]) -> Inspection:
    """Rebuild a question about a circuit from `inspection_to_json`."""
    if value["kind"] not in get_args(InspectionKind):
        raise ValueError("an inspection of an unknown kind")
    return Inspection(value["kind"], request_from_json(value))


def answer_to_json(answer: InspectionAnswer) -> dict[str, Any]:
    """The answer to a question about a circuit as a JSON-compatible mapping."""
    match answer:
        case RunFailed():
            return _failure_to_json(answer)
        case CircuitReport(facts=facts):
            return {"facts": dict(facts)}
        case CircuitDrawing(text=text):
            return {"drawing": text}


def answer_from_json(value: Mapping[str, Any]) -> InspectionAnswer:
    """Rebuild the answer to a question about a circuit from `answer_to_json`."""
    if "code" in value:
        return _failure_from_json(value)
    if "drawing" in value:
        return CircuitDrawing(value["drawing"])
    return CircuitReport(value["facts"])


def _failure_to_json(failure: RunFailed) -> dict[str, Any]:
    return {
        "code": failure.code,
        "message": failure.message,
        "line": failure.line,
        "column": failure.column,
    }


def _failure_from_json(value: Mapping[str, Any]) -> RunFailed:
    return RunFailed(value["code"], value["message"], value["line"], value["column"])

"""The part of the OpenAPI document about circuits and results in the forms that clients ask for."""

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from service.api.check_models import CircuitCheck, CircuitError
from service.api.circuit import FORMS as CIRCUIT_FORMS
from service.api.circuit import SVG
from service.api.examples import PROBLEMS, SUBMISSIONS, problem_example
from service.api.models import EXAMPLE_ID, SubmitTask
from service.api.openapi_parts import COMMON_PARAMETERS, LOOKUP_PROBLEMS, Json, json_content, ref
from service.api.result import RESULT_FORMS
from service.api.result_models import RESULTS, TaskResult

CHECKS: dict[str, Any] = {
    "runnable": {
        "summary": "It can be run",
        "value": {
            "runnable": True,
            "openqasm": "3.0",
            "qubits": 2,
            "clbits": 2,
            "depth": 3,
            "operations": {"h": 1, "cx": 1, "measure": 2},
            "registers": [{"name": "c", "bits": 2}],
            "measure_all": False,
            "simulated_qubits": 2,
            "method": "stabilizer",
            "method_reason": "Every gate is a Clifford gate.",
            "sampler": "stabilizer_support",
            "memory_bytes": 10,
            "shots": 1024,
            "expected_seconds": {"low": 0.00047, "high": 0.0041},
            "timeout_seconds": 60.0,
            "warnings": [],
        },
    },
    "refused": {
        "summary": "It cannot",
        "value": {
            "runnable": False,
            "error_code": "parse_error",
            "error_message": "line 1, column 5: expected ';', found the end of the program",
            "errors": [
                {
                    "code": "parse_error",
                    "message": "expected ';', found the end of the program",
                    "line": 1,
                    "column": 5,
                }
            ],
        },
    },
}
_NO_WORKER = problem_example(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "no-worker",
    "No worker can look at the circuit",
    "Circuits are looked at by a worker: no worker is there. Start one or send it again later; a "
    "circuit that is submitted as a task waits for a worker.",
) | problem_example(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "too-many-checks",
    "Too many circuits are being looked at",
    "The workers look at other circuits already. Send it again soon, or submit the circuit: tasks "
    "wait as long as it takes.",
)
READING_PROBLEMS: dict[str, tuple[str, dict[str, Any]]] = {
    "NoWorker": (
        "No worker can look at the circuit now, or something else that the service needs is away. "
        "Try again after `Retry-After` seconds.",
        _NO_WORKER,
    ),
    "CheckTooLong": (
        "No worker could tell in time.",
        problem_example(
            HTTPStatus.GATEWAY_TIMEOUT,
            "check-too-long",
            "The circuit was not looked at in time",
            "No worker could tell in time: reading and compiling it was stopped after 10 seconds. "
            "Send it again later, or submit the circuit: a task may take longer.",
        ),
    ),
    "CircuitNotDrawable": (
        "The circuit cannot be drawn, or a parameter of the request is wrong.",
        problem_example(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "circuit-not-drawable",
            "Circuit cannot be drawn",
            "line 1, column 5: expected ';', found the end of the program. The text as it was "
            f"submitted is at /tasks/{EXAMPLE_ID}/circuit.",
            errors=[
                {
                    "field": "circuit",
                    "message": "line 1, column 5: expected ';', found the end of the program",
                }
            ],
            error_code="parse_error",
        ),
    ),
    "ContentErased": (
        "What is asked for was erased.",
        problem_example(
            HTTPStatus.GONE,
            "result-erased",
            "Result erased",
            f"The result of task {EXAMPLE_ID} was erased. Its events and their proofs remain, at "
            f"/tasks/{EXAMPLE_ID}/events and /tasks/{EXAMPLE_ID}/proof.",
        ),
    ),
    "NoResult": (
        "The task has no result, as `current_status` says: not yet, or it ended without one. With "
        "`Retry-After` where it is worth asking again.",
        problem_example(
            HTTPStatus.CONFLICT,
            "task-not-completed",
            "Task not completed yet",
            f"Task {EXAMPLE_ID} is processing. Ask again when it has completed.",
            task_id=EXAMPLE_ID,
            current_status="processing",
        )
        | problem_example(
            HTTPStatus.CONFLICT,
            "no-result",
            "No result",
            f"Task {EXAMPLE_ID} is failed and has no result: line 1, column 5: expected ';'",
            task_id=EXAMPLE_ID,
            current_status="failed",
            error_code="parse_error",
        ),
    ),
    "ResultNotFound": (
        "There is no such task, or the outcomes of its shots were not asked for.",
        PROBLEMS["NotFound"][1]
        | problem_example(
            HTTPStatus.NOT_FOUND,
            "memory-not-kept",
            "Outcomes of the shots not kept",
            f"Task {EXAMPLE_ID} was submitted without `memory`: true, so the outcome of each shot "
            "was not kept. Submit it again with it; the same seed gives the same counts.",
            errors=[{"field": "as", "message": "memory was not asked for at the submission"}],
        ),
    ),
}
RETRIED_PROBLEMS = frozenset({"NoWorker", "CheckTooLong", "NoResult"})
"""Those that say after how many seconds to ask again."""


def _check() -> Json:
    return {
        "operationId": "checkCircuit",
        "tags": ["tasks"],
        "summary": "Check a circuit",
        "description": "Takes what a submission takes, stores nothing and runs nothing. A worker "
        "reads and compiles the circuit and says what a run would be like, or what is wrong with "
        "it and where: the answer is 200 in both cases.",
        "parameters": [*COMMON_PARAMETERS],
        "requestBody": {"required": True, "content": json_content(SubmitTask, SUBMISSIONS)},
        "responses": {
            "200": {
                "description": "What a run would be like, or why there can be none.",
                "headers": {"X-Correlation-ID": ref("headers", "X-Correlation-ID")},
                "content": json_content(CircuitCheck, CHECKS),
            },
            "400": ref("responses", "MalformedRequest"),
            "408": ref("responses", "RequestTimeout"),
            "413": ref("responses", "BodyTooLarge"),
            "415": ref("responses", "UnsupportedMediaType"),
            "422": ref("responses", "InvalidRequest"),
            "429": ref("responses", "TooManyRequests"),
            "500": ref("responses", "InternalError"),
            "503": ref("responses", "NoWorker"),
            "504": ref("responses", "CheckTooLong"),
        },
    }


def _circuit() -> Json:
    text = {
        "schema": {"type": "string"},
        "examples": {
            "qasm": {"summary": "as=qasm", "value": SUBMISSIONS["bell"]["value"]["circuit"]},
            "drawing": {"summary": "as=drawing", "value": "     ┌───┐┌─┐\nq_0: ┤ H ├┤M├\n…"},
        },
    }
    return {
        "operationId": "getCircuit",
        "tags": ["tasks"],
        "summary": "Show a task's circuit",
        "description": "The text as it was submitted, or the unrolled circuit drawn by a worker: "
        "with characters, or the same as a picture. Up to 64 wires and 1000 operations are drawn.",
        "parameters": [
            ref("parameters", "TaskId"),
            _form(
                CIRCUIT_FORMS,
                "Without it, `svg` for clients whose `Accept` prefers that, otherwise `qasm`.",
            ),
            ref("parameters", "IfNoneMatch"),
            *COMMON_PARAMETERS,
        ],
        "responses": {
            "200": {
                "description": "The circuit.",
                "headers": _KEPT,
                "content": {"text/plain": text, SVG: {"schema": {"type": "string"}}},
            },
            "304": NOT_MODIFIED,
            **LOOKUP_PROBLEMS,
            "410": ref("responses", "ContentErased"),
            "422": ref("responses", "CircuitNotDrawable"),
            "503": ref("responses", "NoWorker"),
            "504": ref("responses", "CheckTooLong"),
        },
    }


def _result() -> Json:
    return {
        "operationId": "getResult",
        "tags": ["tasks"],
        "summary": "Show a task's result",
        "description": "What came of a completed task: counts, shares of the shots, counts of each "
        "classical register alone, or the outcome of every shot.",
        "parameters": [
            ref("parameters", "TaskId"),
            _form(RESULT_FORMS, "Without it, `counts`."),
            ref("parameters", "IfNoneMatch"),
            *COMMON_PARAMETERS,
        ],
        "responses": {
            "200": {
                "description": "The result.",
                "headers": _KEPT,
                "content": json_content(TaskResult, RESULTS),
            },
            "304": NOT_MODIFIED,
            **LOOKUP_PROBLEMS,
            "404": ref("responses", "ResultNotFound"),
            "409": ref("responses", "NoResult"),
            "410": ref("responses", "ContentErased"),
        },
    }


def _form(forms: Any, description: str) -> Json:
    return {
        "name": "as",
        "in": "query",
        "description": f"The form. {description}",
        "schema": {"type": "string", "enum": list(forms)},
    }


NOT_MODIFIED: Json = {
    "description": "It is what the client has, by the tag that it sent.",
    "headers": {"ETag": ref("headers", "ETag")},
}
_KEPT = {
    "ETag": ref("headers", "ETag"),
    "X-Correlation-ID": ref("headers", "X-Correlation-ID"),
}
READING_PATHS: Json = {
    "/circuits:check": {"post": _check()},
    "/tasks/{task_id}/circuit": {"get": _circuit()},
    "/tasks/{task_id}/result": {"get": _result()},
}
READING_MODELS: tuple[type[BaseModel], ...] = (CircuitCheck, TaskResult)
READING_WITH_ABSENT_FIELDS = (TaskResult.__name__, CircuitError.__name__)
READING_PARAMETERS: Json = {
    "IfNoneMatch": {
        "name": "If-None-Match",
        "in": "header",
        "description": "`ETag` of an earlier answer: 304 if it would be the same again.",
        "schema": {"type": "string"},
    },
}
READING_HEADERS: Json = {
    "ETag": {
        "description": "Names this answer; strong. Send it as `If-None-Match` next time. On tasks, "
        "only of those that have ended.",
        "schema": {"type": "string"},
    },
}

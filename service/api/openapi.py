"""The OpenAPI 3.1 document, made from the models that validate requests and describe answers."""

import json
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from domain import __version__
from service.api.examples import (
    CANCELLED,
    COMPLETED,
    ERASED,
    FAILED,
    HEALTHY,
    PENDING,
    PROBLEMS,
    SUBMISSIONS,
    SUBMITTED,
)
from service.api.models import (
    Health,
    Probe,
    SubmitTask,
    TaskStatus,
    TaskSubmitted,
)
from service.api.openapi_audit import (
    AUDIT_PARAMETERS,
    AUDIT_PATHS,
)
from service.api.openapi_batches import BATCH_PARAMETERS, BATCH_PATHS, BATCH_PROBLEMS
from service.api.openapi_cancel import CANCEL_PATHS, CANCEL_PROBLEMS
from service.api.openapi_ended import ENDED_PROBLEMS, ERASE, RETRY
from service.api.openapi_links import with_links
from service.api.openapi_list import LIST, LIST_HEADERS
from service.api.openapi_live import LIVE_PARAMETERS, LIVE_PATHS, UNAVAILABLE
from service.api.openapi_parts import COMMON_PARAMETERS, LOOKUP_PROBLEMS, Json, json_content, ref
from service.api.openapi_queue import QUEUE_PLACE
from service.api.openapi_reading import (
    NOT_MODIFIED,
    READING_HEADERS,
    READING_PARAMETERS,
    READING_PATHS,
    READING_PROBLEMS,
    RETRIED_PROBLEMS,
)
from service.api.openapi_schemas import schemas
from service.api.openapi_security import with_security
from service.api.problems import MEDIA_TYPE

_DESCRIPTION = """\
Runs quantum circuits as durable tasks: submit an OpenQASM circuit, get a task id, look at the task
until it has ended. What was accepted is never lost and ends exactly once.

Errors are problem documents (RFC 9457) whose `errors` name each bad field. After a 429 or 503, wait
for `Retry-After` seconds and send the request again; with an `Idempotency-Key` every retry is safe.
"""


def openapi_document(submission: type[SubmitTask]) -> Json:
    """Return the document as JSON-compatible values.

    Args:
        submission: the model that validates bodies, with this installation's limits.
    """
    return with_links(_unlinked(submission))


def _unlinked(submission: type[SubmitTask]) -> Json:
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ketlog",
            "version": __version__,
            "summary": "An event-sourced queue for quantum circuits.",
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "tasks", "description": "Submit circuits and follow them."},
            {"name": "batches", "description": "Submit many circuits together."},
            {"name": "audit", "description": "Check what happened."},
            {"name": "health", "description": "For operators and orchestrators."},
        ],
        "paths": {
            "/tasks": {"post": _submit(), "get": LIST},
            "/tasks/{task_id}": {"get": _status()},
            "/tasks/{task_id}/contents": {"delete": ERASE},
            **READING_PATHS,
            **CANCEL_PATHS,
            **LIVE_PATHS,
            "/tasks/{task_id}/retry": {"post": RETRY},
            "/tasks/{task_id}/queue": {"get": QUEUE_PLACE},
            **BATCH_PATHS,
            **AUDIT_PATHS,
            "/health": {"get": _health()},
            "/livez": {"get": _livez()},
            "/readyz": {"get": _readyz()},
        },
        "components": {
            "schemas": schemas(submission),
            "responses": {name: _problem(name) for name in _PROBLEMS},
            "headers": _HEADERS | READING_HEADERS | LIST_HEADERS,
            "parameters": _PARAMETERS
            | AUDIT_PARAMETERS
            | READING_PARAMETERS
            | LIVE_PARAMETERS
            | BATCH_PARAMETERS,
        },
    }


def openapi_endpoint(
    submission: type[SubmitTask], *, keys: bool
) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint of `GET /openapi.json`.

    Args:
        keys: whether clients need keys here.
    """
    document = openapi_document(submission)
    if keys:
        document = with_security(document)
    text = json.dumps(document, ensure_ascii=False).encode()

    async def endpoint(_request: Request) -> Response:
        return Response(text, media_type="application/json")

    return endpoint


def _submit() -> Json:
    return {
        "operationId": "submitTask",
        "tags": ["tasks"],
        "summary": "Submit a circuit",
        "description": "Stores the task and answers once it is durable. "
        "A circuit that cannot be run is accepted here and fails later, with the reason.",
        "parameters": [ref("parameters", "IdempotencyKey"), *COMMON_PARAMETERS],
        "requestBody": {"required": True, "content": json_content(SubmitTask, SUBMISSIONS)},
        "responses": {
            "202": {
                "description": "Stored. `Location` says where to look at the task.",
                "headers": {
                    "Location": ref("headers", "Location"),
                    "Idempotency-Replayed": ref("headers", "Idempotency-Replayed"),
                    "X-Correlation-ID": ref("headers", "X-Correlation-ID"),
                },
                "content": json_content(TaskSubmitted, SUBMITTED),
            },
            "400": ref("responses", "MalformedRequest"),
            "408": ref("responses", "RequestTimeout"),
            "410": ref("responses", "TaskErased"),
            "413": ref("responses", "BodyTooLarge"),
            "415": ref("responses", "UnsupportedMediaType"),
            "422": ref("responses", "InvalidRequest"),
            "429": ref("responses", "TooManyRequests"),
            "500": ref("responses", "InternalError"),
            "503": ref("responses", "Unavailable"),
        },
    }


def _status() -> Json:
    return {
        "operationId": "getTask",
        "tags": ["tasks"],
        "summary": "Look at a task",
        "description": "The task as it stands, with its history; the counts once it has completed. "
        "With `version` or `as_of`, the task as it was: 404 if it was not there yet. With `wait`, "
        "the answer comes when the task has ended, or when the time is over.",
        "parameters": [
            ref("parameters", "TaskId"),
            ref("parameters", "Version"),
            ref("parameters", "AsOf"),
            ref("parameters", "Wait"),
            ref("parameters", "IfNoneMatch"),
            *COMMON_PARAMETERS,
        ],
        "responses": {
            "200": {
                "description": "The task.",
                "headers": {
                    "ETag": ref("headers", "ETag"),
                    "X-Correlation-ID": ref("headers", "X-Correlation-ID"),
                },
                "content": json_content(
                    TaskStatus, PENDING | COMPLETED | FAILED | CANCELLED | ERASED
                ),
            },
            "304": NOT_MODIFIED,
            **LOOKUP_PROBLEMS,
        },
    }


def _health() -> Json:
    return {
        "operationId": "getHealth",
        "tags": ["health"],
        "summary": "How the service is doing",
        "description": "Always 200, within milliseconds; `status` says how it is.",
        "responses": {
            "200": {
                "description": "Healthy, degraded or unhealthy.",
                "content": json_content(Health, HEALTHY),
            }
        },
    }


def _livez() -> Json:
    return {
        "operationId": "isAlive",
        "tags": ["health"],
        "summary": "Whether the process is alive",
        "responses": {"200": {"description": "It is.", "content": json_content(Probe, {})}},
    }


def _readyz() -> Json:
    return {
        "operationId": "isReady",
        "tags": ["health"],
        "summary": "Whether requests should be sent here",
        "responses": {
            "200": {"description": "They should.", "content": json_content(Probe, {})},
            "503": ref("responses", "Unavailable"),
        },
    }


def _problem(name: str) -> Json:
    description, examples = _PROBLEMS[name]
    headers = {"X-Correlation-ID": ref("headers", "X-Correlation-ID")}
    if name in _RETRIED:
        headers["Retry-After"] = ref("headers", "Retry-After")
    if name == "TooManyRequests":
        headers |= {name: ref("headers", name) for name in ("RateLimit", "RateLimit-Policy")}
    return {
        "description": description,
        "headers": headers,
        "content": {
            MEDIA_TYPE: {"schema": ref("schemas", "ProblemDocument"), "examples": examples}
        },
    }


_PROBLEMS = PROBLEMS | CANCEL_PROBLEMS | ENDED_PROBLEMS | READING_PROBLEMS | BATCH_PROBLEMS
_PROBLEMS["Unavailable"] = (
    PROBLEMS["Unavailable"][0],
    PROBLEMS["Unavailable"][1] | UNAVAILABLE,
)
_RETRIED = RETRIED_PROBLEMS | {"Unavailable", "TooManyRequests"}
_PARAMETERS: Json = {
    "TaskId": {
        "name": "task_id",
        "in": "path",
        "required": True,
        "description": "From the answer to the submission.",
        "schema": {"type": "string", "format": "uuid"},
    },
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Makes retries safe: the same key and body give the same answer, "
        "also at the same time; another body is refused, and so is the key of an erased task.",
        "schema": {"type": "string", "pattern": "^[ -~]{1,255}$"},
    },
    "CorrelationId": {
        "name": "X-Correlation-ID",
        "in": "header",
        "description": "An id of your own to find this request by; stored with a submitted task.",
        "schema": {"type": "string", "pattern": "^[ -~]{1,128}$"},
    },
    "Traceparent": {
        "name": "traceparent",
        "in": "header",
        "description": "W3C trace context that the task continues.",
        "schema": {"type": "string"},
    },
}
_HEADERS: Json = {
    "Location": {
        "description": "Where to look at the task.",
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "Idempotency-Replayed": {
        "description": "`true` when an earlier request with this key had done what was asked for.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "X-Correlation-ID": {"description": "Of this request.", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}},
    "RateLimit": {
        "description": "What is left for this client (`r`), and the seconds until all of it is "
        "there again (`t`). On every answer where requests are limited.",
        "schema": {"type": "string", "examples": ['"client";r=19;t=1']},
    },
    "RateLimit-Policy": {
        "description": "What one client may ask for: `q` requests in `w` seconds.",
        "schema": {"type": "string", "examples": ['"client";q=20;w=2']},
    },
}

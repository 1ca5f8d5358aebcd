"""The part of the OpenAPI document about keys, where they are needed."""

from http import HTTPStatus
from typing import Any

from service.api.authentication import REALM
from service.api.examples import problem_example
from service.api.openapi_parts import Json, ref
from service.api.permissions import Needed, needed_for
from service.api.problems import MEDIA_TYPE

SCHEME = "key"
KEY_PROBLEMS: dict[str, tuple[str, dict[str, Any]]] = {
    "KeyRefused": (
        "There is no key, or it is refused: mistyped, unknown, revoked or expired.",
        problem_example(
            HTTPStatus.UNAUTHORIZED,
            "key-refused",
            "Key refused",
            "The key has expired. Whoever runs this service can make you another one.",
            errors=[
                {"field": "Authorization", "message": "must be Bearer and a valid key"},
            ],
        ),
    ),
    "NotPermitted": (
        "The key lacks the scope that this needs; `needed_scopes` names it.",
        problem_example(
            HTTPStatus.FORBIDDEN,
            "not-permitted",
            "Not permitted",
            "This needs a key with the scope submit; yours has read. Whoever runs this service "
            "can make you another one.",
            errors=[
                {"field": "Authorization", "message": "must be a key that permits this"},
            ],
            needed_scopes=["submit"],
        ),
    ),
}

TENANT_PROBLEMS: dict[str, Any] = problem_example(
    HTTPStatus.TOO_MANY_REQUESTS,
    "tenant-backlog-full",
    "Too many of your tasks wait",
    "Your tenant may have 250000 tasks that wait to be run, and no more are taken on. This request "
    "stored nothing; send it again when some of them have begun, or cancel some.",
    **{"violated-policies": ["backlog"]},
)
"""What limits of one tenant may answer, beside the limit of one client."""


def with_security(document: Json) -> Json:
    """Return a document that says of each operation which key it needs."""
    components = document["components"]
    return document | {
        "paths": {
            path: {
                method: _secured(operation, needed_for(method.upper(), path))
                for method, operation in operations.items()
            }
            for path, operations in document["paths"].items()
        },
        "components": components
        | {
            "securitySchemes": {SCHEME: _KEY},
            "responses": components["responses"]
            | {name: _problem(*parts) for name, parts in KEY_PROBLEMS.items()}
            | {"TooManyRequests": _too_many_requests(components["responses"])},
            "headers": components["headers"] | {"WWW-Authenticate": _CHALLENGE},
        },
    }


def _secured(operation: Json, needed: Needed | None) -> Json:
    if needed is None:
        return operation | {"security": []}
    responses = operation["responses"] | {
        "401": ref("responses", "KeyRefused"),
        "403": ref("responses", "NotPermitted"),
    }
    return operation | {
        "security": [{SCHEME: [scope]} for scope in sorted(needed.scopes)],
        "responses": dict(sorted(responses.items())),
    }


def _too_many_requests(responses: Json) -> Json:
    response: Json = responses["TooManyRequests"]
    content: Json = response["content"][MEDIA_TYPE]
    examples = content["examples"] | TENANT_PROBLEMS
    return response | {"content": {MEDIA_TYPE: content | {"examples": examples}}}


def _problem(description: str, examples: Json) -> Json:
    return {
        "description": description,
        "headers": {
            "X-Correlation-ID": ref("headers", "X-Correlation-ID"),
            "WWW-Authenticate": ref("headers", "WWW-Authenticate"),
        },
        "content": {
            MEDIA_TYPE: {"schema": ref("schemas", "ProblemDocument"), "examples": examples}
        },
    }


_KEY: Json = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "ketlog_…",
    "description": "A key from whoever runs this service. It belongs to one tenant and has scopes: "
    "`submit`, `read`, `audit`, `admin`.",
}
_CHALLENGE: Json = {
    "description": "That a key is needed, and what is wrong with the one that was sent.",
    "schema": {"type": "string", "examples": [f'{REALM}, error="invalid_token"']},
}

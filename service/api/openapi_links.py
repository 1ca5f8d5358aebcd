"""Links of the OpenAPI document: what can be asked about the task that an answer names."""

import re
from collections.abc import Iterator

from service.api.openapi_parts import Json

MADE = frozenset({"201", "202"})
"""Status codes of answers that name something new."""


def with_links(document: Json) -> Json:
    """Return the document with links from every answer that makes something to all it has.

    An answer with the member `task_id` is linked to every operation with that name in its path, and
    so on for other names.
    """
    parameters = {name for path in document["paths"] for name in _names(path)}
    return document | {
        "paths": {
            path: {
                method: _linked(operation, document, parameters)
                for method, operation in operations.items()
            }
            for path, operations in document["paths"].items()
        }
    }


def _linked(operation: Json, document: Json, parameters: set[str]) -> Json:
    responses = {
        status: _with_targets(answer, document, parameters) if status in MADE else answer
        for status, answer in operation["responses"].items()
    }
    return operation | {"responses": responses}


def _with_targets(answer: Json, document: Json, parameters: set[str]) -> Json:
    links = {
        target["operationId"]: {
            "operationId": target["operationId"],
            "parameters": {name: f"$response.body#/{name}"},
        }
        for name in sorted(parameters & _members(answer, document))
        for target in _targets(document, name)
    }
    return answer | {"links": links} if links else answer


def _targets(document: Json, name: str) -> Iterator[Json]:
    for path, operations in document["paths"].items():
        if _names(path) == {name}:
            yield from operations.values()


def _members(answer: Json, document: Json) -> set[str]:
    """Return what the JSON object of an answer may have."""
    schema: Json = answer.get("content", {}).get("application/json", {}).get("schema", {})
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return set(schema.get("properties", {}))


def _names(path: str) -> set[str]:
    return set(re.findall(r"{(\w+)}", path))

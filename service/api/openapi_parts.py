"""What the operations of the OpenAPI document are put together from."""

from typing import Any, TypeAlias

from pydantic import BaseModel

Json: TypeAlias = dict[str, Any]


def ref(kind: str, name: str) -> Json:
    """Return a reference to a component."""
    return {"$ref": f"#/components/{kind}/{name}"}


def json_content(model: type[BaseModel], examples: Json) -> Json:
    """Return the content of a body that a model describes."""
    content: Json = {"schema": ref("schemas", model.__name__)}
    if examples:
        content["examples"] = examples
    return {"application/json": content}


COMMON_PARAMETERS = [ref("parameters", "CorrelationId"), ref("parameters", "Traceparent")]
LOOKUP_PROBLEMS = {
    "400": ref("responses", "MalformedRequest"),
    "404": ref("responses", "NotFound"),
    "422": ref("responses", "InvalidRequest"),
    "429": ref("responses", "TooManyRequests"),
    "500": ref("responses", "InternalError"),
    "503": ref("responses", "Unavailable"),
}
"""What a question about one thing may meet."""

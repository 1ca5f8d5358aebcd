"""The schemas of the OpenAPI document, from the models."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from service.api.batch_models import Binding
from service.api.models import (
    PARAMETER_VALUE,
    CancelTask,
    Health,
    Probe,
    ProblemDocument,
    SubmitTask,
    TaskStatus,
    TaskSubmitted,
)
from service.api.openapi_audit import ANSWERS_WITH_ABSENT_FIELDS, AUDIT_MODELS
from service.api.openapi_batches import (
    BATCH_ANSWERS,
    BATCH_WITH_ABSENT_FIELDS,
    batch_bodies,
)
from service.api.openapi_list import LIST_MODELS, LIST_WITH_ABSENT_FIELDS
from service.api.openapi_parts import Json, ref
from service.api.openapi_queue import QUEUE_WITH_ABSENT_FIELDS, TaskQueuePlace
from service.api.openapi_reading import READING_MODELS, READING_WITH_ABSENT_FIELDS


def schemas(submission: type[SubmitTask]) -> Json:
    """Return the schemas by name.

    Args:
        submission: the model that validates bodies, with this installation's limits.
    """
    bodies = batch_bodies(submission)
    models: list[tuple[type[BaseModel], Any]] = [
        (submission, "validation"),
        (CancelTask, "validation"),
        (TaskSubmitted, "validation"),
        (TaskStatus, "validation"),
        (TaskQueuePlace, "validation"),
        *(
            (model, "validation")
            for model in (*AUDIT_MODELS, *READING_MODELS, *LIST_MODELS, *bodies, *BATCH_ANSWERS)
        ),
        (Health, "validation"),
        (Probe, "validation"),
        (ProblemDocument, "validation"),
    ]
    _names, schema = models_json_schema(models, ref_template="#/components/schemas/{model}")
    definitions: Json = schema["$defs"]
    _name_parameter_values(definitions)
    asks: list[type[BaseModel]] = [SubmitTask, CancelTask, Binding, *bodies]
    asked = {body.__name__ for body in asks}
    for name, definition in definitions.items():
        if name not in asked:
            # Answers may get more fields one day; clients must not be told otherwise.
            definition.pop("additionalProperties", None)
    for name in (
        "TaskStatus",
        *READING_WITH_ABSENT_FIELDS,
        *LIST_WITH_ABSENT_FIELDS,
        *BATCH_WITH_ABSENT_FIELDS,
        *QUEUE_WITH_ABSENT_FIELDS,
        "ProblemDocument",
        *ANSWERS_WITH_ABSENT_FIELDS,
    ):
        # A field that may be absent has no value then: the models' placeholders are not defaults.
        for field in definitions[name]["properties"].values():
            field.pop("default", None)
    return definitions


def _name_parameter_values(definitions: Json) -> None:
    """Make the schema of parameter values a component, which arrays of them refer to as well."""
    found: Json = {}

    def named(node: Any) -> Any:
        if isinstance(node, dict):
            if node.get("$comment") == PARAMETER_VALUE:
                found.update(node, title=PARAMETER_VALUE)
                found.pop("$comment")
                return ref("schemas", PARAMETER_VALUE)
            return {key: named(value) for key, value in node.items()}
        return [named(value) for value in node] if isinstance(node, list) else node

    for name in list(definitions):
        definitions[name] = named(definitions[name])
    for choice in found["anyOf"]:
        if choice["type"] == "array":
            choice["items"] = ref("schemas", PARAMETER_VALUE)
    definitions[PARAMETER_VALUE] = found

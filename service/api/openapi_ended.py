"""The part of the OpenAPI document about tasks that have ended: erasing and trying again."""

from http import HTTPStatus
from typing import Any

from service.api.examples import SUBMITTED, problem_example
from service.api.models import EXAMPLE_ID, TaskSubmitted
from service.api.openapi_parts import COMMON_PARAMETERS, LOOKUP_PROBLEMS, Json, json_content, ref

ENDED_PROBLEMS: dict[str, tuple[str, dict[str, Any]]] = {
    "TaskHasNotEnded": (
        "The task has not ended, as `current_status` says.",
        problem_example(
            HTTPStatus.CONFLICT,
            "task-has-not-ended",
            "Task has not ended",
            f"Task {EXAMPLE_ID} is pending; only a task that has ended can be erased. "
            f"Cancel it with POST /tasks/{EXAMPLE_ID}/cancel, or wait for its end.",
            task_id=EXAMPLE_ID,
            current_status="pending",
        ),
    ),
    "TaskErased": (
        "The contents of the task were erased.",
        problem_example(
            HTTPStatus.GONE,
            "task-erased",
            "Task erased",
            f"This key belongs to task {EXAMPLE_ID}, whose contents were erased: nobody can tell "
            "any more whether this is the request of then. To run the circuit again, use a new "
            "key.",
            task_id=EXAMPLE_ID,
            errors=[
                {"field": "Idempotency-Key", "message": "belongs to a task that was erased"},
            ],
        ),
    ),
}
ERASE: Json = {
    "operationId": "eraseTask",
    "tags": ["tasks"],
    "summary": "Erase a task's contents",
    "description": "Removes circuit, parameters, result and memory of a task that has ended, for "
    "good. What happened to the task stays on record, and all hashes and proofs stay valid. To "
    "erase twice does no harm.",
    "parameters": [ref("parameters", "TaskId"), *COMMON_PARAMETERS],
    "responses": {
        "204": {
            "description": "The contents are gone; `erased` says so with the task.",
            "headers": {"X-Correlation-ID": ref("headers", "X-Correlation-ID")},
        },
        "409": ref("responses", "TaskHasNotEnded"),
        **LOOKUP_PROBLEMS,
    },
}
RETRY: Json = {
    "operationId": "retryTask",
    "tags": ["tasks"],
    "summary": "Try a task again",
    "description": "Stores a new task with circuit, parameters, options, name, tags and priority "
    "of one that has ended, however it did. The new task names it as its `origin`, and starts as "
    "soon as it can. The request has no body.",
    "parameters": [
        ref("parameters", "TaskId"),
        ref("parameters", "IdempotencyKey"),
        *COMMON_PARAMETERS,
    ],
    "responses": {
        "202": {
            "description": "Stored. `Location` says where to look at the new task.",
            "headers": {
                "Location": ref("headers", "Location"),
                "Idempotency-Replayed": ref("headers", "Idempotency-Replayed"),
                "X-Correlation-ID": ref("headers", "X-Correlation-ID"),
            },
            "content": json_content(TaskSubmitted, SUBMITTED),
        },
        "400": ref("responses", "MalformedRequest"),
        "408": ref("responses", "RequestTimeout"),
        "409": ref("responses", "TaskHasNotEnded"),
        "410": ref("responses", "TaskErased"),
        "413": ref("responses", "BodyTooLarge"),
        **LOOKUP_PROBLEMS,
    },
}

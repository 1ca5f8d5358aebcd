"""The part of the OpenAPI document about cancelling."""

from http import HTTPStatus
from typing import Any

from service.api.examples import CANCELLED, problem_example
from service.api.models import EXAMPLE_ID, CancelTask, TaskStatus
from service.api.openapi_parts import COMMON_PARAMETERS, LOOKUP_PROBLEMS, Json, json_content, ref

CANCELLATIONS: dict[str, Any] = {
    "reason": {
        "summary": "With a reason",
        "value": {"reason": "the calibration was wrong"},
    }
}
CANCEL_PROBLEMS: dict[str, tuple[str, dict[str, Any]]] = {
    "TaskHasEnded": (
        "The task has ended, as `current_status` says: also when it was cancelled before.",
        problem_example(
            HTTPStatus.CONFLICT,
            "task-has-ended",
            "Task has ended",
            f"Task {EXAMPLE_ID} is completed and cannot be cancelled any more. "
            f"What came of it is at /tasks/{EXAMPLE_ID}.",
            task_id=EXAMPLE_ID,
            current_status="completed",
        ),
    ),
}


def _cancel() -> Json:
    return {
        "operationId": "cancelTask",
        "tags": ["tasks"],
        "summary": "Cancel a task",
        "description": "Ends a task that has not ended and answers with it. A run is stopped "
        "within a second; nothing of it is kept. With an `Idempotency-Key` the retry of a "
        "cancellation gets the same answer again, without one 409.",
        "parameters": [
            ref("parameters", "TaskId"),
            ref("parameters", "IdempotencyKey"),
            *COMMON_PARAMETERS,
        ],
        "requestBody": {"required": False, "content": json_content(CancelTask, CANCELLATIONS)},
        "responses": {
            "200": {
                "description": "The task, cancelled.",
                "headers": {
                    "Idempotency-Replayed": ref("headers", "Idempotency-Replayed"),
                    "X-Correlation-ID": ref("headers", "X-Correlation-ID"),
                },
                "content": json_content(TaskStatus, CANCELLED),
            },
            "400": ref("responses", "MalformedRequest"),
            "408": ref("responses", "RequestTimeout"),
            "409": ref("responses", "TaskHasEnded"),
            "413": ref("responses", "BodyTooLarge"),
            "415": ref("responses", "UnsupportedMediaType"),
            **LOOKUP_PROBLEMS,
        },
    }


CANCEL_PATHS: Json = {"/tasks/{task_id}/cancel": {"post": _cancel()}}

"""The part of the OpenAPI document about batches and sweeps."""

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from domain.batches import MAX_BATCH_TASKS
from service.api.batch_body import MAX_BATCH_BYTES
from service.api.batch_models import (
    BATCH_CANCELLED,
    BATCH_RUNNING,
    BATCH_SUBMITTED,
    BATCHES,
    EXAMPLE_BATCH_ID,
    SWEEPS,
    BatchStatus,
    BatchSubmitted,
    submitted_batch,
    submitted_sweep,
)
from service.api.examples import problem_example
from service.api.models import CancelTask, SubmitTask
from service.api.openapi_cancel import CANCELLATIONS
from service.api.openapi_parts import COMMON_PARAMETERS, LOOKUP_PROBLEMS, Json, json_content, ref

BATCH_PROBLEMS: dict[str, tuple[str, dict[str, Any]]] = {
    "InvalidBatch": (
        "Some tasks, or the batch itself, cannot be taken, and nothing was stored; or the "
        "Idempotency-Key belongs to another batch.",
        problem_example(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "invalid-request",
            "Invalid request",
            "1 of 2 tasks cannot be taken, and nothing was stored. Correct them and send all of it "
            "again.",
            errors=[
                {
                    "field": "tasks.1.shots",
                    "message": "Input should be greater than or equal to 1",
                }
            ],
        ),
    ),
    "NoSuchBatch": (
        "There is no such batch.",
        problem_example(
            HTTPStatus.NOT_FOUND,
            "no-such-batch",
            "Batch not found",
            f"There is no batch {EXAMPLE_BATCH_ID}. Its id is in the answer to its submission.",
            errors=[{"field": "batch_id", "message": "is not the id of any batch"}],
        ),
    ),
}
BATCH_PARAMETERS: Json = {
    "BatchId": {
        "name": "batch_id",
        "in": "path",
        "required": True,
        "description": "From the answer to the submission of the batch.",
        "schema": {"type": "string", "format": "uuid"},
    },
}
BATCH_ANSWERS: tuple[type[BaseModel], ...] = (BatchSubmitted, BatchStatus)
BATCH_WITH_ABSENT_FIELDS = (BatchStatus.__name__,)
_SIZES = (
    f"At most {MAX_BATCH_TASKS} of them, in a body of at most {MAX_BATCH_BYTES} bytes. All of them "
    "are stored in one transaction, or none."
)


def batch_bodies(task: type[SubmitTask]) -> tuple[type[BaseModel], ...]:
    """Return the models of the bodies.

    Args:
        task: the model that validates one task, with this installation's limits.
    """
    return submitted_batch(task), submitted_sweep(task)


def _submit(operation: str, summary: str, description: str, body: str, examples: Json) -> Json:
    return {
        "operationId": operation,
        "tags": ["batches"],
        "summary": summary,
        "description": f"{description} {_SIZES}",
        "parameters": [ref("parameters", "IdempotencyKey"), *COMMON_PARAMETERS],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": ref("schemas", body), "examples": examples}},
        },
        "responses": {
            "202": {
                "description": "Stored. `Location` says where to look at the batch.",
                "headers": {
                    "Location": ref("headers", "Location"),
                    "Idempotency-Replayed": ref("headers", "Idempotency-Replayed"),
                    "X-Correlation-ID": ref("headers", "X-Correlation-ID"),
                },
                "content": json_content(BatchSubmitted, BATCH_SUBMITTED),
            },
            "400": ref("responses", "MalformedRequest"),
            "408": ref("responses", "RequestTimeout"),
            "410": ref("responses", "TaskErased"),
            "413": ref("responses", "BodyTooLarge"),
            "415": ref("responses", "UnsupportedMediaType"),
            "422": ref("responses", "InvalidBatch"),
            "429": ref("responses", "TooManyRequests"),
            "500": ref("responses", "InternalError"),
            "503": ref("responses", "Unavailable"),
        },
    }


def _status() -> Json:
    return {
        "operationId": "getBatch",
        "tags": ["batches"],
        "summary": "Look at a batch",
        "description": "How many of its tasks have each status, since when, and the first that "
        "failed.",
        "parameters": [ref("parameters", "BatchId"), *COMMON_PARAMETERS],
        "responses": {
            "200": _answer("The batch.", BATCH_RUNNING),
            **LOOKUP_PROBLEMS,
            "404": ref("responses", "NoSuchBatch"),
        },
    }


def _cancel() -> Json:
    return {
        "operationId": "cancelBatch",
        "tags": ["batches"],
        "summary": "Cancel a batch",
        "description": "Cancels those of its tasks that have not ended, and answers with how the "
        "batch stands then. To cancel it twice does no harm.",
        "parameters": [ref("parameters", "BatchId"), *COMMON_PARAMETERS],
        "requestBody": {"required": False, "content": json_content(CancelTask, CANCELLATIONS)},
        "responses": {
            "200": _answer("The batch, all of whose tasks have ended.", BATCH_CANCELLED),
            "400": ref("responses", "MalformedRequest"),
            "408": ref("responses", "RequestTimeout"),
            "413": ref("responses", "BodyTooLarge"),
            "415": ref("responses", "UnsupportedMediaType"),
            **LOOKUP_PROBLEMS,
            "404": ref("responses", "NoSuchBatch"),
        },
    }


def _answer(description: str, examples: Json) -> Json:
    return {
        "description": description,
        "headers": {"X-Correlation-ID": ref("headers", "X-Correlation-ID")},
        "content": json_content(BatchStatus, examples),
    }


BATCH_PATHS: Json = {
    "/tasks:batch": {
        "post": _submit(
            "submitBatch",
            "Submit many circuits",
            "Stores tasks under one batch id and answers once they are durable.",
            "SubmitBatch",
            BATCHES,
        )
    },
    "/tasks:sweep": {
        "post": _submit(
            "submitSweep",
            "Submit a circuit with many parameters",
            "Stores a task for each binding of the circuit's `input` declarations, under one batch "
            "id. Each task keeps a copy of the circuit.",
            "SubmitSweep",
            SWEEPS,
        )
    },
    "/batches/{batch_id}": {"get": _status()},
    "/batches/{batch_id}/cancel": {"post": _cancel()},
}

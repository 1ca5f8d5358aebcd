"""Examples for the OpenAPI document. The tests hold each against its model."""

from http import HTTPStatus
from typing import Any

from service.api.models import (
    EXAMPLE_CORRELATION_ID,
    EXAMPLE_ID,
    QUICKSTART_CIRCUIT,
)
from service.api.problems import TYPE_PREFIX


def problem_example(
    status: int, kind: str, title: str, detail: str, **members: Any
) -> dict[str, Any]:
    """Return an example of a problem document, under the name of its kind."""
    return {
        kind: {
            "summary": title,
            "value": {
                "type": TYPE_PREFIX + kind,
                "title": title,
                "status": int(status),
                "detail": detail,
                "correlation_id": EXAMPLE_CORRELATION_ID,
                **members,
            },
        }
    }


SUBMISSIONS: dict[str, Any] = {
    "quickstart": {
        "summary": "One qubit, all defaults",
        "value": {"circuit": QUICKSTART_CIRCUIT},
    },
    "bell": {
        "summary": "A Bell pair, repeatable, with the outcome of every shot",
        "value": {
            "circuit": 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[2] q;\nbit[2] c;\n'
            "h q[0];\ncx q[0], q[1];\nc = measure q;\n",
            "shots": 2000,
            "seed": 7,
            "memory": True,
        },
    },
    "parameters": {
        "summary": "A rotation with an input parameter",
        "value": {
            "circuit": 'OPENQASM 3.0;\ninclude "stdgates.inc";\ninput float theta;\n'
            "qubit q;\nbit c;\nrx(theta) q;\nc = measure q;\n",
            "shots": 4096,
            "parameters": {"theta": 1.5707963},
        },
    },
    "labels": {
        "summary": "A task that is easy to find again, is urgent, and starts tonight",
        "value": {
            "circuit": QUICKSTART_CIRCUIT,
            "name": "a coin toss",
            "tags": {"device": "north", "run": "7"},
            "priority": "high",
            "not_before": "2025-12-28T22:00:00Z",
        },
    },
    "openqasm2": {
        "summary": "OpenQASM 2",
        "value": {
            "circuit": 'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[3];\ncreg c[3];\n'
            "h q[0];\ncx q[0],q[1];\ncx q[1],q[2];\nmeasure q -> c;\n",
        },
    },
}
SUBMITTED: dict[str, Any] = {
    "submitted": {
        "summary": "Stored",
        "value": {
            "task_id": EXAMPLE_ID,
            "submitted_at": "2025-12-28T14:30:00.123Z",
            "message": "Task submitted successfully.",
            "correlation_id": EXAMPLE_CORRELATION_ID,
        },
    }
}
_CREATED = {
    "status": "pending",
    "transitioned_at": "2025-12-28T14:30:00.123Z",
    "notes": "Task created",
}
_STARTED = {
    "status": "processing",
    "transitioned_at": "2025-12-28T14:30:00.131Z",
    "notes": "Worker started processing",
}
PENDING: dict[str, Any] = {
    "scheduled": {
        "summary": "Waiting for its time",
        "value": {
            "task_id": EXAMPLE_ID,
            "status": "pending",
            "submitted_at": "2025-12-28T14:30:00.123Z",
            "status_history": [_CREATED],
            "correlation_id": EXAMPLE_CORRELATION_ID,
            "shots": 1024,
            "attempt": 0,
            "version": 1,
            "name": "a coin toss",
            "tags": {"device": "north", "run": "7"},
            "priority": "high",
            "not_before": "2025-12-28T22:00:00.000Z",
        },
    },
    "pending": {
        "summary": "Waiting for a worker",
        "value": {
            "task_id": EXAMPLE_ID,
            "status": "pending",
            "submitted_at": "2025-12-28T14:30:00.123Z",
            "status_history": [_CREATED],
            "correlation_id": EXAMPLE_CORRELATION_ID,
            "shots": 1024,
            "attempt": 0,
            "version": 1,
        },
    },
}
COMPLETED: dict[str, Any] = {
    "completed": {
        "summary": "Completed",
        "value": {
            "task_id": EXAMPLE_ID,
            "status": "completed",
            "submitted_at": "2025-12-28T14:30:00.123Z",
            "started_at": "2025-12-28T14:30:00.131Z",
            "completed_at": "2025-12-28T14:30:00.142Z",
            "result": {"0": 517, "1": 507},
            "status_history": [
                _CREATED,
                _STARTED,
                {
                    "status": "completed",
                    "transitioned_at": "2025-12-28T14:30:00.142Z",
                    "notes": "Task completed successfully",
                },
            ],
            "correlation_id": EXAMPLE_CORRELATION_ID,
            "shots": 1024,
            "attempt": 1,
            "version": 3,
            "execution": {"seed": 5243114187126443811, "method": "stabilizer"},
        },
    }
}
FAILED: dict[str, Any] = {
    "failed": {
        "summary": "Failed",
        "value": {
            "task_id": EXAMPLE_ID,
            "status": "failed",
            "submitted_at": "2025-12-28T14:30:00.123Z",
            "started_at": "2025-12-28T14:30:00.131Z",
            "completed_at": "2025-12-28T14:30:00.142Z",
            "status_history": [
                _CREATED,
                _STARTED,
                {
                    "status": "failed",
                    "transitioned_at": "2025-12-28T14:30:00.142Z",
                    "notes": "Task failed: parse_error",
                },
            ],
            "correlation_id": EXAMPLE_CORRELATION_ID,
            "shots": 1024,
            "attempt": 1,
            "version": 3,
            "error_code": "parse_error",
            "error_message": "line 1, column 5: a semicolon is missing",
        },
    }
}
CANCELLED: dict[str, Any] = {
    "cancelled": {
        "summary": "Cancelled while it ran",
        "value": {
            "task_id": EXAMPLE_ID,
            "status": "cancelled",
            "submitted_at": "2025-12-28T14:30:00.123Z",
            "started_at": "2025-12-28T14:30:00.131Z",
            "completed_at": "2025-12-28T14:30:07.000Z",
            "status_history": [
                _CREATED,
                _STARTED,
                {
                    "status": "cancelled",
                    "transitioned_at": "2025-12-28T14:30:07.000Z",
                    "notes": "Task cancelled",
                },
            ],
            "correlation_id": EXAMPLE_CORRELATION_ID,
            "shots": 1024,
            "attempt": 1,
            "version": 3,
            "cancel_reason": "the calibration was wrong",
        },
    }
}
_BEFORE: dict[str, Any] = COMPLETED["completed"]["value"]
ERASED: dict[str, Any] = {
    "erased": {
        "summary": "Completed, and erased later",
        "value": {
            **{name: value for name, value in _BEFORE.items() if name != "result"},
            "version": 4,
            "erased": ["circuit", "result"],
            "erased_at": "2026-01-31T09:00:00.000Z",
        },
    }
}
HEALTHY: dict[str, Any] = {
    "healthy": {
        "summary": "All is well",
        "value": {
            "status": "healthy",
            "database_status": "connected",
            "queue_status": "connected",
            "timestamp": "2025-12-28T14:30:00Z",
        },
    },
    "degraded": {
        "summary": "The queue is away",
        "value": {
            "status": "degraded",
            "database_status": "connected",
            "queue_status": "disconnected",
            "timestamp": "2025-12-28T14:30:00Z",
        },
    },
    "blocked": {
        "summary": "The queue lacks memory or disk",
        "value": {
            "status": "degraded",
            "database_status": "connected",
            "queue_status": "blocked",
            "timestamp": "2025-12-28T14:30:00Z",
        },
    },
    "failing": {
        "summary": "The database's disk is full",
        "value": {
            "status": "unhealthy",
            "database_status": "failing",
            "queue_status": "connected",
            "timestamp": "2025-12-28T14:30:00Z",
        },
    },
}
PROBLEMS: dict[str, tuple[str, dict[str, Any]]] = {
    "MalformedRequest": (
        "The body is no JSON, or a header cannot be used.",
        problem_example(
            HTTPStatus.BAD_REQUEST,
            "malformed-json",
            "Malformed JSON",
            "The body is not valid JSON: expected value at line 1 column 13.",
            errors=[{"field": "body", "message": "must be a JSON object in UTF-8"}],
        ),
    ),
    "NotFound": (
        "There is no such task.",
        problem_example(
            HTTPStatus.NOT_FOUND,
            "no-such-task",
            "Task not found",
            f"There is no task {EXAMPLE_ID}. Its id is in the answer to the submission.",
            errors=[{"field": "task_id", "message": "is not the id of any task"}],
        ),
    ),
    "RequestTimeout": (
        "The body did not arrive in time.",
        problem_example(
            HTTPStatus.REQUEST_TIMEOUT,
            "request-timeout",
            "Request timeout",
            "The body did not arrive within 10 s. Send it again.",
        ),
    ),
    "BodyTooLarge": (
        "The body is larger than any acceptable one.",
        problem_example(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "body-too-large",
            "Body too large",
            "A circuit may have 1048576 bytes, and the whole body 65536 more.",
            errors=[{"field": "circuit", "message": "must have at most 1048576 bytes"}],
        ),
    ),
    "UnsupportedMediaType": (
        "The body does not say that it is JSON.",
        problem_example(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            "Unsupported media type",
            "Send JSON with the header Content-Type: application/json.",
            errors=[{"field": "Content-Type", "message": "must be application/json"}],
        ),
    ),
    "InvalidRequest": (
        "Fields are missing, unknown or out of range, or the key was used for another body.",
        problem_example(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "invalid-request",
            "Invalid request",
            "Correct these fields and send it again: shots.",
            errors=[
                {"field": "shots", "message": "Input should be greater than or equal to 1"},
            ],
        )
        | problem_example(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "idempotency-key-reused",
            "Idempotency-Key reused",
            f"This key belongs to task {EXAMPLE_ID}, which was submitted with another body. "
            "Repeat that body, or use a new key.",
            task_id=EXAMPLE_ID,
            errors=[{"field": "Idempotency-Key", "message": "was used with another body"}],
        ),
    ),
    "InternalError": (
        "A fault of the service.",
        problem_example(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "internal-error",
            "Internal error",
            "This is a fault of the service, not of the request. "
            "Its log has the details under the correlation id.",
        ),
    ),
    "TooManyRequests": (
        "This client asks too often (where the service limits that). Try again after "
        "`Retry-After` seconds.",
        problem_example(
            HTTPStatus.TOO_MANY_REQUESTS,
            "rate-limited",
            "Too many requests",
            "One client may make 10 requests a second here, and 20 at once. Send it again in 1 s.",
            **{"violated-policies": ["client"]},
        ),
    ),
    "Unavailable": (
        "Something the service needs is away, or it has too much to do. Try again after "
        "`Retry-After` seconds.",
        problem_example(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "store-unavailable",
            "The task store is away",
            "PostgreSQL cannot be reached, so nothing was stored. Send the request again.",
        )
        | problem_example(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "outcome-unknown",
            "The outcome is not known",
            "The connection to PostgreSQL broke while the task was being stored. "
            "Send the request again with the same Idempotency-Key.",
            outcome="unknown",
            task_id=EXAMPLE_ID,
        )
        | problem_example(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "backlog-full",
            "Too many tasks wait",
            "1000000 tasks wait to be run already, and no more are taken on. "
            "This request stored nothing; send it again later.",
        ),
    ),
}

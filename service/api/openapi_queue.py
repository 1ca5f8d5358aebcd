"""The part of the OpenAPI document about places in the line."""

from typing import Any

from pydantic import BaseModel, Field

from domain.status import Status
from domain.waiting import COUNTED_AHEAD, WaitReason
from service.api.models import EXAMPLE_ID, Moment, TaskId
from service.api.openapi_parts import COMMON_PARAMETERS, LOOKUP_PROBLEMS, Json, json_content, ref
from service.api.queue_place import SAID


class TaskQueuePlace(BaseModel):
    """How a task stands in the line. Only a pending one has more than a status."""

    task_id: TaskId
    status: Status
    position: int = Field(
        default=0,
        ge=1,
        description="Its place among your tasks that no worker has taken, from 1. Beyond "
        f"{COUNTED_AHEAD} nobody counts.",
    )
    reason: WaitReason = Field(
        default=WaitReason.TURN,
        description="What it waits for. "
        + " ".join(f"`{key}`: {text}" for key, text in SAID.items()),
    )
    detail: str = Field(default="", description="The reason in words.")
    estimated_start: Moment = Field(
        default="",
        description="When it starts if tasks go on to begin as fast as within the last minute. "
        "Absent where none began or dispatch is paused.",
    )


QUEUE_WITH_ABSENT_FIELDS = (TaskQueuePlace.__name__,)
_EXAMPLES: dict[str, Any] = {
    "turn": {
        "summary": "It waits for its turn",
        "value": {
            "task_id": EXAMPLE_ID,
            "status": "pending",
            "position": 3211,
            "reason": "turn",
            "detail": SAID[WaitReason.TURN],
            "estimated_start": "2025-12-28T14:30:09.000Z",
        },
    },
    "over": {
        "summary": "It does not wait any more",
        "value": {"task_id": EXAMPLE_ID, "status": "processing"},
    },
}
QUEUE_PLACE: Json = {
    "operationId": "getQueuePlace",
    "tags": ["tasks"],
    "summary": "See why a task waits",
    "description": "Its place among your waiting tasks, what it waits for, and an estimate of when "
    "it starts. Tasks of higher priority that come later may pass it.",
    "parameters": [ref("parameters", "TaskId"), *COMMON_PARAMETERS],
    "responses": {
        "200": {
            "description": "The place; of a task that does not wait, its status alone.",
            "headers": {"X-Correlation-ID": ref("headers", "X-Correlation-ID")},
            "content": json_content(TaskQueuePlace, _EXAMPLES),
        },
        **LOOKUP_PROBLEMS,
    },
}

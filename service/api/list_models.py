"""A page of tasks, as clients get it."""

from pydantic import BaseModel, ConfigDict, Field

from domain.labels import Priority
from domain.status import Status
from service.api.labels import Name, Tags
from service.api.models import (
    EXAMPLE_CORRELATION_ID,
    EXAMPLE_ID,
    CorrelationId,
    Moment,
    TaskId,
)


class ListedTask(BaseModel):
    """A task in a list: the fields that were asked for, as far as they have a value."""

    model_config = ConfigDict(extra="forbid")

    task_id: TaskId = ""
    status: Status = Status.PENDING
    submitted_at: Moment = ""
    started_at: Moment = Field(default="", description="When the current or last attempt began.")
    completed_at: Moment = Field(default="", description="When the task ended, however it did.")
    correlation_id: CorrelationId = ""
    shots: int = 0
    attempt: int = Field(default=0, description="The current or last attempt; 0 before the first.")
    version: int = Field(default=0, description="How many events the task's history has.")
    name: Name = ""
    tags: Tags = {}
    priority: Priority = Priority.NORMAL
    not_before: Moment = ""
    batch_id: TaskId = Field(default="", description="What it was submitted together with.")
    origin: TaskId = Field(default="", description="The task that this one tries again.")
    error_code: str = Field(default="", description="Why it failed, for programs.")
    error_message: str = Field(default="", description="Why it failed.")
    result: dict[str, int] = Field(
        default={}, description="The counts, if they were asked for; absent without any."
    )
    circuit: str = Field(default="", description="Its text, if it was asked for.")


class TaskList(BaseModel):
    """A page of tasks, newest first. It may be empty and still have a `next`."""

    model_config = ConfigDict(extra="forbid")

    tasks: list[ListedTask]
    next: str = Field(
        default="",
        description="Where the next page is; absent on the last. Also in `Link`.",
        json_schema_extra={"format": "uri-reference"},
    )


LISTS = {
    "page": {
        "summary": "The newest tasks of a run",
        "value": {
            "tasks": [
                {
                    "task_id": EXAMPLE_ID,
                    "status": "completed",
                    "submitted_at": "2025-12-28T14:30:00.123Z",
                    "started_at": "2025-12-28T14:30:00.131Z",
                    "completed_at": "2025-12-28T14:30:00.142Z",
                    "correlation_id": EXAMPLE_CORRELATION_ID,
                    "shots": 1024,
                    "attempt": 1,
                    "version": 3,
                    "name": "a Bell pair",
                    "tags": {"device": "north", "run": "7"},
                }
            ],
            "next": "/tasks?tag=run%3A7&limit=1&cursor=AQAGRwNY3AC4AZtlIGxbfTqKUT8rbw",
        },
    },
    "chosen": {
        "summary": "fields=task_id,status",
        "value": {"tasks": [{"task_id": EXAMPLE_ID, "status": "failed"}]},
    },
}

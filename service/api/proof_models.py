"""A task's proof, as the OpenAPI document describes it. `docs/audit.md` says how it is checked."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, Field

from service.api.models import EXAMPLE_ID, TaskId

Hash: TypeAlias = Annotated[
    str, Field(pattern="^[0-9a-f]{64}$", description="32 bytes in hexadecimal.")
]


class ProvedEvent(BaseModel):
    """An event as it was stored, and where it is in the tree."""

    event_id: TaskId
    version: int
    type: str = Field(examples=["TaskSubmitted"])
    schema_version: int
    recorded_at: str = Field(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$",
        description="RFC 3339, UTC, microseconds.",
    )
    metadata: str = Field(description="JSON text, exactly as the hash covers it.")
    data: str = Field(description="JSON text, exactly as the hash covers it.")
    hash: Hash
    leaf: int | None = Field(
        description="Number of its leaf; null while it is under no checkpoint."
    )
    inclusion: list[Hash] = Field(default=[], description="Proof from the leaf to the root.")


class ProvedContent(BaseModel):
    """What is kept beside the events."""

    kind: Literal["circuit", "parameters", "result", "memory"]
    salt: Hash
    body: str = Field(description="Base64.")


class Consistency(BaseModel):
    """That the tree continues an earlier one."""

    since: int
    proof: list[Hash]


class TaskProof(BaseModel):
    """Everything that it takes to check a task offline, with the log's public key."""

    format: Literal["ketlog.proof.1"]
    task_id: TaskId
    events: list[ProvedEvent]
    contents: list[ProvedContent] = Field(default=[], description="If they were asked for.")
    checkpoint: str | None = Field(
        description="The latest signed checkpoint (C2SP tlog-checkpoint); null if there is none."
    )
    consistency: Consistency = Field(
        default=Consistency(since=1, proof=[]), description="If an earlier size was given."
    )


PROVED: dict[str, Any] = {
    "sealed": {
        "summary": "One event under a checkpoint over two",
        "value": {
            "format": "ketlog.proof.1",
            "task_id": EXAMPLE_ID,
            "events": [
                {
                    "event_id": "019b6520-6c5c-7000-8000-000000000001",
                    "version": 1,
                    "type": "TaskSubmitted",
                    "schema_version": 1,
                    "recorded_at": "2026-01-01T00:00:01.000001Z",
                    "metadata": '{"actor":"api"}',
                    "data": '{"circuit":{"hmac":"43c2…","size":6}}',
                    "hash": "cf2ee2eb78a2f5db656b7b0bb4e9a4f9861f87b601b83a096af64a8511d587da",
                    "leaf": 0,
                    "inclusion": [
                        "bed71fbeae813205b81185f64a0f357e3f52667d7875a0516e1a5cac474b9778"
                    ],
                }
            ],
            "checkpoint": "ketlog\n2\nGExXzM3FwjpAGDz…=\n\n— ketlog G3kJXZcNwD3oZww6…=\n",
        },
    }
}

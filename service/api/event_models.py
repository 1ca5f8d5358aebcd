"""Answers about what happened, as the OpenAPI document describes them."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, Field

from service.api.models import EXAMPLE_CORRELATION_ID, EXAMPLE_ID, CorrelationId, TaskId
from service.api.proof_models import Hash

_EVENT_ID = "019b6520-6c5c-7000-8000-000000000001"
_METADATA = (
    f'{{"correlation_id":"{EXAMPLE_CORRELATION_ID}","causation_id":null,'
    '"traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00","actor":"api"}'
)
Number: TypeAlias = Annotated[str, Field(pattern=r"^\d+$")]


class CloudEvent(BaseModel):
    """An event of the log as a CloudEvent 1.0; attributes without a value are absent."""

    specversion: Literal["1.0"]
    id: TaskId
    source: Literal["/events"]
    type: str = Field(examples=["TaskSubmitted"])
    subject: TaskId = Field(description="The task.")
    time: str = Field(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$",
        json_schema_extra={"format": "date-time"},
        description="When it was recorded, by the database's clock, in microseconds.",
    )
    datacontenttype: Literal["application/json"]
    taskversion: int = Field(ge=1, description="1, 2, 3, … within the task.")
    schemaversion: int = Field(ge=1, description="Of the data.")
    correlationid: CorrelationId = ""
    causationid: TaskId = Field(default="", description="The event that this one answers to.")
    traceparent: str = Field(default="", description="W3C trace context.")
    actor: str = Field(default="", description="Who did it.", examples=["worker/worker-1"])
    metadata: str = Field(description="JSON text, exactly as the hash covers it.")
    xid: Number = Field(description="The writing transaction; orders the log with `position`.")
    position: Number
    hash: Hash = Field(description="Covers this event and, through the one before it, all before.")
    leaf: Number = Field(default="", description="Its number in the Merkle tree, once sealed.")
    erased: str = Field(
        default="",
        description="What the event commits to and is not there any more, separated by commas.",
        examples=["circuit,parameters"],
    )
    data: Any = Field(
        default=None, description="What happened; circuits and results only as commitments."
    )
    data_base64: str = Field(
        default="", description="Instead of `data`, where that has ends of lines in it."
    )


class EventPage(BaseModel):
    """Events in their order, and where to go on."""

    events: list[CloudEvent]
    cursor: str = Field(description="Hand it back as `after` to see what follows, now or later.")
    next: str = Field(
        default="",
        description="Path of the next page; absent once everything that is there was shown. "
        "A page may be empty and still have a next one: a filter left all of it out.",
    )


PAGES: dict[str, Any] = {
    "submitted": {
        "summary": "A task that was submitted",
        "value": {
            "events": [
                {
                    "specversion": "1.0",
                    "id": _EVENT_ID,
                    "source": "/events",
                    "type": "TaskSubmitted",
                    "subject": EXAMPLE_ID,
                    "time": "2025-12-28T14:30:00.123456Z",
                    "datacontenttype": "application/json",
                    "taskversion": 1,
                    "schemaversion": 2,
                    "correlationid": EXAMPLE_CORRELATION_ID,
                    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
                    "actor": "api",
                    "metadata": _METADATA,
                    "xid": "745",
                    "position": "12",
                    "hash": "cf2ee2eb78a2f5db656b7b0bb4e9a4f9861f87b601b83a096af64a8511d587da",
                    "leaf": "11",
                    "data": {
                        "options": {
                            "shots": 1024,
                            "seed": None,
                            "method": "automatic",
                            "memory": False,
                            "timeout_seconds": None,
                            "measure_all": False,
                        },
                        "circuit": {"hmac": "abab" * 16, "size": 36},
                        "parameters": None,
                    },
                }
            ],
            "cursor": "1",
        },
    }
}

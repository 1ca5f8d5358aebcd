"""The part of the OpenAPI document about live reading."""

from http import HTTPStatus
from typing import Any

from domain.cloudevents import SOURCE
from service.api.examples import problem_example
from service.api.live.last_event_id import HEADER, PARAMETER
from service.api.live.patience import MAX_WAIT_SECONDS
from service.api.live.sse import MEDIA_TYPE, End, end_frame, place_frame, retry_frame
from service.api.models import EXAMPLE_ID
from service.api.openapi_parts import COMMON_PARAMETERS, LOOKUP_PROBLEMS, Json, ref
from service.api.parameters import CURSOR_PATTERN

_DATA = (
    f'{{"specversion":"1.0","id":"019b6520-6c5d-7a20-9c33-7d1a3c5e0b21","source":"{SOURCE}",'
    f'"type":"TaskCompleted","subject":"{EXAMPLE_ID}","time":"2025-12-28T14:30:00.142317Z",…}}'
)
_PLACE = "AQAAAAAAAALpAAAAAAAAAAw"


def _stream(description: str, *frames: bytes, event_id: str) -> Json:
    """Return an answer that is a stream.

    Args:
        frames: how it may look, shown as it comes.
        event_id: an example of an event's id.
    """
    shown = b"".join(frames).decode().replace("\n", "\n    ")
    return {
        "description": f"{description} As it comes:\n\n    {shown}",
        "headers": {"X-Correlation-ID": ref("headers", "X-Correlation-ID")},
        "content": {
            MEDIA_TYPE: {
                "schema": _SSE,
                "examples": {
                    "event": {
                        "summary": "The fields of one event",
                        "value": {"id": event_id, "event": "message", "data": _DATA},
                    }
                },
            }
        },
    }


def _frame(event_id: str) -> bytes:
    return f"id: {event_id}\ndata: {_DATA}\n\n".encode()


_SSE: Json = {
    "type": "object",
    "description": "One event of the stream: its fields, as the HTML standard defines them.",
    "properties": {
        "id": {"type": "string"},
        "event": {"type": "string", "enum": ["message", "end"], "default": "message"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {
                "anyOf": [
                    ref("schemas", "CloudEvent"),
                    {
                        "type": "object",
                        "description": "Of `end`: why the service closes the stream.",
                        "properties": {
                            "reason": {"type": "string", "enum": [end.value for end in End]},
                            "detail": {"type": "string"},
                        },
                        "required": ["reason", "detail"],
                    },
                ]
            },
        },
    },
    "required": ["data"],
}


def _task_stream() -> Json:
    return {
        "operationId": "streamTask",
        "tags": ["tasks"],
        "summary": "Follow a task to its end",
        "description": "Server-Sent Events: everything that has happened to the task, then what "
        "happens, until it has ended. `id` is the version; with `Last-Event-ID` only what is "
        "behind it comes. Who knows the end already gets 204, which tells browsers to stop.",
        "parameters": [
            ref("parameters", "TaskId"),
            ref("parameters", "LastVersion"),
            ref("parameters", "LastVersionHeader"),
            *COMMON_PARAMETERS,
        ],
        "responses": {
            "200": _stream(
                "The task's events.",
                retry_frame(1000),
                _frame("3"),
                end_frame(End.TASK_ENDED),
                event_id="3",
            ),
            "204": {"description": "The event with this id has ended the task: nothing follows."},
            **LOOKUP_PROBLEMS,
        },
    }


def _log_stream() -> Json:
    return {
        "operationId": "streamEvents",
        "tags": ["audit"],
        "summary": "Follow everything that happens",
        "description": "Server-Sent Events: what happens from now on, or with `Last-Event-ID` "
        "everything behind it, without a gap. `id` is a place in the log; the `cursor` of "
        "`GET /events` is one too. An `id` without `data` only says how far the log was read. "
        "The stream is closed now and then, with an event named `end` that has the reason: "
        "connect again with `Last-Event-ID`, as browsers do by themselves.",
        "parameters": [
            ref("parameters", name)
            for name in ("Type", "OfCorrelation", "LastPlace", "LastPlaceHeader")
        ]
        + COMMON_PARAMETERS,
        "responses": {
            "200": _stream(
                "What happens.",
                retry_frame(1000),
                place_frame(_PLACE),
                _frame(_PLACE),
                end_frame(End.SHUTTING_DOWN),
                event_id=_PLACE,
            ),
            **{code: answer for code, answer in LOOKUP_PROBLEMS.items() if code != "404"},
        },
    }


def _last(where: str, name: str, description: str, **schema: object) -> Json:
    return {"name": name, "in": where, "description": description, "schema": schema}


_VERSION: Json = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}
_VERSION_OR_NONE: Json = {"anyOf": [_VERSION, {"type": "string", "maxLength": 0}]}
_CURSOR: Json = {"type": "string", "pattern": CURSOR_PATTERN, "examples": [_PLACE]}
_CURSOR_OR_NONE: Json = _CURSOR | {"pattern": f"^$|{CURSOR_PATTERN}"}
_ALSO = "As the header, for clients that cannot set it; the header wins."

LIVE_PATHS: Json = {
    "/tasks/{task_id}/stream": {"get": _task_stream()},
    "/stream": {"get": _log_stream()},
}
LIVE_PARAMETERS: Json = {
    "Wait": _last(
        "query",
        "wait",
        "Seconds to wait for the task's end. The answer comes when it has ended, or when the time "
        "is over, and shows the task as it stands then; a task as it was is shown at once.",
        type="integer",
        minimum=0,
        maximum=MAX_WAIT_SECONDS,
        default=0,
    ),
    "LastVersion": _last("query", PARAMETER, _ALSO, **_VERSION),
    "LastVersionHeader": _last(
        "header",
        HEADER,
        "The last version that came; empty is as good as absent.",
        **_VERSION_OR_NONE,
    ),
    "LastPlace": _last("query", PARAMETER, _ALSO, **_CURSOR),
    "LastPlaceHeader": _last(
        "header", HEADER, "The last `id` that came; empty is as good as absent.", **_CURSOR_OR_NONE
    ),
}
UNAVAILABLE: dict[str, Any] = problem_example(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "too-many-streams",
    "Too many streams",
    "This process has as many streams and waiting requests as there may be. Close some, or connect "
    "again later; GET /events and GET /tasks/{task_id} answer meanwhile.",
) | problem_example(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "shutting-down",
    "The process is shutting down",
    "Nothing new is begun here. Connect again; another process will answer.",
)

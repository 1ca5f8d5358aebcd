"""The part of the OpenAPI document for those who look back: history and proof."""

from pydantic import BaseModel

from domain.checkpoint import MAX_SIZE
from domain.codec import SCHEMA_VERSIONS
from service.api.event_models import PAGES, CloudEvent, EventPage
from service.api.events import DEFAULT_LIMIT, MAX_LIMIT, NDJSON
from service.api.openapi_parts import COMMON_PARAMETERS, LOOKUP_PROBLEMS, Json, json_content, ref
from service.api.parameters import CURSOR_PATTERN, MAX_VERSION
from service.api.proof_models import PROVED, TaskProof


def _task_events() -> Json:
    return {
        "operationId": "getTaskEvents",
        "tags": ["audit"],
        "summary": "What happened to a task",
        "description": "All events of a task with versions, times, metadata and hashes, oldest "
        f"first. With `Accept: {NDJSON}` all of them as lines.",
        "parameters": [
            ref("parameters", "TaskId"),
            ref("parameters", "AfterVersion"),
            ref("parameters", "Limit"),
            *COMMON_PARAMETERS,
        ],
        "responses": {"200": _events("The events."), **LOOKUP_PROBLEMS},
    }


def _log() -> Json:
    return {
        "operationId": "getEvents",
        "tags": ["audit"],
        "summary": "What happened",
        "description": "The whole log in its order. Nothing is ever skipped: events of "
        "transactions that are still open come later, behind a cursor that was handed out before. "
        f"With `Accept: {NDJSON}` everything behind the cursor as lines.",
        "parameters": [
            ref("parameters", name)
            for name in ("AfterCursor", "Limit", "Type", "SinceTime", "UntilTime", "OfCorrelation")
        ]
        + COMMON_PARAMETERS,
        "responses": {
            "200": _events("The events."),
            **{code: answer for code, answer in LOOKUP_PROBLEMS.items() if code != "404"},
        },
    }


def _events(description: str) -> Json:
    lines = {"schema": {"type": "string", "description": "A CloudEvent in JSON on each line."}}
    return {
        "description": description,
        "headers": {"X-Correlation-ID": ref("headers", "X-Correlation-ID")},
        "content": {**json_content(EventPage, PAGES), NDJSON: lines},
    }


def _proof() -> Json:
    return {
        "operationId": "getProof",
        "tags": ["audit"],
        "summary": "Prove a task",
        "description": "The task's events as they were stored, their inclusion proofs and the "
        "latest signed checkpoint: what `ketlog_verify.py` checks offline.",
        "parameters": [
            ref("parameters", "TaskId"),
            ref("parameters", "Contents"),
            ref("parameters", "Since"),
            *COMMON_PARAMETERS,
        ],
        "responses": {
            "200": {
                "description": "The proof.",
                "headers": {"X-Correlation-ID": ref("headers", "X-Correlation-ID")},
                "content": json_content(TaskProof, PROVED),
            },
            **LOOKUP_PROBLEMS,
        },
    }


def _query(name: str, description: str, **schema: object) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": schema}


_TIME = {"type": "string", "format": "date-time"}

AUDIT_PATHS: Json = {
    "/tasks/{task_id}/events": {"get": _task_events()},
    "/tasks/{task_id}/proof": {"get": _proof()},
    "/events": {"get": _log()},
}
AUDIT_MODELS: tuple[type[BaseModel], ...] = (EventPage, TaskProof)
ANSWERS_WITH_ABSENT_FIELDS = (
    EventPage.__name__,
    CloudEvent.__name__,
    TaskProof.__name__,
    "ProvedEvent",
)
AUDIT_PARAMETERS: Json = {
    "Version": _query(
        "version",
        "The task after so many events, exactly. With `as_of` too, neither is gone beyond.",
        type="integer",
        minimum=1,
        maximum=MAX_VERSION,
    ),
    "AsOf": _query(
        "as_of",
        "The task as it was at a time (RFC 3339): the fold of the events recorded up to then. "
        "A time in milliseconds, as answers show it, takes in that whole millisecond.",
        **_TIME,
    ),
    "AfterVersion": _query(
        "after", "Only versions above this one.", type="integer", minimum=0, maximum=MAX_VERSION
    ),
    "AfterCursor": _query(
        "after",
        "The `cursor` of an earlier answer, unchanged; absent to begin. Its form may change.",
        type="string",
        pattern=CURSOR_PATTERN,
    ),
    "Limit": _query(
        "limit",
        f"Most events of a page; {DEFAULT_LIMIT} of the log, {MAX_LIMIT} of a task unless given.",
        type="integer",
        minimum=1,
        maximum=MAX_LIMIT,
    ),
    "Type": _query(
        "type",
        "Only events of this type; may be given more than once.",
        type="array",
        items={"type": "string", "enum": list(SCHEMA_VERSIONS)},
    ),
    "SinceTime": _query("since", "Only events recorded at this time or later.", **_TIME),
    "UntilTime": _query("until", "Only events recorded before this time.", **_TIME),
    "OfCorrelation": _query(
        "correlation_id",
        "Only events of tasks that were submitted under this correlation id.",
        type="string",
        pattern="^[ -~]{1,128}$",
    ),
    "Contents": _query(
        "contents",
        "Whether to hand out what is kept beside the events, with the salts.",
        type="boolean",
        default=False,
    ),
    "Since": _query(
        "since",
        "Size of an earlier checkpoint, to be shown to be continued.",
        type="integer",
        minimum=1,
        maximum=MAX_SIZE,
    ),
}

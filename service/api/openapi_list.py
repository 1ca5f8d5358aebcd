"""The part of the OpenAPI document about lists of tasks."""

from pydantic import BaseModel

from domain.status import Status
from service.api.labels import MAX_NAME_CHARACTERS
from service.api.list_fields import CONTENT_FIELDS, FIELDS
from service.api.list_models import LISTS, ListedTask, TaskList
from service.api.openapi_parts import COMMON_PARAMETERS, LOOKUP_PROBLEMS, Json, json_content, ref
from service.api.task_list import DEFAULT_LIMIT, MAX_LIMIT

_TIME = {"type": "string", "format": "date-time"}


def _query(name: str, description: str, **schema: object) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": schema}


LIST: Json = {
    "operationId": "listTasks",
    "tags": ["tasks"],
    "summary": "List tasks",
    "description": "The tasks of your tenant, newest first, those that all the given filters let "
    "through. One request looks at a bounded number of tasks, so a page may have few tasks or none "
    "and still have a `next`: follow it until there is none.",
    "parameters": [
        _query(
            "status",
            "Only tasks that have this status; may be given more than once.",
            type="array",
            items={"type": "string", "enum": [str(status) for status in Status]},
        ),
        _query(
            "tag",
            "Only tasks that have this tag, as `key:value`; of several, those that have all.",
            type="array",
            items={"type": "string", "pattern": "^[^:]*:"},
        ),
        _query("submitted_after", "Only tasks submitted at this time or later.", **_TIME),
        _query("submitted_before", "Only tasks submitted before this time.", **_TIME),
        _query("batch_id", "Only tasks of this batch.", type="string", format="uuid"),
        _query(
            "correlation_id",
            "Only tasks that were submitted under this correlation id.",
            type="string",
            pattern="^[ -~]{1,128}$",
        ),
        _query(
            "name",
            "Only tasks that have exactly this name.",
            type="string",
            minLength=1,
            maxLength=MAX_NAME_CHARACTERS,
        ),
        {
            **_query(
                "fields",
                "What to show of each task, with commas between. Without it, all but "
                f"{' and '.join(f'`{name}`' for name in CONTENT_FIELDS)}.",
                type="array",
                items={"type": "string", "enum": list(FIELDS)},
                minItems=1,
            ),
            "style": "form",
            "explode": False,
        },
        _query(
            "limit",
            "Most tasks of a page.",
            type="integer",
            minimum=1,
            maximum=MAX_LIMIT,
            default=DEFAULT_LIMIT,
        ),
        _query(
            "cursor",
            "From the `next` of an earlier answer, with the same filters; absent to begin.",
            type="string",
        ),
        *COMMON_PARAMETERS,
    ],
    "responses": {
        "200": {
            "description": "The tasks.",
            "headers": {
                "Link": ref("headers", "Link"),
                "X-Correlation-ID": ref("headers", "X-Correlation-ID"),
            },
            "content": json_content(TaskList, LISTS),
        },
        **{code: answer for code, answer in LOOKUP_PROBLEMS.items() if code != "404"},
    },
}
LIST_MODELS: tuple[type[BaseModel], ...] = (TaskList,)
LIST_HEADERS: Json = {
    "Link": {
        "description": "RFC 8288: `first` and, unless this is the last page, `next`.",
        "schema": {
            "type": "string",
            "examples": ['</tasks?limit=1&cursor=AQ>; rel="next", </tasks?limit=1>; rel="first"'],
        },
    },
}
LIST_WITH_ABSENT_FIELDS = (TaskList.__name__, ListedTask.__name__)

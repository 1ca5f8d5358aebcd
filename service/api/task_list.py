"""`GET /tasks`: the tasks of the caller's tenant, newest first, page by page."""

import asyncio
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring_ascii as quote
from typing import Final, NamedTuple
from urllib.parse import urlencode

from starlette.types import Receive, Scope, Send

from domain.listing import Place, TaskFilter, TaskLists, TaskPage
from domain.status import Status
from service.api import parameters
from service.api.admission import Admission
from service.api.answers import send_json
from service.api.caller import caller_of
from service.api.labels import MAX_NAME_CHARACTERS, MAX_TAGS
from service.api.list_cursor import cursor_of, cursor_text
from service.api.list_fields import CONTENTS, USUAL_FIELDS, parse_fields, write_task
from service.api.lookup import within
from service.api.parameters import query_parameters, single, whole_number
from service.api.problems import FieldProblem, invalid_request

MAX_LIMIT: Final = 500
DEFAULT_LIMIT: Final = 50
READERS: Final = 2
"""So many pages are read at a time, whoever asks: the pool is there for tasks."""

FILTERS: Final = (
    "status",
    "tag",
    "submitted_after",
    "submitted_before",
    "batch_id",
    "correlation_id",
    "name",
)
PARAMETERS: Final = (*FILTERS, "fields", "limit", "cursor")


class ListEndpoint:
    """Answers with a page and with links to the next and to the first one.

    Args:
        deadline_seconds: longest wait for the store.
    """

    def __init__(self, lists: TaskLists, admission: Admission, *, deadline_seconds: float) -> None:
        self._lists = lists
        self._admission = admission
        self._deadline = deadline_seconds
        self._readers = asyncio.Semaphore(READERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """Handle one request."""
        tenant = caller_of(scope).sees
        given = query_parameters(scope, PARAMETERS)
        chosen = _filter(given, tenant)
        same = [tenant, [[name, sorted(given[name])] for name in FILTERS if name in given]]
        after = single(given, "cursor", cursor_of(same), None)
        limit = single(given, "limit", whole_number(1, MAX_LIMIT), DEFAULT_LIMIT)
        fields = single(given, "fields", parse_fields, list(USUAL_FIELDS))
        self._admission.enter(0)
        try:
            page = await within(self._deadline, self._page(after, limit, chosen, fields))
        finally:
            self._admission.leave(0)
        cursor = None if page.end is None else cursor_text(page.end, same)
        links = _Links.of(scope["path"], given, cursor)
        await send_json(send, _body(page, fields, links), more=[(b"link", links.header())])

    async def _page(
        self, after: Place | None, limit: int, chosen: TaskFilter | None, fields: Sequence[str]
    ) -> TaskPage:
        if chosen is None:
            return TaskPage((), None)
        contents = [CONTENTS[name] for name in fields if name in CONTENTS]
        async with self._readers:
            return await self._lists.page(after, limit, chosen, contents)


class _Links(NamedTuple):
    """Where a list begins, and where it goes on if it does."""

    first: str
    following: str | None

    @classmethod
    def of(cls, path: str, given: Mapping[str, list[str]], cursor: str | None) -> "_Links":
        same = {name: values for name, values in given.items() if name != "cursor"}
        following = None if cursor is None else _url(path, same | {"cursor": [cursor]})
        return cls(_url(path, same), following)

    def header(self) -> bytes:
        """The value of `Link` (RFC 8288)."""
        links = [f'<{self.first}>; rel="first"']
        if self.following is not None:
            links.insert(0, f'<{self.following}>; rel="next"')
        return ", ".join(links).encode("ascii")


def _url(path: str, query: Mapping[str, list[str]]) -> str:
    return f"{path}?{urlencode(query, doseq=True)}" if query else path


def _body(page: TaskPage, fields: Sequence[str], links: _Links) -> bytes:
    members = ['"tasks":[' + ",".join(write_task(task, fields) for task in page.tasks) + "]"]
    if links.following is not None:
        members.append(f'"next":{quote(links.following)}')
    return ("{" + ",".join(members) + "}").encode()


def _filter(given: Mapping[str, list[str]], tenant: str | None) -> TaskFilter | None:
    """Return what is asked for; `None` for what no task can be."""
    statuses = given.get("status")
    tags = _tags(given.get("tag", ()))
    chosen = TaskFilter(
        tenant=tenant,
        statuses=None if statuses is None else _statuses(statuses),
        tags=tags or {},
        since=single(given, "submitted_after", parameters.time, None),
        until=single(given, "submitted_before", parameters.time, None),
        batch_id=single(given, "batch_id", parameters.uuid, None),
        correlation_id=single(given, "correlation_id", parameters.correlation_id, None),
        name=single(given, "name", _name, None),
    )
    return None if tags is None or "\x00" in (chosen.name or "") else chosen


def _statuses(names: Sequence[str]) -> frozenset[Status]:
    try:
        return frozenset(map(Status, names))
    except ValueError:
        raise invalid_request([FieldProblem("status", f"is none of {', '.join(Status)}")]) from None


def _tags(given: Sequence[str]) -> dict[str, str] | None:
    """Return tags by name; `None` if no task can have them all."""
    tags: dict[str, str] = {}
    possible = True
    for each in given:
        name, colon, value = each.partition(":")
        if not colon:
            raise invalid_request([FieldProblem("tag", "must be key:value")])
        possible &= tags.setdefault(name, value) == value and "\x00" not in each
    return tags if possible and len(tags) <= MAX_TAGS else None


def _name(text: str) -> str:
    if not 1 <= len(text) <= MAX_NAME_CHARACTERS:
        raise ValueError(f"must be 1 to {MAX_NAME_CHARACTERS} characters")
    return text

"""What happened: `GET /tasks/{task_id}/events` and `GET /events`, as CloudEvents 1.0.

Both answer with a page of JSON, whose `next` leads to the one behind it, or, where the client
accepts `application/x-ndjson`, with a stream of lines up to what the log holds now.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from json.encoder import encode_basestring_ascii as quote
from typing import Generic, TypeAlias, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from starlette.types import Receive, Scope, Send

from domain.cloudevents import write
from domain.codec import SCHEMA_VERSIONS
from domain.log import LogCursor, LogFilter, LoggedEvent, LogPage
from domain.ports import HistoryQueries
from service.api import parameters
from service.api.admission import Admission
from service.api.answers import send_json
from service.api.caller import caller_of
from service.api.correlation import context_of
from service.api.lookup import no_such_task, task_id_of, within
from service.api.media_types import qualities
from service.api.parameters import query_parameters, single, whole_number
from service.api.problems import FieldProblem, invalid_request

MAX_LIMIT = 1_000
DEFAULT_LIMIT = 100
STREAM_PAGE = 500
READERS = 2
"""So many pages of the log are read at a time, whoever asks: the pool is there for tasks."""

NDJSON = "application/x-ndjson"
_NDJSON_NAMES = frozenset({NDJSON, "application/ndjson", "application/jsonl"})

Place = TypeVar("Place")


@dataclass(frozen=True, slots=True)
class Page(Generic[Place]):
    """A piece of an answer; `end` is where the next one begins."""

    events: Sequence[LoggedEvent]
    end: Place
    complete: bool


ReadPage: TypeAlias = Callable[[Place], Awaitable[Page[Place]]]


class TaskEventsEndpoint:
    """`GET /tasks/{task_id}/events`: everything that happened to a task, oldest first."""

    def __init__(
        self, history: HistoryQueries, admission: Admission, *, deadline_seconds: float
    ) -> None:
        self._history = history
        self._admission = admission
        self._deadline = deadline_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        task_id = task_id_of(scope)
        given = query_parameters(scope, ("after", "limit"))
        after = single(given, "after", whole_number(0, parameters.MAX_VERSION), 0)
        limit = single(given, "limit", whole_number(1, MAX_LIMIT), MAX_LIMIT)
        lines = _wants_lines(scope)

        tenant = caller_of(scope).sees

        async def read(version: int) -> Page[int]:
            return await self._page(task_id, tenant, version, STREAM_PAGE if lines else limit)

        self._admission.enter(0)
        try:
            page = await read(after)
            if not page.events and not (await self._page(task_id, tenant, 0, 1)).events:
                raise no_such_task(task_id)
            if lines:
                await _send_lines(page, read, receive, send)
            else:
                following = {"after": [str(page.end)], "limit": [str(limit)]}
                await _send_page(page, scope["path"], following, send)
        finally:
            self._admission.leave(0)

    async def _page(self, task_id: UUID, tenant: str | None, after: int, limit: int) -> Page[int]:
        reading = self._history.events_of(task_id, after, limit + 1, tenant)
        events = await within(self._deadline, reading)
        page = events[:limit]
        return Page(page, page[-1].stored.version if page else after, len(events) <= limit)


class LogEndpoint:
    """`GET /events`: the whole log in its order, without a gap, or what a filter lets through."""

    def __init__(
        self, history: HistoryQueries, admission: Admission, *, deadline_seconds: float
    ) -> None:
        self._history = history
        self._admission = admission
        self._deadline = deadline_seconds
        self._readers = asyncio.Semaphore(READERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        given = query_parameters(
            scope, ("after", "limit", "type", "since", "until", "correlation_id")
        )
        after = single(given, "after", parameters.cursor, LogCursor())
        limit = single(given, "limit", whole_number(1, MAX_LIMIT), DEFAULT_LIMIT)
        chosen = log_filter(given, caller_of(scope).sees)
        lines = _wants_lines(scope)

        async def read(cursor: LogCursor) -> Page[LogCursor]:
            return await self._page(cursor, STREAM_PAGE if lines else limit, chosen)

        self._admission.enter(0)
        try:
            page = await read(after)
            if lines:
                await _send_lines(page, read, receive, send)
            else:
                following = given | {"after": [parameters.cursor_text(page.end)]}
                await _send_page(page, scope["path"], following, send)
        finally:
            self._admission.leave(0)

    async def _page(self, after: LogCursor, limit: int, chosen: LogFilter) -> Page[LogCursor]:
        found = await within(self._deadline, self._in_turn(after, limit, chosen))
        return Page(found.events, found.cursor, found.complete)

    async def _in_turn(self, after: LogCursor, limit: int, chosen: LogFilter) -> LogPage:
        async with self._readers:
            return await self._history.page(after, limit, chosen)


def log_filter(given: Mapping[str, list[str]], tenant: str | None) -> LogFilter:
    """Return what the query parameters let through; raises `Problem` (422)."""
    types = frozenset(given.get("type", ()))
    unknown = sorted(types - SCHEMA_VERSIONS.keys())
    if unknown:
        names = ", ".join(SCHEMA_VERSIONS)
        raise invalid_request([FieldProblem("type", f"is none of {names}")])
    chosen = LogFilter(
        since=single(given, "since", parameters.time, None),
        until=single(given, "until", parameters.time, None),
        correlation_id=single(given, "correlation_id", parameters.correlation_id, None),
        tenant=tenant,
    )
    return replace(chosen, types=types) if types else chosen


def _wants_lines(scope: Scope) -> bool:
    """Tell whether the client would rather have lines than one JSON document."""
    wanted = qualities(context_of(scope).headers)
    lines = max(wanted.get(name, 0.0) for name in _NDJSON_NAMES)
    json = max(wanted.get(name, 0.0) for name in ("application/json", "application/*", "*/*"))
    return lines > 0 and lines >= json


async def _send_page(
    page: Page[Place], path: str, following: Mapping[str, list[str]], send: Send
) -> None:
    """Answer with one document.

    Args:
        following: query parameters of the next page; its place is the `cursor`.
    """
    members = [
        '"events":[' + ",".join(map(write, page.events)) + "]",
        f'"cursor":{quote(following["after"][0])}',
    ]
    if not page.complete:
        members.append(f'"next":{quote(f"{path}?{urlencode(following, doseq=True)}")}')
    await send_json(send, ("{" + ",".join(members) + "}").encode())


async def _send_lines(
    page: Page[Place], read: ReadPage[Place], receive: Receive, send: Send
) -> None:
    """Answer with a line for each event of a page and of all behind it.

    Where the store goes away in the middle the answer breaks off, and its length shows it: a
    chunked body without its last chunk.
    """
    headers = [(b"content-type", NDJSON.encode()), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    gone = asyncio.create_task(_hung_up(receive))
    try:
        while not gone.done():
            lines = "".join(write(event) + "\n" for event in page.events).encode()
            await send(
                {"type": "http.response.body", "body": lines, "more_body": not page.complete}
            )
            if page.complete:
                return
            page = await read(page.end)
    finally:
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

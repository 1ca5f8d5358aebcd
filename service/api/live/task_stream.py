"""`GET /tasks/{task_id}/stream`: everything that happens to a task, until it has ended."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from starlette.types import Receive, Scope, Send

from domain.live import ENDS
from domain.log import LoggedEvent
from domain.ports import HistoryQueries
from service.api import parameters
from service.api.admission import Admission
from service.api.caller import caller_of, still_permitted
from service.api.live.last_event_id import PARAMETER, last_event_id
from service.api.live.live import Live
from service.api.live.outlet import Outlet, send_head
from service.api.live.sse import End, event_frame
from service.api.lookup import no_such_task, task_id_of, within
from service.api.parameters import query_parameters, whole_number

PAGE = 1_000


class TaskStreamEndpoint:
    """Streams a task's events from its submission, or from behind the last one a client has.

    The stream ends with the event that ends the task. Who has that one gets 204, which tells
    browsers to stop asking.
    """

    def __init__(
        self, live: Live, history: HistoryQueries, admission: Admission, *, deadline_seconds: float
    ) -> None:
        self._live = live
        self._history = history
        self._admission = admission
        self._deadline = deadline_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        task_id = task_id_of(scope)
        given = query_parameters(scope, (PARAMETER,))
        after = last_event_id(scope, given, whole_number(0, parameters.MAX_VERSION), 0)
        caller = caller_of(scope)
        with self._live.reader("task", caller.tenant):
            past = await self._past(task_id, caller.sees)
            if past[-1].stored.type in ENDS and past[-1].stored.version <= after:
                await send({"type": "http.response.start", "status": 204, "headers": []})
                await send({"type": "http.response.body", "body": b""})
                return
            if scope["method"] == "HEAD":
                await send_head(send)
                return
            life = self._live.bounds.stream_seconds
            outlet = Outlet(receive, send, life, permitted=still_permitted(scope))
            with self._live.leaving(lambda: outlet.finish(End.SHUTTING_DOWN)):
                await outlet.run(lambda: self._stream(outlet, past, after))

    async def _past(self, task_id: UUID, tenant: str | None) -> Sequence[LoggedEvent]:
        """Return what has happened, up to the end if there was one; at least one event."""
        self._admission.enter(0)
        try:
            events: list[LoggedEvent] = []
            while True:
                version = events[-1].stored.version if events else 0
                reading = self._history.events_of(task_id, version, PAGE, tenant)
                page = await within(self._deadline, reading)
                for event in page:
                    events.append(event)
                    if event.stored.type in ENDS:
                        return events
                if len(page) < PAGE:
                    break
        finally:
            self._admission.leave(0)
        if not events:
            raise no_such_task(task_id)
        return events

    async def _stream(self, outlet: Outlet, past: Sequence[LoggedEvent], after: int) -> End:
        await outlet.send(b"".join(_frame(event) for event in past if _version(event) > after))
        if past[-1].stored.type in ENDS:
            return End.TASK_ENDED
        ended = asyncio.Event()

        def tell(event: LoggedEvent) -> None:
            if _version(event) > after and not ended.is_set():
                outlet.offer(_frame(event))
            if event.stored.type in ENDS:
                ended.set()

        waiting = self._live.news.join(past[-1].stored.task_id, _version(past[-1]), tell)
        try:
            while not (ended.is_set() and outlet.empty):
                await outlet.send_next()
        finally:
            self._live.news.leave(waiting)
        return End.TASK_ENDED


def _version(event: LoggedEvent) -> int:
    return event.stored.version


def _frame(event: LoggedEvent) -> bytes:
    return event_frame(str(event.stored.version), event)

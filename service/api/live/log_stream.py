"""`GET /stream`: everything that happens, as it happens, without a gap.

What a client has missed is read from the log, page by page and at its own pace. Then it joins the
one follower of this process. The piece between the two is read once the follower has said where it
stands, so nothing falls between them and nothing comes twice.
"""

import asyncio

from starlette.types import Receive, Scope, Send

from domain.errors import StoreUnavailable
from domain.log import LogCursor, LogFilter, LogPage
from domain.ports import HistoryQueries
from infrastructure.backoff import Backoff
from service.api import parameters
from service.api.caller import caller_of, still_permitted
from service.api.events import log_filter
from service.api.live.follower import Listening
from service.api.live.last_event_id import PARAMETER, last_event_id
from service.api.live.live import Live
from service.api.live.outlet import Outlet, send_head
from service.api.live.sse import HEARTBEAT, End, event_frame, place_frame
from service.api.lookup import within
from service.api.parameters import cursor_text, query_parameters

FILTERS = ("type", "correlation_id")
PAGE = 500
READERS = 2
"""So many pages of what was missed are read at a time, whoever connects again."""


class LogStreamEndpoint:
    """Streams the log from now on, or from behind the last event that a client has."""

    def __init__(self, live: Live, history: HistoryQueries, *, deadline_seconds: float) -> None:
        self._live = live
        self._history = history
        self._deadline = deadline_seconds
        self._readers = asyncio.Semaphore(READERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        given = query_parameters(scope, (*FILTERS, PARAMETER))
        caller = caller_of(scope)
        chosen = log_filter(given, caller.sees)
        after = last_event_id(scope, given, parameters.cursor, None)
        with self._live.reader("log", caller.tenant):
            if scope["method"] == "HEAD":
                await send_head(send)
                return
            # Asked before the answer begins, so that it can still be an error.
            follower = self._live.follower
            if after is None:
                missed = LogPage((), await within(self._deadline, follower.end_of_log()), True)
            else:
                missed = await self._page(after, chosen)
            outlet = Outlet(
                receive,
                send,
                self._live.bounds.stream_seconds,
                permitted=still_permitted(scope),
            )
            with self._live.leaving(lambda: outlet.finish(End.SHUTTING_DOWN)):
                await outlet.run(lambda: self._stream(outlet, chosen, missed))

    async def _stream(self, outlet: Outlet, chosen: LogFilter, missed: LogPage) -> End:
        """Send what was missed, then what happens; ends with the outlet."""
        while True:
            await _send(outlet, missed)
            if missed.complete:
                break
            missed = await self._page_at_last(outlet, missed.cursor, chosen)
        listening = await self._join(outlet, chosen, missed.cursor)
        outlet.heartbeat = lambda: _place(listening.after)
        try:
            await self._send_between(outlet, chosen, missed.cursor, listening.after)
            while True:
                await outlet.send_next()
        finally:
            self._live.follower.leave(listening)

    async def _send_between(
        self, outlet: Outlet, chosen: LogFilter, cursor: LogCursor, until: LogCursor
    ) -> None:
        """Send what lies between what was read and what will be handed out."""
        while cursor < until:
            page = await self._page_at_last(outlet, cursor, chosen)
            await _send(outlet, page, until)
            cursor = until if page.complete else min(page.cursor, until)

    async def _join(self, outlet: Outlet, chosen: LogFilter, read_to: LogCursor) -> Listening:
        backoff = Backoff()
        while True:
            try:
                joining = self._live.follower.join(chosen, outlet, read_to)
                return await within(self._deadline, joining)
            except StoreUnavailable:
                await _pause(outlet, backoff)

    async def _page_at_last(self, outlet: Outlet, after: LogCursor, chosen: LogFilter) -> LogPage:
        """Return the next page, however long the store is away."""
        backoff = Backoff()
        while True:
            try:
                return await self._page(after, chosen)
            except StoreUnavailable:
                await _pause(outlet, backoff)

    async def _page(self, after: LogCursor, chosen: LogFilter) -> LogPage:
        async with self._readers:
            return await within(self._deadline, self._history.page(after, PAGE, chosen))


async def _send(outlet: Outlet, page: LogPage, until: LogCursor | None = None) -> None:
    """Send a page, or what of it is not behind a place."""
    frames = [
        event_frame(cursor_text(event.cursor), event)
        for event in page.events
        if until is None or event.cursor <= until
    ]
    end = page.cursor if until is None else min(page.cursor, until)
    await outlet.send(b"".join(frames) + _place(end))


async def _pause(outlet: Outlet, backoff: Backoff) -> None:
    await outlet.send(HEARTBEAT)
    await asyncio.sleep(backoff.next())


def _place(cursor: LogCursor) -> bytes:
    return place_frame(cursor_text(cursor))

"""One open stream: what waits for its reader, and how it comes to its end.

Whoever has something for the reader calls `offer`, which never waits. The reader's own request
sends it. A reader that is so slow that too much waits is told to connect again, and loses nothing
by that: the id of the last event it got says where to go on.
"""

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.types import Message, Receive, Send

from infrastructure.supervision import end as end_task
from infrastructure.telemetry import metrics
from service.api.live.sse import HEARTBEAT, MEDIA_TYPE, End, end_frame, retry_frame

HEARTBEAT_SECONDS: Final = 15.0
PERMIT_SECONDS: Final = 5.0
FAREWELL_SECONDS: Final = 1.0
MOST_HELD: Final = 1_000
"""So many events wait for a reader, a megabyte if they are its alone."""
RETRY_MILLISECONDS: Final = 1_000

_HEADERS: Final = [
    (b"content-type", MEDIA_TYPE.encode()),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


async def send_head(send: Send) -> None:
    """Answer `HEAD`: a stream without a body."""
    await send(_start())
    await send({"type": "http.response.body", "body": b""})


def _start() -> Message:
    return {"type": "http.response.start", "status": 200, "headers": list(_HEADERS)}


class Over(Exception):
    """The stream is over: there is nothing to be sent any more."""


class Outlet:
    """A stream to one reader.

    Args:
        heartbeat: see below.
        life_seconds: longest time for which it is open.
        permitted: tells whether the reader may still read; `None` where everybody may. It is
            asked before something is sent, and no more often than every `PERMIT_SECONDS`.

    Attributes:
        heartbeat: makes what is sent when nothing was for a while.
    """

    def __init__(
        self,
        receive: Receive,
        send: Send,
        life_seconds: float,
        *,
        heartbeat: Callable[[], bytes] = lambda: HEARTBEAT,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        most_held: int = MOST_HELD,
        permitted: Callable[[], Awaitable[bool]] | None = None,
        permit_seconds: float = PERMIT_SECONDS,
    ) -> None:
        self._receive = receive
        self._to_reader = send
        self.heartbeat = heartbeat
        self._heartbeat_seconds = heartbeat_seconds
        self._life = life_seconds * random.uniform(0.9, 1.0)  # noqa: S311 - not all at once
        self._most_held = most_held
        self._permitted = permitted
        self._permit_seconds = permit_seconds
        self._permit_ends = asyncio.get_running_loop().time() + permit_seconds
        self._held: list[bytes] = []
        self._news = asyncio.Event()
        self._limit: asyncio.Timeout | None = None
        self._end: End | None = None
        self._gone = False

    @property
    def empty(self) -> bool:
        """Whether everything that was offered was sent."""
        return not self._held

    def offer(self, frame: bytes) -> None:
        """Have a frame sent, in the order of the calls."""
        if len(self._held) >= self._most_held:
            self.finish(End.TOO_SLOW)
        if self._end is None:
            self._held.append(frame)
            self._news.set()

    def finish(self, end: End) -> None:
        """Close the stream now, with words that say why."""
        if self._end is None:
            self._end = end
            self._held.clear()
            self._stop()

    async def run(self, work: Callable[[], Awaitable[End]]) -> None:
        """Open the stream, do its work, and close it.

        Args:
            work: sends with `send` and `send_next` until it returns why the stream is over.
        """
        watch = asyncio.create_task(self._notice_hang_up(), name="stream's reader")
        try:
            await self._open()
            end = await self._within_life(work)
            if not self._gone:
                metrics.STREAMS_ENDED.labels(end.value).inc()
                await self._close(end)
            else:
                metrics.STREAMS_ENDED.labels("reader-gone").inc()
        finally:
            await end_task(watch)

    async def send(self, octets: bytes) -> None:
        """Send to the reader; waits while it does not read.

        Raises:
            Over: the stream is over.
        """
        self._look_at_end()
        if self._permitted is not None:
            await self._look_at_permit(self._permitted)
        await self._to_reader({"type": "http.response.body", "body": octets, "more_body": True})

    async def send_next(self) -> None:
        """Wait until something was offered, and send it; or send a heartbeat.

        Raises:
            Over: the stream is over.
        """
        self._look_at_end()
        if not self._held:
            self._news.clear()
            try:
                async with asyncio.timeout(self._heartbeat_seconds):
                    await self._news.wait()
            except TimeoutError:
                # What came at the last moment goes first: a heartbeat may say how far the log went.
                if not self._held:
                    await self.send(self.heartbeat())
                    return
        frames, self._held = self._held, []
        await self.send(b"".join(frames))

    async def _open(self) -> None:
        await self._to_reader(_start())
        await self.send(retry_frame(RETRY_MILLISECONDS))

    async def _within_life(self, work: Callable[[], Awaitable[End]]) -> End:
        try:
            async with asyncio.timeout(self._life) as limit:
                self._limit = limit
                if self._end is None and not self._gone:
                    return await work()
        except Over:
            pass
        except TimeoutError:
            if not limit.expired():
                raise
        finally:
            self._limit = None
        return self._end or End.RENEW

    async def _close(self, end: End) -> None:
        """Say why, if the reader takes it."""
        words = end_frame(end)
        if end is End.SHUTTING_DOWN:
            # Who is sent away together need not come back together.
            words = retry_frame(secrets.randbelow(RETRY_MILLISECONDS) + RETRY_MILLISECONDS) + words
        last = {"type": "http.response.body", "body": words, "more_body": False}
        try:
            async with asyncio.timeout(FAREWELL_SECONDS):
                await self._to_reader(last)
        except TimeoutError:
            return

    async def _notice_hang_up(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        self._stop()

    async def _look_at_permit(self, permitted: Callable[[], Awaitable[bool]]) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._permit_ends:
            return
        if not await permitted():
            self.finish(End.KEY_REFUSED)
            raise Over
        self._permit_ends = now + self._permit_seconds

    def _look_at_end(self) -> None:
        """Raise `Over`, if it is: a library may have kept the cancellation to itself."""
        if self._end is not None or self._gone or (self._limit and self._limit.expired()):
            raise Over

    def _stop(self) -> None:
        """End the work, whatever it waits for."""
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time())

"""The one reader of the whole log in a process: it follows its end for all who listen.

It reads below every open transaction, in the log's order, so nobody misses an event. It runs while
somebody listens and not otherwise.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from domain.codec import decode_metadata
from domain.errors import InvalidEvent, StoreUnavailable
from domain.live import LiveQueries
from domain.log import LogCursor, LogFilter, LoggedEvent
from infrastructure.backoff import Backoff
from infrastructure.supervision import supervised
from service.api.live.pace import rest
from service.api.live.sse import event_frame
from service.api.parameters import cursor_text

LOOK_SECONDS = 0.025
LISTENER_SECONDS = 0.0001
"""It rests for so long for each listener, which leaves most of the time to everything else."""
LISTENERS_AT_A_TIME = 50
"""Between so many of them everything else has its turn."""
MOST_AT_A_TIME = 500

log = structlog.get_logger()


class Listener(Protocol):
    """Who is handed events as they come."""

    def offer(self, frame: bytes) -> None:
        """Take a frame; never waits."""
        ...


class Seen:
    """An event at the end of the log, made into a frame once for all who want it."""

    __slots__ = ("_frame", "correlation_id", "event", "tenant")

    def __init__(self, event: LoggedEvent) -> None:
        self.event = event
        self.tenant, self.correlation_id = _metadata(event)
        self._frame: bytes | None = None

    @property
    def frame(self) -> bytes:
        """The event as a client gets it."""
        if self._frame is None:
            self._frame = event_frame(cursor_text(self.event.cursor), self.event)
        return self._frame

    def passes(self, chosen: LogFilter) -> bool:
        """Tell whether a filter lets it through."""
        if chosen.types is not None and self.event.stored.type not in chosen.types:
            return False
        return chosen.tenant in {None, self.tenant} and chosen.correlation_id in {
            None,
            self.correlation_id,
        }


@dataclass(slots=True, eq=False)
class Listening:
    """One listener and what it wants.

    Attributes:
        after: up to here everything was handed out to it, or is for it to read elsewhere.
    """

    chosen: LogFilter
    listener: Listener
    after: LogCursor


class LogFollower:
    """Hands what is added to the log to all who listen.

    Args:
        look_seconds: shortest time between two looks.

    Attributes:
        cursor: everything up to here was handed out, or is being.
    """

    def __init__(self, queries: LiveQueries, look_seconds: float = LOOK_SECONDS) -> None:
        self._queries = queries
        self._look_seconds = look_seconds
        self._listeners: list[Listening] = []
        self._joining = asyncio.Lock()
        self._running: asyncio.Task[None] | None = None
        self.cursor = LogCursor()

    @property
    def looking(self) -> bool:
        """Whether the database is asked now and then."""
        return self._running is not None

    async def end_of_log(self) -> LogCursor:
        """Return the place behind which is what happens from now on; raises `StoreUnavailable`."""
        return self.cursor if self.looking else await self._queries.tip()

    async def join(self, chosen: LogFilter, listener: Listener, read_to: LogCursor) -> Listening:
        """Begin to hand out what happens; `leave` must follow.

        Args:
            read_to: up to where the listener has read the log by itself.

        Returns:
            The listening. Everything behind its `after` is handed out, nothing before it is; it is
            not before `read_to`, and what lies between them is for the listener to read.

        Raises:
            StoreUnavailable: nobody listened before, and the end of the log cannot be found now.
        """
        async with self._joining:
            if self._running is None:
                self.cursor = await self._queries.tip()
                self._running = asyncio.create_task(
                    supervised("log follower", self._follow), name="log follower"
                )
            listening = Listening(chosen, listener, max(self.cursor, read_to))
            self._listeners.append(listening)
            return listening

    def leave(self, listening: Listening) -> None:
        """Hand out no more. Without any listener, the looks end."""
        self._listeners.remove(listening)

    async def _follow(self) -> None:
        backoff = Backoff(first=0.1, longest=0.5)
        away = False
        while self._listeners:
            began = time.monotonic()
            try:
                events = await self._queries.follow(self.cursor, MOST_AT_A_TIME)
            except StoreUnavailable as error:
                if not away:
                    log.warning("Cannot follow the log", reason=str(error))
                away = True
                await asyncio.sleep(backoff.next())
                continue
            away = False
            backoff.reset()
            await self._hand_out(events)
            least = max(self._look_seconds, LISTENER_SECONDS * len(self._listeners))
            await asyncio.sleep(rest(least, time.monotonic() - began))
        self._running = None

    async def _hand_out(self, events: Sequence[LoggedEvent]) -> None:
        """Hand events out to those who listen now; who joins meanwhile begins behind them."""
        if not events:
            return
        before, self.cursor = self.cursor, events[-1].cursor
        try:
            seen = [Seen(event) for event in events]
            for number, listening in enumerate(tuple(self._listeners), 1):
                for each in seen:
                    if each.event.cursor > listening.after and each.passes(listening.chosen):
                        listening.listener.offer(each.frame)
                listening.after = max(listening.after, self.cursor)
                if number % LISTENERS_AT_A_TIME == 0:
                    await asyncio.sleep(0)
        except BaseException:
            # Whoever has not got them yet gets them with the next try.
            self.cursor = before
            raise


def _metadata(event: LoggedEvent) -> tuple[str, str]:
    """Return whose an event is and its correlation id; of one that nobody can read, neither."""
    try:
        metadata = decode_metadata(event.stored.metadata)
    except InvalidEvent:
        return "", ""
    return metadata.tenant, metadata.correlation_id

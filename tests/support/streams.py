"""A reader of Server-Sent Events, and streams of an API in the test's own event loop."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Scope

from service.api.caller import ANYONE, CALLER, Caller

WITHIN_SECONDS = 10.0


@dataclass(frozen=True)
class Frame:
    """What a blank line ends: fields of a stream, or a comment alone."""

    id: str | None = None
    event: str = "message"
    data: Any = None
    retry: int | None = None


class Parser:
    """Reads a stream as the HTML standard says, as far as this service writes it.

    Attributes:
        last_event_id: what a browser would send when it connects again.
    """

    def __init__(self) -> None:
        self._rest = b""
        self.last_event_id: str | None = None

    def feed(self, octets: bytes) -> Iterator[Frame]:
        """The frames that are complete with these octets."""
        *frames, self._rest = (self._rest + octets).split(b"\n\n")
        for text in frames:
            fields: dict[str, Any] = {}
            for line in text.decode().split("\n"):
                name, _, value = line.partition(":")
                if name:
                    assert name not in fields, text
                    fields[name] = value.removeprefix(" ")
            if "data" in fields:
                fields["data"] = json.loads(fields["data"])
            if "retry" in fields:
                fields["retry"] = int(fields["retry"])
            self.last_event_id = fields.get("id", self.last_event_id)
            yield Frame(**fields)


@dataclass
class OpenStream:
    """A request whose answer is still coming.

    Attributes:
        reading: cleared to be a reader that takes nothing.
        frames: everything that came.
    """

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    complete: bool = False
    frames: list[Frame] = field(default_factory=list)
    parser: Parser = field(default_factory=Parser)
    reading: asyncio.Event = field(default_factory=asyncio.Event)
    _asked: bool = False
    _taken: int = 0
    _came: asyncio.Event = field(default_factory=asyncio.Event)
    _hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    _done: asyncio.Event = field(default_factory=asyncio.Event)

    def hang_up(self) -> None:
        """End the connection."""
        self._hung_up.set()

    async def next(self) -> Frame:
        """The next frame that has data."""
        while True:
            frame = await self.next_of_any_kind()
            if frame.data is not None:
                return frame

    async def next_of_any_kind(self) -> Frame:
        """The next frame, be it a comment."""
        async with asyncio.timeout(WITHIN_SECONDS):
            while self._taken == len(self.frames):
                assert not self.complete, "the stream has ended"
                self._came.clear()
                await self._came.wait()
        self._taken += 1
        return self.frames[self._taken - 1]

    def forget(self) -> None:
        """Nothing more comes from the service."""
        self._done.set()

    async def answered(self) -> None:
        """Wait for the head of the answer."""
        async with asyncio.timeout(WITHIN_SECONDS):
            while not self.status:
                self._came.clear()
                await self._came.wait()

    async def done(self) -> None:
        """Wait until the service has nothing more to do with it."""
        async with asyncio.timeout(WITHIN_SECONDS):
            await self._done.wait()

    async def place(self) -> str:
        """The place in the log with which a stream begins."""
        while True:
            frame = await self.next_of_any_kind()
            if frame.id is not None:
                assert frame.data is None
                return frame.id

    async def types(self, count: int) -> list[str]:
        """The types of the next so many events."""
        return [(await self.next()).data["type"] for _ in range(count)]

    async def rest(self) -> list[Frame]:
        """What comes up to the end, with data."""
        frames = []
        async with asyncio.timeout(WITHIN_SECONDS):
            while not (self.complete and self._taken == len(self.frames)):
                if self._taken < len(self.frames):
                    frames.append(self.frames[self._taken])
                    self._taken += 1
                    continue
                self._came.clear()
                await self._came.wait()
        return [frame for frame in frames if frame.data is not None]

    async def send(self, message: Message) -> None:
        """ASGI's `send`, as a server under flow control: it waits while nobody reads."""
        await self.reading.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {
                name.decode(): value.decode() for name, value in message.get("headers", [])
            }
        else:
            self.body += message["body"]
            if self.headers.get("content-type") == "text/event-stream":
                self.frames += self.parser.feed(message["body"])
            self.complete = not message.get("more_body", False)
        self._came.set()

    async def receive(self) -> Message:
        """ASGI's `receive`: the end of the request, then the end of the connection."""
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._hung_up.wait()
        return {"type": "http.disconnect"}


def request_scope(path: str, method: str = "GET", caller: Caller = ANYONE, **headers: str) -> Scope:
    """The ASGI scope of a request.

    Args:
        path: with the query.
        caller: who asks.
        headers: underscores stand for hyphens.
    """
    path, _, query = path.partition("?")
    return {
        CALLER: caller,
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [
            (name.replace("_", "-").lower().encode(), value.encode())
            for name, value in headers.items()
        ],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "scheme": "http",
    }


@asynccontextmanager
async def asking(
    app: ASGIApp, path: str, method: str = "GET", caller: Caller = ANYONE, **headers: str
) -> AsyncIterator[OpenStream]:
    """Make a request, see `request_scope`; at the end the client hangs up."""
    opened = OpenStream()
    opened.reading.set()

    async def handle() -> None:
        await app(request_scope(path, method, caller, **headers), opened.receive, opened.send)

    request = asyncio.create_task(handle())
    request.add_done_callback(lambda _: opened.forget())
    try:
        yield opened
    finally:
        opened.hang_up()
        opened.reading.set()
        await asyncio.wait_for(request, WITHIN_SECONDS)


@asynccontextmanager
async def stream(
    app: ASGIApp, path: str, caller: Caller = ANYONE, **headers: str
) -> AsyncIterator[OpenStream]:
    """Open a stream, once its head is there; at the end the reader hangs up."""
    async with asking(app, path, caller=caller, **headers) as opened:
        await opened.answered()
        yield opened


async def end_of(opened: OpenStream) -> str:
    """Why a stream that sends nothing more was closed."""
    (last,) = await opened.rest()
    assert (last.event, last.id) == ("end", None)
    assert last.data["detail"]
    return str(last.data["reason"])

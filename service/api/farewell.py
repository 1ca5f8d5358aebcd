"""How the API takes leave of its clients."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.correlation import context_of
from service.api.health import Health
from service.api.problems import Problem, send_problem, unavailable

RETRY_SECONDS = 1
_CLOSE = (b"connection", b"close")


class Farewell:
    """ASGI middleware: while the process drains, every answer is the last on its connection.

    A client that is told so sends its next request to another process, instead of into a
    connection that is being closed. A request for which there is no time left is answered too.
    """

    def __init__(self, app: ASGIApp, health: Health) -> None:
        self._app = app
        self._health = health

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            await self._app(scope, receive, closing(send) if self._health.draining else send)
        except asyncio.CancelledError:
            context = context_of(scope)
            if context.started or not self._health.draining:
                raise
            await send_problem(_no_time_left(), context.correlation_id, send)


def closing(send: Send) -> Send:
    """Return a `send` that makes an answer the last one on its connection."""

    async def last(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], _CLOSE]
        await send(message)

    return last


def _no_time_left() -> Problem:
    return unavailable(
        "shutting-down",
        "The process is shutting down",
        "The process had to end before it knew the outcome. Send the request again, with the same "
        "Idempotency-Key if it had one.",
        retry_after=RETRY_SECONDS,
        outcome="unknown",
    )

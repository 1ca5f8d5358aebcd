"""Who caused a request, and how its answers and events say so.

Every answer carries `X-Correlation-ID`. A client may choose it; otherwise it is the trace id of the
client's `traceparent`, or of a new trace, written as a UUID.
"""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from domain.identifiers import (
    correlation_id_of_trace,
    is_correlation_id,
    is_traceparent,
    new_traceparent,
)
from service.api.problems import FieldProblem, Problem, send_problem

TRACEPARENT: Final = "ketlog.traceparent"
"""Key of a request's scope: the context of its own span, where it has one."""
_KEY: Final = "ketlog.request"


class RequestContext:
    """What every part of the API may want to know of a request.

    Attributes:
        headers: request headers by lower-case name; of a repeated one, the last.
        correlation_id: 1 to 128 printable ASCII characters.
        traceparent: W3C trace context of the request: its own span's, or without tracing the
            client's, or one of our own.
        started: whether the answer's status line is already on its way.
        said: headers that the answer gets, whoever gives it.
    """

    __slots__ = ("correlation_id", "headers", "said", "started", "traceparent")

    def __init__(self, headers: dict[bytes, bytes], correlation_id: str, traceparent: str) -> None:
        self.headers = headers
        self.correlation_id = correlation_id
        self.traceparent = traceparent
        self.started = False
        self.said = [(b"x-correlation-id", correlation_id.encode("ascii"))]


def context_of(scope: Scope) -> RequestContext:
    """Return the context that `Correlation` has put into a request's scope."""
    context: RequestContext = scope[_KEY]
    return context


class Correlation:
    """ASGI middleware: reads the context of each request and names it in the answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; anything but HTTP passes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        traceparent = scope.get(TRACEPARENT) or client_traceparent(scope) or new_traceparent()
        chosen = headers.get(b"x-correlation-id")
        text = None if chosen is None else chosen.decode("latin-1")
        refused = text is not None and not is_correlation_id(text)
        if text is None or refused:
            text = correlation_id_of_trace(traceparent)
        context = RequestContext(headers, text, traceparent)
        scope[_KEY] = context

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                context.started = True
                message["headers"] = [*message["headers"], *context.said]
            await send(message)

        if refused:
            await send_problem(_not_a_correlation_id(), text, send_named)
        else:
            await self._app(scope, receive, send_named)


def client_traceparent(scope: Scope) -> str | None:
    """Return the client's trace context if it is valid; as W3C asks, ignore it if it is not."""
    for name, value in scope["headers"]:
        if name == b"traceparent":
            text: str = value.decode("latin-1")
            return text if is_traceparent(text) else None
    return None


def _not_a_correlation_id() -> Problem:
    return Problem(
        400,
        "invalid-header",
        "Invalid header",
        "X-Correlation-ID cannot serve as correlation id.",
        errors=[FieldProblem("X-Correlation-ID", "must be 1 to 128 printable ASCII characters")],
    )

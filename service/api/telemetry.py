"""Measures every request, and shows the measurements at `GET /metrics`."""

import time
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infrastructure.telemetry import metrics
from infrastructure.telemetry.exposition import CONTENT_TYPE, exposition

UNKNOWN_ROUTE: Final = "unknown"
_METHODS: Final = frozenset({"GET", "POST", "OPTIONS", "HEAD", "PUT", "PATCH", "DELETE"})


class Telemetry:
    """ASGI middleware: how long each request took, by its route's template."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; anything but HTTP passes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            metrics.HTTP_DURATION.labels(method_of(scope), route_of(scope), status).observe(
                time.perf_counter() - begun
            )


def method_of(scope: Scope) -> str:
    """Return a request's method; `_OTHER` for one that a client has made up."""
    method: str = scope["method"]
    return method if method in _METHODS else "_OTHER"


def route_of(scope: Scope) -> str:
    """Return the template of a request's path, such as `/tasks/{task_id}`."""
    return getattr(scope.get("route"), "path", UNKNOWN_ROUTE)


async def show_metrics(_scope: Scope, _receive: Receive, send: Send) -> None:
    """`GET /metrics`: in Prometheus' text format."""
    body = exposition()
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [
                (b"content-type", CONTENT_TYPE.encode()),
                (b"content-length", b"%d" % len(body)),
                (b"cache-control", b"no-store"),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})

"""Measures every request, and shows the measurements at `GET /metrics`."""

import logging
import time
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infrastructure.telemetry import metrics
from infrastructure.telemetry.context import trace_id_of
from infrastructure.telemetry.exposition import CONTENT_TYPE, exposition
from infrastructure.telemetry.tracing import SpanKind, Tracing
from service.api.correlation import TRACEPARENT, client_traceparent, context_of

UNKNOWN_ROUTE: Final = "unknown"
SERVER_ERROR: Final = 500
_log = structlog.get_logger(__name__)
_root = logging.getLogger()
_METHODS: Final = frozenset({"GET", "POST", "OPTIONS", "HEAD", "PUT", "PATCH", "DELETE"})


class Telemetry:
    """ASGI middleware: how long each request took, by its route's template, and its span.

    A submission begins a trace, or goes on with its client's. Other requests have spans only where
    their client records the trace: whoever polls for a status would fill the store.
    """

    def __init__(self, app: ASGIApp, tracing: Tracing) -> None:
        self._app = app
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; anything but HTTP passes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.time_ns()
        status = 0
        given = self._enter(scope)

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            ended = time.time_ns()
            metrics.HTTP_DURATION.labels(method_of(scope), route_of(scope), status).observe(
                (ended - begun) / 1e9
            )
            if _root.isEnabledFor(logging.DEBUG):
                _log_request(scope, status, ended - begun)
            traceparent = scope.get(TRACEPARENT)
            if traceparent is not None and self._tracing.records(traceparent):
                self._record(scope, given, begun, ended, status)

    def _enter(self, scope: Scope) -> str | None:
        """Give the request a span of its own, where it may have one; returns the client's."""
        sampler = self._tracing.sampler
        if sampler is None:
            return None
        given = client_traceparent(scope)
        if given is not None or scope["method"] == "POST":
            scope[TRACEPARENT] = sampler.enter(given)
        return given

    def _record(self, scope: Scope, given: str | None, begun: int, ended: int, status: int) -> None:
        method, route = method_of(scope), route_of(scope)
        attributes: dict[str, str | int | float | bool] = {
            "http.request.method": method,
            "url.path": scope["path"],
            "url.scheme": scope.get("scheme", "http"),
            "http.response.status_code": status,
            "ketlog.correlation.id": context_of(scope).correlation_id,
        }
        if route != UNKNOWN_ROUTE:
            attributes["http.route"] = route
        failed = status == 0 or status >= SERVER_ERROR
        if failed:
            attributes["error.type"] = str(status)
        self._tracing.span(
            method if route == UNKNOWN_ROUTE else f"{method} {route}",
            scope[TRACEPARENT],
            given,
            begun,
            ended,
            attributes,
            kind=SpanKind.SERVER,
            error=f"status {status}" if failed else None,
        )


def _log_request(scope: Scope, status: int, nanoseconds: int) -> None:
    context = context_of(scope)
    _log.debug(
        "Request answered",
        method=method_of(scope),
        route=route_of(scope),
        status=status,
        seconds=round(nanoseconds / 1e9, 6),
        correlation_id=context.correlation_id,
        trace_id=trace_id_of(context.traceparent),
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

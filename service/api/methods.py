"""Several methods of one path: so that what is not possible there is answered with all that is."""

from collections.abc import Mapping

from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send


class _ByMethod:
    def __init__(self, endpoints: Mapping[str, ASGIApp]) -> None:
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request of a method that the route lets through."""
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        await self._endpoints[method](scope, receive, send)


def methods(path: str, endpoints: Mapping[str, ASGIApp]) -> Route:
    """Return the route of a path whose methods have endpoints of their own."""
    return Route(path, _ByMethod(endpoints), methods=list(endpoints))

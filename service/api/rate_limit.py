"""How many requests one client may make.

The limit holds for one API process; a client is its address as this process sees it.
"""

import ipaddress
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.body import discard_body
from service.api.correlation import context_of
from service.api.limit_policy import LimitPolicy, rate_of
from service.api.problems import ClientGone, send_problem

POLICY: Final = "client"
UNLIMITED: Final = frozenset({"/health", "/livez", "/readyz", "/metrics"})
"""Paths that watchers ask for and that cost nothing."""
IPV6_SITE_BITS: Final = 64
"""One customer of a provider has at least so large a net: its addresses are one client."""


class RateLimit:
    """ASGI middleware: answers 429 to clients that ask too often.

    Args:
        per_second: requests of one client in the long run.
        burst: requests of one client at once; 0 for those of one second.
    """

    def __init__(self, app: ASGIApp, per_second: float, burst: int) -> None:
        self._app = app
        self._policy = LimitPolicy(POLICY, "One client", rate_of(per_second, burst))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; anything but HTTP passes through."""
        if scope["type"] != "http" or scope["path"] in UNLIMITED:
            await self._app(scope, receive, send)
            return
        context = context_of(scope)
        problem = self._policy.take(client_of(scope), context)
        if problem is None:
            await self._app(scope, receive, send)
            return
        try:
            problem = await discard_body(context.headers, receive, problem)
        except ClientGone:
            return
        await send_problem(problem, context.correlation_id, send)


def client_of(scope: Scope) -> str:
    """Return who asks: an IPv4 address, or the net of an IPv6 address."""
    client = scope.get("client")
    host = "" if client is None else str(client[0])
    if ":" not in host:
        return host
    try:
        address = ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, IPV6_SITE_BITS), strict=False))

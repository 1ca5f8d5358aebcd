"""How many requests one client may make, said in the answers as the IETF's draft words it.

`RateLimit-Policy` and `RateLimit` are those of draft-ietf-httpapi-ratelimit-headers: quota and
window of the policy, what is left of it and the seconds until all of it is there again. The limit
holds for one API process; a client is its address as this process sees it.
"""

import ipaddress
import math
import time
from collections.abc import Callable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.body import discard_body
from service.api.correlation import context_of
from service.api.problems import ClientGone, Problem, send_problem
from service.api.token_buckets import Quota, TokenBuckets

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
        clock: monotonic seconds.
    """

    def __init__(
        self,
        app: ASGIApp,
        per_second: float,
        burst: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._buckets = TokenBuckets(per_second, burst or max(1, math.ceil(per_second)))
        self._clock = clock
        window = math.ceil(self._buckets.burst / per_second)
        self._policy = f'"{POLICY}";q={self._buckets.burst};w={window}'.encode("ascii")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; anything but HTTP passes through."""
        if scope["type"] != "http" or scope["path"] in UNLIMITED:
            await self._app(scope, receive, send)
            return
        quota = self._buckets.take(client_of(scope), self._clock())
        said = [(b"ratelimit-policy", self._policy), (b"ratelimit", _left(quota))]

        async def send_said(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *said]
            await send(message)

        if quota.wait_seconds > 0:
            await self._refuse(quota, scope, receive, send_said)
        else:
            await self._app(scope, receive, send_said)

    async def _refuse(self, quota: Quota, scope: Scope, receive: Receive, send: Send) -> None:
        context = context_of(scope)
        seconds = math.ceil(quota.wait_seconds)
        problem = Problem(
            429,
            "rate-limited",
            "Too many requests",
            f"One client may make {self._buckets.per_second:g} requests a second here, and "
            f"{self._buckets.burst} at once. Send it again in {seconds} s.",
            headers={"retry-after": str(seconds)},
            members={"violated-policies": [POLICY]},
        )
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


def _left(quota: Quota) -> bytes:
    return f'"{POLICY}";r={quota.remaining};t={math.ceil(quota.full_seconds)}'.encode("ascii")

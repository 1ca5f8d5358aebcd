"""Which web pages may call the API from a browser."""

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

EXPOSED = (
    "Location",
    "X-Correlation-ID",
    "Retry-After",
    "Idempotency-Replayed",
    "Allow",
    "RateLimit",
    "RateLimit-Policy",
    "WWW-Authenticate",
)
ACCEPTED = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "Last-Event-ID",
    "X-Correlation-ID",
    "traceparent",
    "tracestate",
)


class Cors(CORSMiddleware):
    """Starlette's middleware, set up from `CORS_ORIGINS`.

    Args:
        origins: `*`, or origins separated by commas; nothing for none.
    """

    def __init__(self, app: ASGIApp, origins: str) -> None:
        names = [name.strip().rstrip("/") for name in origins.split(",") if name.strip()]
        super().__init__(
            app,
            allow_origins=names,
            allow_methods=("GET", "POST", "HEAD", "OPTIONS"),
            allow_headers=ACCEPTED,
            expose_headers=EXPOSED,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request. Where anyone may call, only browsers' requests need headers."""
        if scope["type"] == "http" and self.allow_all_origins and not _from_a_page(scope):
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def _from_a_page(scope: Scope) -> bool:
    for name, _value in scope["headers"]:  # noqa: SIM110 - a generator costs more than the search
        if name == b"origin":
            return True
    return False

"""What every answer tells browsers not to do with it.

Answers are data: no page may frame them, and nothing in them is ever run or loaded. The pages of
the documentation load their own parts, from here alone. Of where a reader came from, no link tells.
"""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_DATA: Final = b"default-src 'none'; frame-ancestors 'none'"
_DOCS: Final = b"; ".join(
    (
        b"default-src 'none'",
        b"script-src 'self'",
        b"style-src 'self' 'unsafe-inline'",
        b"img-src 'self' data:",
        b"connect-src 'self'",
        b"base-uri 'none'",
        b"form-action 'none'",
        b"frame-ancestors 'none'",
    )
)


class SecurityHeaders:
    """ASGI middleware: adds the headers to every answer.

    Args:
        hsts_seconds: for so long browsers that came by TLS are to come by TLS alone; 0 says
            nothing of it.
    """

    def __init__(self, app: ASGIApp, hsts_seconds: int) -> None:
        self._app = app
        everywhere = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer")]
        if hsts_seconds:
            everywhere.append((b"strict-transport-security", b"max-age=%d" % hsts_seconds))
        self._data = (*everywhere, (b"content-security-policy", _DATA))
        self._docs = (*everywhere, (b"content-security-policy", _DOCS))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; anything but HTTP passes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        added = self._docs if scope["path"].startswith("/docs") else self._data

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self._app(scope, receive, send_guarded)

"""Swagger UI at /docs, with all of its parts served from this installation.

The page loads nothing from elsewhere, and its Content-Security-Policy (`security_headers`) forbids
that it ever does.
"""

import hashlib
from collections.abc import Awaitable, Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]

_HEADERS = {"cache-control": "no-cache"}
_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>ketlog API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<noscript>This page needs JavaScript. The document itself is at
<a href="/openapi.json">/openapi.json</a>.</noscript>
<script src="/docs/swagger-ui.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
_START = """\
window.ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  validatorUrl: null,
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  persistAuthorization: false,
});
"""
_ASSETS = {
    "swagger-ui.js": ("swagger_bundle.js", "text/javascript; charset=utf-8"),
    "swagger-ui.css": ("swagger_style.css", "text/css; charset=utf-8"),
    "start.js": (None, "text/javascript; charset=utf-8"),
}


async def page(_request: Request) -> Response:
    """`GET /docs`."""
    return Response(_PAGE, media_type="text/html", headers=_HEADERS)


async def home(_request: Request) -> Response:
    """`GET /`: whoever looks here for the first time wants the documentation."""
    return RedirectResponse("/docs")


def routes() -> list[Route]:
    """Return the page's routes."""
    return [
        Route("/", home, methods=["GET"]),
        Route("/docs", page, methods=["GET"]),
        *(Route(f"/docs/{name}", _asset_endpoint(name), methods=["GET"]) for name in _ASSETS),
    ]


def _asset_endpoint(name: str) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        body, tag = _asset(name)
        headers = _HEADERS | {"etag": tag}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(body, media_type=_ASSETS[name][1], headers=headers)

    return endpoint


@cache
def _asset(name: str) -> tuple[bytes, str]:
    """Return an asset's bytes and its entity tag."""
    file, _media_type = _ASSETS[name]
    body = _START.encode() if file is None else (_package_folder() / file).read_bytes()
    return body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def _package_folder() -> Path:
    """Find the package that carries Swagger UI without importing it: that would load three
    user interfaces into memory."""
    spec = find_spec("offapi")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the package offapi, which carries Swagger UI, is not installed")
    return Path(spec.submodule_search_locations[0])

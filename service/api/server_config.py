"""How uvicorn serves the API."""

import asyncio
from typing import Any, Literal

import uvicorn
from starlette.types import ASGIApp

from infrastructure.settings import ApiSettings
from service.api.connections import IDLE_SECONDS, Connections
from service.api.listening import BACKLOG

CLOSING_SECONDS = 5
"""What is left of the grace for the adapters once the last request was answered, at most."""


class ServerConfig(uvicorn.Config):
    """uvicorn's configuration, and the connections of the server that has it."""

    def __init__(self, app: ASGIApp, connections: Connections, **settings: Any) -> None:
        super().__init__(app, **settings)
        self.connections = connections


def server_config(
    app: ASGIApp,
    settings: ApiSettings,
    http: type[asyncio.Protocol] | Literal["httptools"],
    connections: Connections | None = None,
) -> ServerConfig:
    """Return how uvicorn serves the API, or whatever is compared with it.

    Args:
        connections: bounds them; as `settings` say without it.
    """
    grace = settings.shutdown_grace_seconds
    return ServerConfig(
        app,
        connections or Connections(settings.max_connections),
        loop="uvloop",
        http=http,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=int(IDLE_SECONDS),
        timeout_graceful_shutdown=max(1, int(grace - min(CLOSING_SECONDS, grace / 4))),
    )

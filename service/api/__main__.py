"""Runs the API: `python -m service.api`."""

import asyncio
import gc
import socket
from types import FrameType
from typing import Literal

import structlog
import uvicorn
from starlette.types import ASGIApp

from infrastructure.settings import ApiSettings, read_settings
from infrastructure.shutdown import leave_after
from infrastructure.telemetry.logging import configure_logging
from service.api.app import create_app
from service.api.health import Health
from service.api.protocol import GatheringProtocol
from service.api.runtime import Runtime

BACKLOG = 2048
KEEP_ALIVE_SECONDS = 30
FAREWELL_SECONDS = 0.5
"""Requests that arrive so soon after the signal are answered like any other."""
CLOSING_SECONDS = 5
"""What is left of the grace for the adapters once the last request was answered, at most."""

_log = structlog.get_logger(__name__)


class Server(uvicorn.Server):
    """uvicorn's server, which ends with exit code 0 when it is asked to end."""

    def __init__(self, config: uvicorn.Config, health: Health, grace_seconds: float) -> None:
        super().__init__(config)
        self._health = health
        self._grace_seconds = grace_seconds

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Begin to drain; a second signal ends at once."""
        if self.should_exit:
            self.force_exit = True
        else:
            leave_after(self._grace_seconds)
        self._health.draining = True
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, answer what is on its way over those there are, and end."""
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        if not self.force_exit:
            await asyncio.sleep(FAREWELL_SECONDS)
        await super().shutdown(sockets)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; ends the process with advice when the port cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise SystemExit(
            f"ketlog cannot listen on {host}:{port} ({error.strerror or error}). "
            "Stop what uses that port, or set PORT (and HOST) to something else."
        ) from None


def server_config(
    app: ASGIApp,
    settings: ApiSettings,
    http: type[asyncio.Protocol] | Literal["httptools"] = GatheringProtocol,
) -> uvicorn.Config:
    """Return how uvicorn serves the API."""
    grace = settings.shutdown_grace_seconds
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=http,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, int(grace - min(CLOSING_SECONDS, grace / 4))),
    )


def spare_the_collector() -> None:
    """Keep what lives as long as the process out of every garbage collection, and have fewer."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def main() -> None:
    """Serve until SIGTERM or SIGINT, then finish what has begun."""
    settings = read_settings(ApiSettings)
    configure_logging("api", settings.log_level, settings.log_format)
    runtime = Runtime(settings)
    runtime.watch()
    health = Health(runtime.adapters.database, runtime.adapters.broker)
    app = create_app(settings, runtime.adapters, health, runtime.lifespan, runtime.tracing)
    config = server_config(app, settings)
    spare_the_collector()
    listener = listen(settings.host, settings.port)
    _log.info("Listening", host=settings.host, port=listener.getsockname()[1])
    Server(config, health, settings.shutdown_grace_seconds).run(sockets=[listener])
    _log.info("Stopped")


if __name__ == "__main__":
    main()

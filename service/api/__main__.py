"""Runs the API: `python -m service.api`."""

import asyncio
import os
import resource
import socket
import sys
from collections.abc import Callable
from types import FrameType

import structlog
import uvicorn

from infrastructure.collector import spare_the_collector
from infrastructure.settings import ApiSettings, read_settings
from infrastructure.shutdown import leave_after
from infrastructure.telemetry.logging import configure_logging
from service.api.app import create_app
from service.api.connection import BoundedProtocol
from service.api.connections import MOST_LEAVING, Connections
from service.api.health import Health
from service.api.listening import listen
from service.api.membership import Membership
from service.api.runtime import Runtime
from service.api.server_config import ServerConfig, server_config

TICKS_BETWEEN_SWEEPS = 10
FAREWELL_SECONDS = 0.5
"""Requests that arrive so soon after the signal are answered like any other."""
OTHER_DESCRIPTORS = 64
"""What the process has open beside the connections of its clients."""

_log = structlog.get_logger(__name__)


class Server(uvicorn.Server):
    """uvicorn's server, with bounded connections, and exit code 0 when it is asked to end."""

    def __init__(
        self,
        config: ServerConfig,
        health: Health,
        grace_seconds: float,
        on_serving: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(config)
        self._on_serving = on_serving
        self._connections = config.connections
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

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve, and say so."""
        await super().startup(sockets)
        if self.started:
            self._on_serving()

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: look after the connections, and whether to end."""
        if counter % TICKS_BETWEEN_SWEEPS == 0:
            self._connections.sweep(asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, answer what is on its way over those there are, and end."""
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        self._health.leave()
        if not self.force_exit:
            await asyncio.sleep(FAREWELL_SECONDS)
        await super().shutdown(sockets)


def places_for_connections(wanted: int) -> int:
    """Return how many connections there may be: as many as wanted, if there are descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + MOST_LEAVING + OTHER_DESCRIPTORS
    if hard != resource.RLIM_INFINITY and hard < needed:
        places = max(1, hard - MOST_LEAVING - OTHER_DESCRIPTORS)
        _log.warning(
            "Fewer connections than MAX_CONNECTIONS: raise the limit of open files (ulimit -n)",
            connections=places,
            open_files=hard,
        )
        needed, wanted = hard, places
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    return wanted


def _nobody_waits() -> None:
    """Nobody waits for a process that is alone."""


def main() -> None:
    """Serve until SIGTERM or SIGINT, then finish what has begun."""
    settings = read_settings(ApiSettings)
    membership = Membership.take()
    if settings.api_processes > 1 and membership is None:
        # Whoever only looks after others needs nothing of what was imported here.
        os.execv(sys.executable, [sys.executable, "-m", "service.api.several"])  # noqa: S606
    configure_logging("api", settings.log_level, settings.log_format)
    runtime = Runtime(settings, 0 if membership is None else membership.number)
    health = Health(runtime.adapters.database, runtime.adapters.broker)
    app = create_app(settings, runtime.adapters, health, runtime.lifespan, runtime.tracing)
    connections = Connections(places_for_connections(settings.max_connections))
    runtime.watch(connections)
    config = server_config(app, settings, BoundedProtocol, connections)
    spare_the_collector()
    if membership is None:
        listener, on_serving = listen(settings.host, settings.port), _nobody_waits
    else:
        listener, on_serving = membership.listener, membership.serves
    _log.info("Listening", host=settings.host, port=listener.getsockname()[1])
    server = Server(config, health, settings.shutdown_grace_seconds, on_serving)
    server.run(sockets=[listener])
    _log.info("Stopped")


if __name__ == "__main__":
    main()

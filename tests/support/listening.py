"""The API's connections on a loopback port, in the test's own event loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.types import ASGIApp
from uvicorn.server import ServerState

from infrastructure.settings import ApiSettings
from service.api.connection import BoundedProtocol
from service.api.connections import Connections
from service.api.server_config import server_config


@dataclass
class Listening:
    """Where it listens, and what is known of its connections."""

    port: int
    connections: Connections
    opened: list[asyncio.StreamWriter] = field(default_factory=list)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection; it is closed with everything else."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.opened.append(writer)
        return reader, writer

    async def exchange(self, request: bytes) -> bytes:
        """Send something on a connection of its own; returns all that comes until it is closed."""
        reader, writer = await self.connect()
        writer.write(request)
        return await asyncio.wait_for(reader.read(), 5)

    def sweep_in(self, seconds: float) -> None:
        """Look after the connections as if so much time had passed."""
        self.connections.sweep(asyncio.get_running_loop().time() + seconds)


@asynccontextmanager
async def listening(app: ASGIApp, most: int = 2048) -> AsyncIterator[Listening]:
    """Serve an application; `most` connections at a time. Nothing is swept by itself."""
    loop = asyncio.get_running_loop()
    connections = Connections(most)
    config = server_config(app, ApiSettings(), BoundedProtocol, connections)
    state = ServerState()
    server = await loop.create_server(
        lambda: BoundedProtocol(config, state, {}, loop), "127.0.0.1", 0
    )
    made = Listening(server.sockets[0].getsockname()[1], connections)
    try:
        yield made
    finally:
        server.close()
        for writer in made.opened:
            writer.close()
        for connection in list(state.connections):
            connection.transport.abort()
        await asyncio.gather(*state.tasks, return_exceptions=True)

"""The normal test topology: two API processes, two relays and three workers on private servers.

Most processes reach the servers through proxies of their own, so that each of their connections can
be disturbed by itself; one API and one worker go there directly, and see only what the servers do.
"""

import asyncio
import contextlib
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from infrastructure.heartbeat import is_fresh
from infrastructure.local.ports import free_ports
from infrastructure.local.postgres import PostgresServer
from infrastructure.local.rabbitmq import RabbitMQServer
from infrastructure.postgres.migrate import apply_migrations
from tests import servers
from tests.support.processes import Process, System, system
from tests.support.tcp_proxy import TcpProxy, proxied
from tests.support.waiting import eventually

DATABASE = "quantum_tasks"
MODULES = {"api": "service.api", "relay": "relay", "worker": "service.worker"}
DURABLE: Mapping[str, str] = {"fsync": "on", "synchronous_commit": "on"}
SETTINGS: Mapping[str, str] = {"LOG_FORMAT": "json", "WORKER_SLOTS": "1"}
DIRECT = frozenset({"api-2", "worker-3"})
START_SECONDS = 60.0


@dataclass
class Member:
    """One process of ketlog and its ways to the servers.

    Attributes:
        port: where it shows its metrics; an API's HTTP port.
        database: its proxy to PostgreSQL; `None` where it goes there directly.
        broker: the same to RabbitMQ.
    """

    kind: str
    process: Process
    port: int
    database: TcpProxy | None = None
    broker: TcpProxy | None = None

    @property
    def name(self) -> str:
        """Such as `worker-2`."""
        return self.process.name

    @property
    def url(self) -> str:
        """Base URL of its HTTP port."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self.process.popen is not None and self.process.popen.poll() is None

    @property
    def proxies(self) -> list[TcpProxy]:
        """Those that it has."""
        return [proxy for proxy in (self.database, self.broker) if proxy is not None]

    def ready(self) -> bool:
        """Whether it is at work, in touch with what it needs."""
        if self.kind != "api":
            return self.running and is_fresh(self.process.heartbeat_path)
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def memory(self) -> int:
        """Its resident memory in bytes; 0 when it does not run."""
        with contextlib.suppress(psutil.NoSuchProcess):
            if self.running:
                return int(psutil.Process(self.process.pid).memory_info().rss)
        return 0


@dataclass
class Topology:
    """Everything that runs.

    Attributes:
        database_url: of the owner, past every proxy.
    """

    postgres: PostgresServer
    rabbitmq: RabbitMQServer
    system: System
    members: dict[str, Member]

    @property
    def database_url(self) -> str:
        """Connection string of the owner, past every proxy."""
        return self.postgres.dsn(DATABASE)

    def of_kind(self, kind: str) -> list[Member]:
        """The members that are `api`, `relay` or `worker`."""
        return [member for member in self.members.values() if member.kind == kind]

    def not_ready(self) -> list[str]:
        """Names of the members that are not at work."""
        return [member.name for member in self.members.values() if not member.ready()]

    async def wait_ready(self, within: float = START_SECONDS) -> None:
        """Wait until every process is at work."""

        async def all_ready() -> bool:
            # In a thread: the proxies that they need live in this event loop.
            return not await asyncio.to_thread(self.not_ready)

        await eventually(all_ready, within, "every process is ready")


@contextlib.asynccontextmanager
async def topology(
    folder: Path, *, apis: int = 2, relays: int = 2, workers: int = 3
) -> AsyncIterator[Topology]:
    """Start the servers and all processes, and wait until they are at work.

    Args:
        folder: for the logs, heartbeats and the signing key of the processes.
    """
    with _servers() as (postgres, rabbitmq):
        postgres.ensure_database(DATABASE)
        apply_migrations(postgres.dsn(DATABASE))
        with system(postgres.dsn(DATABASE), rabbitmq.url, folder) as made:
            made.settings |= SETTINGS
            everything = Topology(postgres, rabbitmq, made, {})
            async with contextlib.AsyncExitStack() as cleanup:
                kinds = ["relay"] * relays + ["api"] * apis + ["worker"] * workers
                for kind, port in zip(kinds, free_ports(len(kinds)), strict=True):
                    name = f"{kind}-{len(everything.of_kind(kind)) + 1}"
                    everything.members[name] = await _start(cleanup, made, kind, name, port)
                await everything.wait_ready()
                yield everything


@contextlib.contextmanager
def _servers() -> Iterator[tuple[PostgresServer, RabbitMQServer]]:
    with servers.private_rabbitmq() as rabbitmq, servers.private_postgres(DURABLE) as postgres:
        yield postgres, rabbitmq


async def _start(
    cleanup: contextlib.AsyncExitStack, made: System, kind: str, name: str, port: int
) -> Member:
    database = broker = None
    settings = {"PORT" if kind == "api" else "METRICS_PORT": str(port)}
    if kind == "worker":
        settings["WORKER_ID"] = name
    if kind == "relay":
        settings["SIGNING_KEY_FILE"] = str(made.folder / "signing.key")
    if name not in DIRECT:
        database = await cleanup.enter_async_context(proxied(made.database_url))
        broker = await cleanup.enter_async_context(proxied(made.rabbitmq_url))
        settings["DATABASE_URL"] = database.url(made.database_url)
        settings["RABBITMQ_URL"] = broker.url(made.rabbitmq_url)
    return Member(kind, made.add(name, MODULES[kind], **settings), port, database, broker)

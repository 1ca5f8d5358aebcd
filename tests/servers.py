"""The PostgreSQL and RabbitMQ servers that the tests run on.

In this order: servers named by the environment (`TEST_DATABASE_URL`, `TEST_RABBITMQ_URL` with
`TEST_RABBITMQ_MANAGEMENT_URL`); containers, when a Docker engine answers; private native servers.
`TEST_SERVERS=native` or `TEST_SERVERS=containers` decides between the last two.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import pytest

from infrastructure.local.account import ServerAccount
from infrastructure.local.guardian import Guardian
from infrastructure.local.ports import NotReadyError, free_port, free_ports
from infrastructure.local.postgres import PostgresServer
from infrastructure.local.rabbitmq import RabbitMQServer, manage

# A killed server process loses nothing without it, and each fresh database costs a third.
_POSTGRES_TEST_SETTINGS = {"fsync": "off"}


class Server(Protocol):
    """What every server of the tests can be told; a server of somebody else skips the test."""

    def start(self) -> None:
        """Start it and wait until it answers; no effect when it runs."""

    def stop(self) -> None:
        """Shut down cleanly."""

    def kill(self) -> None:
        """SIGKILL."""

    def pause(self) -> None:
        """Freeze it: connections stay open, nothing answers."""

    def resume(self) -> None:
        """Undo `pause`."""


class DatabaseServer(Server, Protocol):
    """A PostgreSQL server whose superuser the tests know."""

    @property
    def admin_dsn(self) -> str:
        """Connection string of the superuser to the database `postgres`."""

    def dsn(self, database: str) -> str:
        """Connection string of the superuser to a database."""


class BrokerServer(Server, Protocol):
    """A RabbitMQ broker whose administrator the tests know."""

    @property
    def user(self) -> str:
        """The administrator."""

    def vhost_url(self, vhost: str) -> str:
        """Connection string of the administrator to a vhost."""

    def manage(
        self, method: str, path: str, body: object = None, *, timeout: float = 10.0
    ) -> tuple[int, bytes]:
        """Call the management API; status code and body of the answer."""

    def control(self, *arguments: str) -> str:
        """Run `rabbitmqctl`; what it printed."""


class _NotOurs:
    """A server that was named by the environment: used, never stopped."""

    def start(self) -> None:
        pass

    def resume(self) -> None:
        pass

    def stop(self) -> None:
        pytest.skip("the server was named by the environment: the tests do not stop it")

    kill = pause = stop


class _ExternalPostgres(_NotOurs):
    def __init__(self, url: str) -> None:
        self.admin_dsn = url

    def dsn(self, database: str) -> str:
        return urlunsplit(urlsplit(self.admin_dsn)._replace(path=f"/{quote(database, safe='')}"))


class _ExternalRabbitMQ(_NotOurs):
    def __init__(self, url: str, management_url: str) -> None:
        parts = urlsplit(url)
        self.user = unquote(parts.username or "guest")
        self._password = unquote(parts.password or "guest")
        self._url = url
        self._management_url = management_url.rstrip("/")

    def vhost_url(self, vhost: str) -> str:
        return urlunsplit(urlsplit(self._url)._replace(path=f"/{quote(vhost, safe='')}"))

    def control(self, *_arguments: str) -> str:
        pytest.skip("the broker was named by the environment: the tests do not change it")

    def manage(
        self, method: str, path: str, body: object = None, *, timeout: float = 10.0
    ) -> tuple[int, bytes]:
        return manage(
            self._management_url + path,
            method,
            body,
            user=self.user,
            password=self._password,
            timeout=timeout,
        )


@cache
def use_containers() -> bool:
    """Whether the servers of this run are containers."""
    choice = os.environ.get("TEST_SERVERS", "auto")
    if choice == "auto":
        from tests import containers  # noqa: PLC0415 - slow to import, and seldom needed

        return containers.engine_answers()
    return choice == "containers"


@contextmanager
def postgres() -> Iterator[DatabaseServer]:
    """A running PostgreSQL server, removed at the end."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield _ExternalPostgres(url.replace("postgresql+asyncpg://", "postgresql://", 1))
    elif use_containers():
        from tests import containers  # noqa: PLC0415

        with closing(containers.PostgresContainer()) as container:
            yield container
    else:
        with private_postgres(_POSTGRES_TEST_SETTINGS) as server:
            yield server


@contextmanager
def private_postgres(settings: Mapping[str, str] | None = None) -> Iterator[PostgresServer]:
    """A running native PostgreSQL server, removed at the end."""
    with ExitStack() as cleanup:
        guardian = cleanup.enter_context(Guardian())
        root = ServerAccount.current().make_reachable_root("ketlog-test-postgres-")
        guardian.remove_at_end(root)
        server = PostgresServer(root, free_port(), settings=settings, guardian=guardian)
        with _with_log(server.log):
            server.start()
        cleanup.callback(server.kill)
        yield server


@contextmanager
def rabbitmq() -> Iterator[BrokerServer]:
    """A running RabbitMQ broker, removed at the end."""
    if url := os.environ.get("TEST_RABBITMQ_URL"):
        management = os.environ.get("TEST_RABBITMQ_MANAGEMENT_URL")
        if not management:
            raise pytest.UsageError(
                "TEST_RABBITMQ_URL needs TEST_RABBITMQ_MANAGEMENT_URL beside it "
                "(such as http://localhost:15672), because each test makes a vhost of its own"
            )
        yield _ExternalRabbitMQ(url, management)
    elif use_containers():
        from tests import containers  # noqa: PLC0415

        with closing(containers.RabbitMQContainer()) as container:
            yield container
    else:
        with private_rabbitmq() as server:
            yield server


@contextmanager
def private_rabbitmq() -> Iterator[RabbitMQServer]:
    """A running native RabbitMQ broker, removed at the end."""
    with ExitStack() as cleanup:
        guardian = cleanup.enter_context(Guardian())
        root = ServerAccount.current().make_reachable_root("ketlog-test-rabbitmq-")
        guardian.remove_at_end(root)
        amqp, management_port, distribution, epmd = free_ports(4)
        server = RabbitMQServer(
            root,
            port=amqp,
            management_port=management_port,
            distribution_port=distribution,
            epmd_port=epmd,
            guardian=guardian,
        )
        with _with_log(server.log):
            server.start()
        cleanup.callback(server.kill)
        yield server


@contextmanager
def _with_log(log: Path) -> Iterator[None]:
    try:
        yield
    except NotReadyError as error:
        tail = log.read_text(errors="replace")[-4000:] if log.exists() else "(no log)"
        raise NotReadyError(f"{error}\n{tail}") from None

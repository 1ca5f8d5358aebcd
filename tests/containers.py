"""PostgreSQL and RabbitMQ in containers, for the tests of a machine with a Docker engine."""

from abc import ABC, abstractmethod
from typing import Any
from urllib.parse import quote

import docker  # type: ignore[import-untyped]
import psycopg
from testcontainers.core.container import DockerContainer

from infrastructure.local.ports import LOOPBACK, free_port, free_ports, wait_until
from infrastructure.local.rabbitmq import manage

POSTGRES_IMAGE = "postgres:18"
RABBITMQ_IMAGE = "rabbitmq:4-management"


def engine_answers() -> bool:
    """Whether there is a Docker engine to start containers on."""
    try:
        return bool(docker.from_env(timeout=5).ping())
    except (docker.errors.DockerException, OSError):
        return False


class _Container(ABC):
    """A server in a container, on fixed ports so that it comes back where it was."""

    def __init__(self, container: DockerContainer) -> None:
        self._container = container.start()

    def start(self) -> None:
        self._docker.start()
        self._wait_ready()

    def stop(self) -> None:
        self._docker.stop(timeout=30)

    def kill(self) -> None:
        self._docker.kill()

    def pause(self) -> None:
        self._docker.pause()

    def resume(self) -> None:
        self._docker.reload()
        if self._docker.status == "paused":
            self._docker.unpause()

    def close(self) -> None:
        self._container.stop()

    @property
    def _docker(self) -> Any:
        return self._container.get_wrapped_container()

    @abstractmethod
    def _wait_ready(self) -> None:
        """Return when the server answers."""


class PostgresContainer(_Container):
    def __init__(self) -> None:
        self._port = free_port()
        super().__init__(
            DockerContainer(POSTGRES_IMAGE, command="-c fsync=off -c max_connections=200")
            .with_env("POSTGRES_PASSWORD", "postgres")
            .with_bind_ports(5432, (LOOPBACK, self._port))  # type: ignore[arg-type]
        )
        self._wait_ready()

    @property
    def admin_dsn(self) -> str:
        return self.dsn("postgres")

    def dsn(self, database: str) -> str:
        return f"postgresql://postgres:postgres@{LOOPBACK}:{self._port}/{quote(database, safe='')}"

    def _wait_ready(self) -> None:
        def answers() -> bool:
            try:
                psycopg.connect(self.admin_dsn, connect_timeout=2).close()
            except psycopg.OperationalError:
                return False
            return True

        wait_until(answers, what=POSTGRES_IMAGE, timeout=120)


class RabbitMQContainer(_Container):
    user = "guest"

    def __init__(self) -> None:
        self._port, self._management_port = free_ports(2)
        super().__init__(
            DockerContainer(RABBITMQ_IMAGE)
            .with_env("RABBITMQ_DEFAULT_USER", "guest")
            .with_env("RABBITMQ_DEFAULT_PASS", "guest")
            .with_bind_ports(5672, (LOOPBACK, self._port))  # type: ignore[arg-type]
            .with_bind_ports(15672, (LOOPBACK, self._management_port))  # type: ignore[arg-type]
        )
        self._wait_ready()

    def vhost_url(self, vhost: str) -> str:
        return f"amqp://guest:guest@{LOOPBACK}:{self._port}/{quote(vhost, safe='')}"

    def manage(
        self, method: str, path: str, body: object = None, *, timeout: float = 10.0
    ) -> tuple[int, bytes]:
        url = f"http://{LOOPBACK}:{self._management_port}{path}"
        return manage(url, method, body, user="guest", password="guest", timeout=timeout)

    def control(self, *arguments: str) -> str:
        status, printed = self._docker.exec_run(["rabbitmqctl", "--quiet", *arguments])
        if status:
            raise RuntimeError(f"rabbitmqctl {arguments}: {printed.decode()}")
        return str(printed.decode())

    def _wait_ready(self) -> None:
        def answers() -> bool:
            try:
                status, _ = self.manage("GET", "/api/overview", timeout=2)
            except OSError:
                return False
            return status == 200

        wait_until(answers, what=RABBITMQ_IMAGE, timeout=120)

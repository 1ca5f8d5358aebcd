"""The benchmark's own servers and processes: private, on free ports, ended with it.

PostgreSQL runs as `make up` runs it, with `fsync` and `synchronous_commit` on, and the processes
with the settings they are shipped with, unless a row says otherwise.
"""

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import psycopg

from bench.machine import CHECKOUT, bare_environment
from infrastructure.heartbeat import is_fresh
from infrastructure.local.account import ServerAccount
from infrastructure.local.guardian import Guardian
from infrastructure.local.ports import LOOPBACK, free_port, free_ports, wait_until
from infrastructure.local.postgres import PostgresServer
from infrastructure.local.programs import POSTGRES_SETTINGS
from infrastructure.local.rabbitmq import RabbitMQServer
from infrastructure.postgres.migrate import apply_migrations

START_SECONDS = 60.0
STOP_SECONDS = 30.0
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


@dataclass(frozen=True, slots=True)
class Process:
    """A running process of ketlog, or a yardstick.

    Attributes:
        name: `api`, `relay`, `worker`, or the yardstick's module.
        pid: its process id.
        port: where it listens; 0 for one that does not.
        log: what it has written.
    """

    name: str
    pid: int
    port: int
    log: Path


class Servers:
    """One PostgreSQL and one RabbitMQ; a context manager. RabbitMQ starts when it is needed."""

    def __init__(
        self,
        settings: Mapping[str, str] | None = None,
        watch: Callable[[str, int], AbstractContextManager[None]] = lambda _name, _pid: (
            nullcontext()
        ),
    ) -> None:
        """Describe the servers; nothing is started.

        Args:
            settings: of PostgreSQL, beside the shipped ones.
            watch: entered with the name and the id of each process once it is ready.
        """
        self.watch = watch
        self._stack = ExitStack()
        self._settings = {**POSTGRES_SETTINGS, **DURABLE, **(settings or {})}
        self._rabbitmq: RabbitMQServer | None = None
        self._installations = 0

    def __enter__(self) -> Self:
        self.guardian = self._stack.enter_context(Guardian())
        self.folder = Path(mkdtemp(prefix="ketlog-bench-"))
        self.guardian.remove_at_end(self.folder)
        self.postgres = PostgresServer(
            self._root("pg"), free_port(), settings=self._settings, guardian=self.guardian
        )
        self.postgres.start()
        self._stack.callback(self.postgres.kill)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def rabbitmq(self) -> RabbitMQServer:
        """The broker, started on first use."""
        if self._rabbitmq is None:
            amqp, management, distribution, epmd = free_ports(4)
            self._rabbitmq = RabbitMQServer(
                self._root("rabbit"),
                port=amqp,
                management_port=management,
                distribution_port=distribution,
                epmd_port=epmd,
                guardian=self.guardian,
            )
            self._rabbitmq.start()
            self._stack.callback(self._rabbitmq.kill)
        return self._rabbitmq

    @property
    def postgres_pid(self) -> int:
        """Process id of the postmaster."""
        return int((self.postgres.data / "postmaster.pid").read_text().split()[0])

    @property
    def rabbitmq_pid(self) -> int:
        """Process id of the broker; its statistics come some seconds after its start."""
        node: dict[str, Any] = {}

        def known() -> bool:
            node.update(self.manage("GET", "/api/nodes")[0])
            return "os_pid" in node

        wait_until(known, what="RabbitMQ's statistics", timeout=START_SECONDS, interval=0.2)
        return int(node["os_pid"])

    def facts(self) -> dict[str, str]:
        """Return the servers' versions and what makes commits durable."""
        names = (*DURABLE, "shared_buffers", "wal_sync_method", "server_version")
        with psycopg.connect(self.postgres.admin_dsn) as connection:
            shown = {name: _shown(connection, name) for name in names}
        if self._rabbitmq is not None:
            shown["rabbitmq_version"] = self.manage("GET", "/api/overview")["rabbitmq_version"]
        return shown

    def manage(self, method: str, path: str, body: object = None) -> Any:
        """Call RabbitMQ's management API; returns the answer."""
        status, answer = self.rabbitmq.manage(method, path, body)
        assert status < 400, f"{method} {path}: {status} {answer[:200]!r}"
        return json.loads(answer) if answer else None

    def installation(self, *, broker: bool = True) -> "Installation":
        """Make an empty installation of ketlog: a migrated database, and a vhost of its own."""
        self._installations += 1
        name = f"bench_{self._installations}"
        self.postgres.ensure_database(name)
        dsn = self.postgres.dsn(name)
        apply_migrations(dsn)
        if not broker:
            return Installation(self, name, dsn, f"amqp://guest:guest@{LOOPBACK}:{free_port()}/")
        return Installation(self, name, dsn, self.vhost(name))

    def vhost(self, name: str) -> str:
        """Make an empty vhost; returns its URL."""
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        self.manage("PUT", f"/api/vhosts/{name}")
        user = quote(self.rabbitmq.user, safe="")
        self.manage("PUT", f"/api/permissions/{name}/{user}", everything)
        return self.rabbitmq.vhost_url(name)

    @contextmanager
    def process(self, name: str, module: str, environment: Mapping[str, str]) -> Iterator[int]:
        """Run a Python module with its output in a file; yields the process id."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module],
                cwd=CHECKOUT,
                env=bare_environment(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            yield process.pid
            assert process.poll() is None, f"{name} ended: see {self.folder / name}.log"
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)

    def _root(self, name: str) -> Path:
        root = ServerAccount.current().make_reachable_root(f"ketlog-bench-{name}-")
        self.guardian.remove_at_end(root)
        return root


@dataclass(frozen=True, slots=True)
class Installation:
    """A database and a vhost, and the processes on them."""

    servers: Servers
    name: str
    dsn: str
    broker_url: str

    def environment(self, **settings: str) -> dict[str, str]:
        """Return what the processes of this installation are told."""
        seals = self.servers.folder / self.name
        return {
            "DATABASE_URL": self.dsn,
            "RABBITMQ_URL": self.broker_url,
            "SIGNING_KEY_FILE": str(seals / "signing.key"),
            "CHECKPOINT_SINK": str(seals / "checkpoints"),
        } | settings

    @contextmanager
    def api(self, module: str = "service.api", **settings: str) -> Iterator[Process]:
        """Run an API, or a yardstick with the same settings; yields it when it answers."""
        port = free_port()
        environment = self.environment(HOST=LOOPBACK, PORT=str(port), **settings)
        name = "api" if module == "service.api" else module
        with self.servers.process(f"{self.name}-{name}", module, environment) as pid:
            _wait(lambda: _answers(port), module, pid)
            with self.servers.watch(f"{self.name}-{name}", pid):
                yield Process(name, pid, port, self.servers.folder / f"{self.name}-{name}.log")

    @contextmanager
    def relay(self, **settings: str) -> Iterator[Process]:
        """Run a relay; yields it when it leads and is connected."""
        with self._beating("relay", "relay", settings) as process:
            yield process

    @contextmanager
    def worker(self, name: str = "worker", **settings: str) -> Iterator[Process]:
        """Run a worker; yields it when it is ready and connected."""
        with self._beating(name, "service.worker", {"WORKER_ID": name} | settings) as process:
            yield process

    @contextmanager
    def everything(self, **settings: str) -> Iterator[dict[str, Process]]:
        """Run an API, a relay and a worker, as `make up` does; yields them by name."""
        with ExitStack() as stack:
            relay = stack.enter_context(self.relay(**settings))
            worker = stack.enter_context(self.worker(**settings))
            api = stack.enter_context(self.api(**settings))
            yield {"api": api, "relay": relay, "worker": worker}

    @contextmanager
    def _beating(self, name: str, module: str, settings: Mapping[str, str]) -> Iterator[Process]:
        full = f"{self.name}-{name}"
        heartbeat = self.servers.folder / f"{full}.heartbeat"
        environment = self.environment(HEARTBEAT_FILE=str(heartbeat), **settings)
        with self.servers.process(full, module, environment) as pid:
            _wait(lambda: is_fresh(heartbeat), full, pid)
            with self.servers.watch(full, pid):
                yield Process(name, pid, 0, self.servers.folder / f"{full}.log")


def _wait(ready: Callable[[], bool], what: str, pid: int) -> None:
    wait_until(ready, what=what, timeout=START_SECONDS, alive=lambda: _lives(pid))


def _lives(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def _answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://{LOOPBACK}:{port}/livez", timeout=2).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def _shown(connection: psycopg.Connection, name: str) -> str:
    row = connection.execute(f"SHOW {name}".encode()).fetchone()
    assert row is not None
    return str(row[0])

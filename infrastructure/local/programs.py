"""The processes of the native stack: what is run, with which environment."""

import os
import signal
import sys
from collections.abc import Mapping

from infrastructure.local.account import ServerAccount
from infrastructure.local.folders import StackFolders
from infrastructure.local.ports import LOOPBACK, free_port, is_free
from infrastructure.local.postgres import PostgresServer
from infrastructure.local.rabbitmq import RabbitMQServer
from infrastructure.local.settings import StackSettings
from infrastructure.local.supervisor import Program

POSTGRES_SETTINGS: Mapping[str, str] = {"shared_buffers": "256MB"}
"""What the stack's PostgreSQL is told beside the modest defaults; compose.yaml says the same."""

# Kept from the caller's environment, because Python and its libraries may need them.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")


def postgres_server(
    settings: StackSettings, folders: StackFolders, account: ServerAccount
) -> PostgresServer:
    """The stack's PostgreSQL."""
    return PostgresServer(
        folders.servers / "postgres",
        settings.postgres_port,
        user=settings.postgres_user,
        password=settings.postgres_password,
        settings=POSTGRES_SETTINGS,
        account=account,
    )


def rabbitmq_server(
    settings: StackSettings, folders: StackFolders, account: ServerAccount, *, running: bool
) -> RabbitMQServer:
    """The stack's RabbitMQ, with the inner ports that it had before as long as they are usable."""
    inner = dict(folders.recall("rabbitmq-ports"))
    for name in ("distribution", "epmd"):
        if name not in inner or not (running or is_free(inner[name])):
            inner[name] = free_port({*settings.ports.values(), *inner.values()})
    folders.remember("rabbitmq-ports", inner)
    return RabbitMQServer(
        folders.servers / "rabbitmq",
        port=settings.rabbitmq_port,
        management_port=settings.rabbitmq_management_port,
        distribution_port=inner["distribution"],
        epmd_port=inner["epmd"],
        user=settings.rabbitmq_user,
        password=settings.rabbitmq_password,
        account=account,
    )


def server_programs(
    postgres: PostgresServer, rabbitmq: RabbitMQServer, account: ServerAccount
) -> list[Program]:
    """The servers, which have been prepared."""
    return [
        Program(
            "postgres",
            postgres.command,
            postgres.environment,
            postgres.root,
            account,
            stop_signal=signal.SIGINT,
            death_signal=signal.SIGINT,
        ),
        Program("epmd", rabbitmq.epmd_command, rabbitmq.environment, rabbitmq.home, account),
        Program(
            "rabbitmq",
            rabbitmq.command,
            rabbitmq.environment,
            rabbitmq.home,
            account,
            # An orderly end takes seconds, in which the next stack would find it in the way.
            death_signal=signal.SIGKILL,
        ),
    ]


def worker_names(count: int) -> list[str]:
    """Names of so many workers."""
    return [f"worker-{number}" for number in range(1, count + 1)]


def ketlog_programs(settings: StackSettings, folders: StackFolders, workers: int) -> list[Program]:
    """The processes of ketlog itself, which run as the caller."""
    grace = float(settings.variables.get("SHUTDOWN_GRACE_SECONDS", "20"))

    def program(name: str, module: str, **own: str) -> Program:
        return Program(
            name,
            [sys.executable, "-m", module],
            {**process_environment(settings), **own},
            settings.checkout,
            stop_seconds=int(grace) + 10,
        )

    def with_heartbeat(name: str, module: str, **own: str) -> Program:
        return program(name, module, HEARTBEAT_FILE=str(folders.heartbeat(name)), **own)

    return [
        program("api", "service.api", HOST=LOOPBACK, PORT=str(settings.api_port)),
        with_heartbeat("relay", "relay", **seals(settings, folders), **_metrics(settings, 0)),
        *(
            with_heartbeat(name, "service.worker", **_metrics(settings, number))
            for number, name in enumerate(worker_names(workers), 1)
        ),
    ]


def _metrics(settings: StackSettings, number: int) -> Mapping[str, str]:
    """A port of its own for each process that has no HTTP port: METRICS_PORT and those above."""
    first = settings.variables.get("METRICS_PORT", "")
    if not first.isdecimal() or int(first) == 0:
        return {}
    return {"METRICS_PORT": str(int(first) + number)}


def seals(settings: StackSettings, folders: StackFolders) -> Mapping[str, str]:
    """What the sealer and those who verify its work have to agree on."""
    chosen = settings.variables
    return {name: chosen.get(name, default) for name, default in folders.seals.items()}


def process_environment(settings: StackSettings) -> Mapping[str, str]:
    """The environment of every process of ketlog."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {
        **inherited,
        **settings.variables,
        "PYTHONUNBUFFERED": "1",
        "DATABASE_URL": settings.database_url,
        "RABBITMQ_URL": settings.rabbitmq_url,
    }

"""What the user can choose about the local stack: `.env` and the environment, in one place."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self
from urllib.parse import quote, urlsplit, urlunsplit

from dotenv import dotenv_values

from infrastructure.local.ports import LOOPBACK

DEFAULT_PORTS = {
    "API_PORT": 8001,
    "POSTGRES_PORT": 5432,
    "RABBITMQ_PORT": 5672,
    "RABBITMQ_MANAGEMENT_PORT": 15672,
}
MAX_WORKERS = 64

# `.stack/env` defines these two, and a shell that has read it may hold those of another stack.
ONLY_FROM_FILE = ("DATABASE_URL", "RABBITMQ_URL")
"""Read from `.env` alone, never from the environment."""

# The processes of the stack get these from the stack itself.
_SET_BY_THE_STACK = frozenset({*ONLY_FROM_FILE, "HOST", "PORT", "HEARTBEAT_FILE", "WORKER_ID"})


class StackSettingsError(Exception):
    """A variable holds something that the stack cannot work with; the message names it."""


@dataclass(frozen=True)
class StackSettings:
    """The choices, checked.

    Attributes:
        checkout: The project's folder.
        stack_dir: Where the stack keeps its files.
        api_port: Port of the HTTP API on 127.0.0.1, like the three after it.
        postgres_port: Port of PostgreSQL.
        rabbitmq_port: AMQP port of RabbitMQ.
        rabbitmq_management_port: Port of RabbitMQ's management API and pages.
        postgres_user: Owner of the database.
        postgres_password: The owner's password.
        postgres_db: Name of the database.
        rabbitmq_user: Administrator of the broker.
        rabbitmq_password: The administrator's password.
        kind: `native`, `compose` or `auto`.
        workers: How many workers were asked for; `None` leaves it as it is.
        database_url: As this machine reaches the database.
        rabbitmq_url: As this machine reaches the broker.
        variables: Everything else that the processes may read, by variable name.
    """

    checkout: Path
    stack_dir: Path
    api_port: int
    postgres_port: int
    rabbitmq_port: int
    rabbitmq_management_port: int
    postgres_user: str
    postgres_password: str
    postgres_db: str
    rabbitmq_user: str
    rabbitmq_password: str
    kind: str
    workers: int | None
    database_url: str
    rabbitmq_url: str
    variables: Mapping[str, str]

    @property
    def api_url(self) -> str:
        """Base URL of the API."""
        return f"http://{LOOPBACK}:{self.api_port}"

    @property
    def rabbitmq_management_url(self) -> str:
        """Base URL of RabbitMQ's management API and pages."""
        return f"http://{LOOPBACK}:{self.rabbitmq_management_port}"

    @property
    def ports(self) -> Mapping[str, int]:
        """Port by the name of its variable."""
        return {name: getattr(self, name.lower()) for name in DEFAULT_PORTS}

    @classmethod
    def read(cls, checkout: Path, environment: Mapping[str, str] | None = None) -> Self:
        """Read `.env` in the checkout and the environment, which wins.

        Raises:
            StackSettingsError: A variable cannot be used.
        """
        environment = os.environ if environment is None else environment
        file = {
            name: value
            for name, value in dotenv_values(checkout / ".env").items()
            if value is not None
        }
        shell = {name: value for name, value in environment.items() if name not in ONLY_FROM_FILE}
        chosen = {name: value for name, value in {**file, **shell}.items() if value}
        ports = {
            name: _whole_number(chosen, name, default, 1, 65535)
            for name, default in DEFAULT_PORTS.items()
        }
        _refuse_shared_ports(ports)
        workers = _whole_number(chosen, "WORKERS", 0, 1, MAX_WORKERS)
        user = chosen.get("POSTGRES_USER", "postgres")
        password = chosen.get("POSTGRES_PASSWORD", "postgres")
        database = chosen.get("POSTGRES_DB", "quantum_tasks")
        broker_user = chosen.get("RABBITMQ_DEFAULT_USER", "guest")
        broker_password = chosen.get("RABBITMQ_DEFAULT_PASS", "guest")
        own_database = f"postgresql://{_login(user, password)}@postgres/{quote(database, safe='')}"
        own_broker = f"amqp://{_login(broker_user, broker_password)}@rabbitmq/"
        stack_dir = checkout / chosen.get("STACK_DIR", ".stack")
        return cls(
            checkout=checkout,
            stack_dir=stack_dir,
            **{name.lower(): port for name, port in ports.items()},
            postgres_user=user,
            postgres_password=password,
            postgres_db=database,
            rabbitmq_user=broker_user,
            rabbitmq_password=broker_password,
            kind=_one_of(chosen, "STACK", ("auto", "native", "compose")),
            workers=workers or None,
            database_url=seen_from_here(
                # Plain, so that psql and other tools understand it too.
                chosen.get("DATABASE_URL", own_database).replace("+asyncpg:", ":", 1),
                "postgres",
                ports["POSTGRES_PORT"],
            ),
            rabbitmq_url=seen_from_here(
                chosen.get("RABBITMQ_URL", own_broker),
                "rabbitmq",
                ports["RABBITMQ_PORT"],
            ),
            variables={
                name: chosen[name]
                for name in (*process_variables(), *file)
                if name in chosen and name not in _SET_BY_THE_STACK
            },
        )

    def endpoints(self) -> Mapping[str, str]:
        """What `.stack/env` holds: how this machine reaches the stack."""
        return {
            "API_URL": self.api_url,
            "DATABASE_URL": self.database_url,
            "ADMIN_DATABASE_URL": self.database_url,
            "RABBITMQ_URL": self.rabbitmq_url,
            "RABBITMQ_MANAGEMENT_URL": self.rabbitmq_management_url,
        }


def process_variables() -> list[str]:
    """Names of the variables that the stack's processes read."""
    # Both know their own names; importing them here keeps `make help` and the like quick.
    from infrastructure import settings  # noqa: PLC0415
    from infrastructure.quantum.limits import EngineLimits  # noqa: PLC0415

    kinds = (settings.ApiSettings, settings.RelaySettings, settings.WorkerSettings)
    names = [name.upper() for kind in kinds for name in kind.model_fields]
    names += [limit.name.upper() for limit in fields(EngineLimits)]
    return list(dict.fromkeys(names))


def seen_from_here(url: str, service: str, port: int) -> str:
    """Replace a service's name, which only the network of the containers knows, by 127.0.0.1.

    So one `.env` serves both stacks. Any other host is left as it is.
    """
    parts = urlsplit(url)
    if parts.hostname != service:
        return url
    login = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{login}@{LOOPBACK}:{port}".removeprefix("@")))


def _login(user: str, password: str) -> str:
    return f"{quote(user, safe='')}:{quote(password, safe='')}"


def _whole_number(
    chosen: Mapping[str, str], name: str, default: int, lowest: int, highest: int
) -> int:
    text = chosen.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or not lowest <= int(text) <= highest:
        raise StackSettingsError(f"{name}={text} must be a whole number from {lowest} to {highest}")
    return int(text)


def _one_of(chosen: Mapping[str, str], name: str, choices: Sequence[str]) -> str:
    """The value of a variable that has few; the first of them unless it is set."""
    value = chosen.get(name, choices[0])
    if value not in choices:
        raise StackSettingsError(f"{name}={value} must be one of {', '.join(choices)}")
    return value


def _refuse_shared_ports(ports: Mapping[str, int]) -> None:
    seen: dict[int, str] = {}
    for name, port in ports.items():
        if port in seen:
            raise StackSettingsError(f"{seen[port]} and {name} are both {port}: change one of them")
        seen[port] = name

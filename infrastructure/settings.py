"""Settings of all processes, from environment variables of the same name in capitals.

Every process reads the part that concerns it; README.md lists them. Defaults suit one machine:
everything on loopback, the development users of `compose.yaml`.
"""

import ipaddress
import os
import socket
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias, TypeVar

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from domain.task import DEFAULT_MAX_ATTEMPTS

DEFAULT_DATABASE_URL = "postgresql://postgres:postgres@127.0.0.1:5432/quantum_tasks"
DEFAULT_RABBITMQ_URL = "amqp://guest:guest@127.0.0.1:5672/"
_DATABASE_SCHEMES = ("postgresql://", "postgres://", "postgresql+asyncpg://")
_BROKER_SCHEMES = ("amqp://", "amqps://")


class SettingsError(SystemExit):
    """The environment holds a value that no process can work with; the message says which."""


def _database_url(url: str) -> str:
    for scheme in _DATABASE_SCHEMES:
        if url.startswith(scheme):
            return "postgresql://" + url.removeprefix(scheme)
    raise ValueError("must begin with " + ", ".join(_DATABASE_SCHEMES))


def _broker_url(url: str) -> str:
    if not url.startswith(_BROKER_SCHEMES):
        raise ValueError("must begin with " + " or ".join(_BROKER_SCHEMES))
    return url


def _log_level(level: str) -> str:
    name = level.upper()
    name = {"WARN": "WARNING", "FATAL": "CRITICAL"}.get(name, name)
    if name not in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}:
        raise ValueError("must be DEBUG, INFO, WARN, ERROR or CRITICAL")
    return name


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


SamplerName: TypeAlias = Literal[
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
]
DatabaseUrl = Annotated[str, AfterValidator(_database_url)]
BrokerUrl = Annotated[str, AfterValidator(_broker_url)]
LogLevel = Annotated[str, AfterValidator(_log_level)]
T = TypeVar("T", bound="Settings")


class Settings(BaseSettings):
    """What every process needs."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True, frozen=True)

    database_url: DatabaseUrl = DEFAULT_DATABASE_URL
    rabbitmq_url: BrokerUrl = DEFAULT_RABBITMQ_URL
    database_pool_size: int = Field(default=8, ge=2, le=100)
    log_level: LogLevel = "INFO"
    log_format: Literal["auto", "json", "console"] = "auto"
    shutdown_grace_seconds: float = Field(default=20.0, gt=0)
    max_attempts: int = Field(default=DEFAULT_MAX_ATTEMPTS, ge=1)
    check_seconds: float = Field(default=10.0, gt=0, le=60)
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=0, ge=0, le=65535)
    otel_sdk_disabled: bool = False
    otel_traces_sampler: SamplerName = "parentbased_traceidratio"
    otel_traces_sampler_arg: float = Field(default=0.1, ge=0, le=1)
    otel_exporter_otlp_endpoint: str = ""
    trace_store: Literal["database", "none"] = "database"


class ApiSettings(Settings):
    """The HTTP API."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    api_processes: int = Field(default=1, ge=1, le=64)
    api_metrics_port: int = Field(default=0, ge=0, le=65535)
    auth: Literal["off", "keys"] = "off"
    auth_off_anywhere: bool = False
    cors_origins: str = "*"
    hsts_seconds: int = Field(default=0, ge=0)
    max_shots: int = Field(default=100_000, ge=1)
    max_circuit_bytes: int = Field(default=1_048_576, ge=1)
    max_days_ahead: int = Field(default=366, ge=0, le=36_600)
    request_deadline_seconds: float = Field(default=2.2, gt=0)
    max_requests_in_flight: int = Field(default=512, ge=1)
    max_connections: int = Field(default=2048, ge=1)
    max_streams: int = Field(default=1_500, ge=0)
    max_streams_per_tenant: int = Field(default=500, ge=0)
    stream_seconds: float = Field(default=900.0, gt=0)
    max_wait_seconds: int = Field(default=60, ge=0, le=60)
    max_backlog: int = Field(default=1_000_000, ge=0)
    rate_limit_per_second: float = Field(default=0.0, ge=0)
    rate_limit_burst: int = Field(default=0, ge=0)
    tenant_rate_limit_per_second: float = Field(default=0.0, ge=0)
    tenant_rate_limit_burst: int = Field(default=0, ge=0)
    max_backlog_per_tenant: int = Field(default=250_000, ge=0)
    broker_down_policy: Literal["accept", "reject"] = "accept"

    @model_validator(mode="after")
    def _open_to_this_machine_alone(self) -> Self:
        if self.auth == "off" and not self.auth_off_anywhere and not _is_loopback(self.host):
            raise ValueError(
                f"AUTH=off serves whoever can reach {self.host}. Set AUTH=keys and make keys with "
                "`make key`, or HOST=127.0.0.1; AUTH_OFF_ANYWHERE=true if something else keeps "
                "strangers away"
            )
        return self


class WorkerSettings(Settings):
    """The worker. The limits of its simulator are in `infrastructure.quantum.limits`."""

    worker_id: str = Field(default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}")
    worker_slots: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, le=256)
    simulator_spares: int = Field(default=1, ge=0, le=256)
    lease_seconds: float = Field(default=2.5, gt=0)
    lease_renewal_seconds: float = Field(default=0.5, gt=0)
    heartbeat_file: Path | None = None


class SealSettings(Settings):
    """Who signs checkpoints of the log, and where they are shipped to."""

    signing_key_file: Path = Path("ketlog-signing.key")
    log_origin: str = "ketlog"
    checkpoint_sink: Path | None = None


class RelaySettings(SealSettings):
    """The outbox relay, the reaper and the sealer."""

    dispatch_window: int = Field(default=1_000, ge=64)
    dispatch_window_least: int = Field(default=8, ge=1)
    redispatch_seconds: float = Field(default=10.0, gt=0)
    relay_poll_seconds: float = Field(default=0.5, gt=0)
    lease_seconds: float = Field(default=2.5, gt=0)
    trace_hours: float = Field(default=24.0, gt=0)
    seal_seconds: float = Field(default=2.0, ge=0.05, le=3600)
    heartbeat_file: Path | None = None


def read_settings(kind: type[T]) -> T:
    """Read one process's settings from the environment.

    Raises:
        SettingsError: ends the process with a message that names each bad variable.
    """
    try:
        return kind()
    except ValidationError as error:
        lines = [
            f"  {'.'.join(map(str, problem['loc'])).upper() or 'AUTH'}: {problem['msg']}"
            for problem in error.errors()
        ]
        raise SettingsError(
            "ketlog cannot start, these variables have to be changed:\n" + "\n".join(lines)
        ) from None

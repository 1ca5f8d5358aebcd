"""The commands that the native stack and Docker Compose have in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from infrastructure.local.settings import StackSettings
from infrastructure.local.terminal import UserError, say

SERVICES = ("postgres", "rabbitmq", "api", "relay", "worker")
"""What the user can name; the native stack runs RabbitMQ's port mapper, epmd, beside them."""


@dataclass(frozen=True)
class LogOptions:
    """What `logs` shows.

    Attributes:
        service: One service, or `None` for all.
        follow: Whether to go on until Ctrl-C.
        containing: Only lines with this text, such as a correlation id.
    """

    service: str | None
    follow: bool
    containing: str = ""


class Stack(Protocol):
    """One way of running PostgreSQL, RabbitMQ, the API, the relay and the workers."""

    @property
    def running(self) -> bool:
        """Whether anything of this stack is up."""

    def up(self) -> None:
        """Start whatever does not run, apply migrations, and wait until all is healthy."""

    def down(self) -> None:
        """Stop everything; the data stays."""

    def clean(self) -> None:
        """Stop everything and remove the data."""

    def status(self) -> bool:
        """Print the processes and what is wrong; whether nothing is."""

    def logs(self, options: LogOptions) -> None:
        """Print the logs."""

    def start(self, service: str) -> None:
        """Start a service."""

    def stop(self, service: str) -> None:
        """Stop a service and leave the others alone."""

    def restart(self, service: str) -> None:
        """Stop and start a service."""

    def scale(self, workers: int) -> None:
        """Run so many workers."""

    def psql(self, arguments: Sequence[str]) -> int:
        """Run psql on the database; its exit code."""

    def migrate(self, arguments: Sequence[str]) -> int:
        """Run the migration program with these arguments; its exit code."""


def print_addresses(settings: StackSettings) -> None:
    """Tell the user where to look."""
    say()
    say(f"  API         http://localhost:{settings.api_port}         (try it: /docs)")
    say(f"  RabbitMQ    http://localhost:{settings.rabbitmq_management_port}")
    say(f"  PostgreSQL  localhost:{settings.postgres_port}, database {settings.postgres_db}")
    say(f"  for shells  {settings.stack_dir / 'env'}")
    say()


def print_verdict(problems: Sequence[str], notice: str | None) -> bool:
    """Tell the user how the stack is; whether nothing is wrong."""
    if notice is not None:
        say(notice)
    say("healthy" if not problems else "not healthy:\n  " + "\n  ".join(problems))
    return not problems


def taken_port(variable: str, port: int) -> UserError:
    """The error for a port on which somebody else listens."""
    other = port + 10 if port < 65_000 else port - 10  # noqa: PLR2004
    return UserError(
        f"port {port} is taken by another program: end that one, or choose another port with "
        f"{variable} (`make up {variable}={other}`, or in .env)"
    )


def check_service(name: str) -> str:
    """The name, if it is one of the services.

    Raises:
        UserError: It is not.
    """
    if name not in SERVICES:
        raise UserError(f"SERVICE={name} is not one of {', '.join(SERVICES)}")
    return name

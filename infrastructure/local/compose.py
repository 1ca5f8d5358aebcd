"""The stack in containers, through Docker Compose."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence

from infrastructure.local.account import ServerAccount
from infrastructure.local.folders import StackFolders
from infrastructure.local.health import (
    api_problems,
    consumer_problems,
    pause_notice,
    wait_for_health,
)
from infrastructure.local.ports import is_free
from infrastructure.local.settings import ONLY_FROM_FILE, StackSettings
from infrastructure.local.stack import (
    SERVICES,
    LogOptions,
    print_addresses,
    print_verdict,
    taken_port,
)
from infrastructure.local.terminal import UserError, say, step

_HEALTHY_WITHIN_SECONDS = 120.0
_PROBE_SECONDS = 20
COLLECTOR_URL = "http://collector:4318"
"""The OpenTelemetry collector of the profile `tracing`, in the network of the containers."""


class ComposeStack:
    """See `infrastructure.local.stack.Stack`."""

    def __init__(self, settings: StackSettings, *, build: bool = True) -> None:
        """Remember the user's choices; nothing is touched yet.

        Args:
            settings: Ports, passwords and so on.
            build: Whether `up` builds the image anew when files have changed.
        """
        self._settings = settings
        self._build = build
        self._folders = StackFolders(settings.stack_dir, ServerAccount.current())

    @property
    def running(self) -> bool:
        """Whether a container of this stack runs."""
        return bool(self._containers())

    def up(self) -> None:
        """Start whatever does not run, apply migrations, and wait until all is healthy."""
        present = self._containers()
        if not present:
            for variable, port in self._settings.ports.items():
                if not is_free(port):
                    raise taken_port(variable, port)
        workers = self._settings.workers or present.count("worker") or 1
        options = ["--build"] if self._build else ["--no-build"]
        self._compose("up", "-d", *options, "--scale", f"worker={workers}")
        with step(f"healthy, {workers} worker{'s' if workers > 1 else ''}"):
            self._wait_for_health(workers)
        self._folders.write_env(self._settings.endpoints())
        print_addresses(self._settings)

    def down(self) -> None:
        """Stop everything; the data stays."""
        self._compose("down", "--remove-orphans")
        self._folders.env_file.unlink(missing_ok=True)

    def clean(self) -> None:
        """Stop everything and remove the data."""
        self._compose("down", "--volumes", "--remove-orphans")
        self._folders.remove()

    def status(self) -> bool:
        """Print the containers and what is wrong; whether nothing is."""
        self._compose("ps", "--all")
        problems = self._problems(max(self._containers().count("worker"), 1))
        return print_verdict(problems, pause_notice(self._settings.database_url))

    def logs(self, options: LogOptions) -> None:
        """Print the logs."""
        follow = ["--follow", "--tail=100"] if options.follow else []
        try:
            services = [options.service] if options.service else []
            if options.containing:
                self._filtered_logs(options.containing, ["logs", *follow, *services])
            else:
                self._compose("logs", *follow, *services)
        except KeyboardInterrupt:
            say()

    def _filtered_logs(self, text: str, arguments: Sequence[str]) -> None:
        with subprocess.Popen(
            self._command(*arguments),
            cwd=self._settings.checkout,
            env=self._environment(),
            stdout=subprocess.PIPE,
        ) as process:
            wanted = text.encode()
            for line in process.stdout or ():
                if wanted in line:
                    sys.stdout.buffer.write(line)
                    sys.stdout.buffer.flush()

    def start(self, service: str) -> None:
        """Start a service."""
        self._compose("start", service)
        with step(f"{service} healthy"):
            wait_for_health(lambda: self._unhealthy(service), timeout=60, give_up=lambda: None)

    def stop(self, service: str) -> None:
        """Stop a service and leave the others alone."""
        self._compose("stop", service)

    def restart(self, service: str) -> None:
        """Stop and start a service."""
        self.stop(service)
        self.start(service)

    def scale(self, workers: int) -> None:
        """Run so many workers."""
        options = ("-d", "--no-build", "--no-recreate", "--no-deps", "--scale", f"worker={workers}")
        self._compose("up", *options, "worker")
        with step(f"{workers} worker{'s' if workers > 1 else ''}"):
            self._wait_for_health(workers)

    def psql(self, arguments: Sequence[str]) -> int:
        """Run psql on the database; its exit code."""
        terminal = [] if sys.stdin.isatty() else ["-T"]
        login = ("-U", self._settings.postgres_user, "-d", self._settings.postgres_db)
        command = self._command("exec", *terminal, "postgres", "psql", *login, *arguments)
        return self._run(command).returncode

    def migrate(self, arguments: Sequence[str]) -> int:
        """Run the migration program with these arguments; its exit code."""
        command = self._command("run", "--rm", "-T", "migrate", *arguments)
        return self._run(command).returncode

    def _wait_for_health(self, workers: int) -> None:
        wait_for_health(
            lambda: self._problems(workers),
            timeout=_HEALTHY_WITHIN_SECONDS,
            give_up=lambda: None,
        )

    def _problems(self, workers: int) -> list[str]:
        return [
            *(problem for service in SERVICES for problem in self._unhealthy(service)),
            *api_problems(self._settings),
            *consumer_problems(self._settings.rabbitmq_url, self._settings.database_url, workers),
        ]

    def _unhealthy(self, service: str) -> list[str]:
        containers = [entry for entry in self._listing() if entry["Service"] == service]
        if not containers:
            return [f"{service}: no container runs"]
        return [
            f"{entry['Name']}: {entry['Health'] or entry['State']}"
            for entry in containers
            if entry["State"] != "running" or entry["Health"] not in {"healthy", ""}
        ]

    def _containers(self) -> list[str]:
        """The service of each container that runs."""
        return [entry["Service"] for entry in self._listing() if entry["State"] == "running"]

    def _listing(self) -> list[dict[str, str]]:
        outcome = self._run(self._command("ps", "--format", "json"), stdout=subprocess.PIPE)
        if outcome.returncode != 0:
            raise UserError("docker compose ps failed: see its message above")
        text = outcome.stdout.decode().strip()
        # Older releases print one array, newer ones an object per line.
        entries = json.loads(text or "[]") if text[:1] in {"", "["} else text.splitlines()
        return [json.loads(entry) if isinstance(entry, str) else entry for entry in entries]

    def _compose(self, *arguments: str) -> None:
        if self._run(self._command(*arguments)).returncode != 0:
            raise UserError(f"docker compose {arguments[0]} failed: see its message above")

    def _command(self, *arguments: str) -> list[str]:
        project = self._project()
        named = ["-p", project] if project else []
        # What an earlier `up` has started beside the stack has to be seen and stopped as well.
        traced = self._traced or arguments[0] in {"down", "logs"}
        profile = ["--profile", "tracing"] if traced else []
        return ["docker", "compose", *named, *profile, *arguments]

    @property
    def _traced(self) -> bool:
        """Whether a collector and Jaeger are wanted beside the stack."""
        wanted = os.environ.get("TRACING", self._settings.variables.get("TRACING", ""))
        return wanted.lower() in {"1", "yes", "true", "on"}

    def _environment(self) -> dict[str, str]:
        # Compose gives the shell's variables precedence over those of .env.
        environment = {
            name: value for name, value in os.environ.items() if name not in ONLY_FROM_FILE
        }
        if self._traced and "OTEL_EXPORTER_OTLP_ENDPOINT" not in self._settings.variables:
            environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = COLLECTOR_URL
        return environment

    def _project(self) -> str | None:
        """A project name of its own for a stack that does not live in `.stack`."""
        stack_dir = self._settings.stack_dir
        if stack_dir == self._settings.checkout / ".stack" or "COMPOSE_PROJECT_NAME" in os.environ:
            return None
        name = f"{self._settings.checkout.name}-{stack_dir.name}".lower()
        return re.sub(r"[^a-z0-9_-]+", "-", name).strip("-_")

    def _run(
        self, command: Sequence[str], stdout: int | None = None
    ) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            command,
            check=False,
            cwd=self._settings.checkout,
            env=self._environment(),
            stdout=stdout,
        )


def engine_answers() -> bool:
    """Whether there is a Docker engine, and a Docker Compose to talk to it."""
    try:
        for command in (("docker", "info"), ("docker", "compose", "version")):
            subprocess.run(
                command,
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=_PROBE_SECONDS,
            )
    except (OSError, subprocess.SubprocessError):
        return False
    return True

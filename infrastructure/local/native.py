"""The stack without Docker: private servers and ketlog's processes under one supervisor."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence

from infrastructure.local import programs
from infrastructure.local.account import ServerAccount
from infrastructure.local.folders import StackFolders
from infrastructure.local.health import (
    api_problems,
    consumer_problems,
    heartbeat_problems,
    pause_notice,
    wait_for_health,
)
from infrastructure.local.install import ensure_rabbitmq
from infrastructure.local.logs import print_logs
from infrastructure.local.ports import NotReadyError, is_free
from infrastructure.local.postgres import PostgresServer, installed_programs
from infrastructure.local.rabbitmq import RabbitMQServer
from infrastructure.local.settings import StackSettings
from infrastructure.local.stack import LogOptions, print_addresses, print_verdict, taken_port
from infrastructure.local.supervisor import Supervisor
from infrastructure.local.terminal import UserError, say, step

_HEALTHY_WITHIN_SECONDS = 90.0
_PORT_OWNERS = {
    "API_PORT": "api",
    "POSTGRES_PORT": "postgres",
    "RABBITMQ_PORT": "rabbitmq",
    "RABBITMQ_MANAGEMENT_PORT": "rabbitmq",
}


class NativeStack:
    """See `infrastructure.local.stack.Stack`."""

    def __init__(self, settings: StackSettings) -> None:
        """Remember the user's choices; nothing is touched yet."""
        self._settings = settings
        self._account = ServerAccount.current()
        self._folders = StackFolders(settings.stack_dir, self._account)

    @property
    def running(self) -> bool:
        """Whether the supervisor answers."""
        return self._folders.exists and self._supervisor.running

    def up(self) -> None:
        """Start whatever does not run, apply migrations, and wait until all is healthy."""
        ensure_rabbitmq(lambda message: say(f"  … {message}"))
        with self._folders.locked():
            self._refuse_taken_ports()
            workers = self._settings.workers or self._workers() or 1
            postgres, rabbitmq = self._servers()
            # Before anything that runs is touched.
            for server in (postgres, rabbitmq):
                if server.answers():
                    _require_login(server)
            self._prepare(postgres, rabbitmq, workers)
            self._supervisor.start(["postgres", "epmd", "rabbitmq"])
            with step("postgres"):
                self._wait_for("postgres", postgres.wait_ready)
                _require_login(postgres)
                postgres.ensure_database(self._settings.postgres_db)
            with step("migrations"):
                self._apply_migrations()
            # They wait for RabbitMQ by themselves, and have much to load meanwhile.
            self._supervisor.start(["api", "relay", *programs.worker_names(workers)])
            with step("rabbitmq"):
                self._wait_for("rabbitmq", rabbitmq.wait_ready)
                _require_login(rabbitmq)
            with step(f"api, relay, {workers} worker{'s' if workers > 1 else ''}"):
                wait_for_health(
                    self._problems, timeout=_HEALTHY_WITHIN_SECONDS, give_up=self._failures()
                )
            self._folders.write_env(
                {
                    **self._settings.endpoints(),
                    **programs.seals(self._settings, self._folders),
                }
            )
        print_addresses(self._settings)
        if self._folders.servers.parent != self._folders.stack_dir:
            say(f"  data        {self._folders.servers}")
            say(f"              ({self._account.name} cannot reach {self._folders.stack_dir})")
            say()

    def down(self) -> None:
        """Stop everything; the data stays."""
        if not self.running:
            say("the stack is not running")
            return
        self._stop_everything()

    def clean(self) -> None:
        """Stop everything and remove the data."""
        if self.running:
            # Nobody will read what a server still wants to write.
            self._stop_everything(patience=1.0)
        self._folders.remove()
        say(f"removed {self._settings.stack_dir}")

    def _stop_everything(self, patience: float = 90.0) -> None:
        with self._folders.locked():
            with step("workers, relay and api stopped"):
                self._supervisor.stop(
                    (
                        state.name
                        for state in self._supervisor.states()
                        if state.name not in {"postgres", "rabbitmq", "epmd"}
                    ),
                    patience=patience,
                )
            with step("rabbitmq and postgres stopped"):
                self._supervisor.stop(["rabbitmq", "postgres"], patience=patience)
                self._supervisor.shut_down()
            self._folders.env_file.unlink(missing_ok=True)

    def status(self) -> bool:
        """Print the processes and what is wrong; whether nothing is."""
        if not self.running:
            say("the stack is not running: `make up` starts it")
            return False
        for state in self._supervisor.states():
            say(f"  {state.name:<10} {state.state:<9} {state.description}")
        return print_verdict(self._problems(), pause_notice(self._settings.database_url))

    def logs(self, options: LogOptions) -> None:
        """Print the logs."""
        if not self._folders.exists:
            raise UserError("there are no logs: the stack was never started")
        names = sorted(file.stem for file in self._folders.logs.glob("*.log"))
        wanted = [
            name for name in names if options.service in {None, name, name.rpartition("-")[0]}
        ]
        files = {name: self._folders.logs / f"{name}.log" for name in wanted}
        print_logs(files, follow=options.follow, containing=options.containing)

    def start(self, service: str) -> None:
        """Start a service."""
        names = self._names(service)
        with self._folders.locked(), step(f"{service} started"):
            self._supervisor.start(names)
            for name in names:
                self._wait_for(name, self._readiness(name))

    def stop(self, service: str) -> None:
        """Stop a service and leave the others alone."""
        names = self._names(service)
        with self._folders.locked(), step(f"{service} stopped"):
            self._supervisor.stop(names)

    def restart(self, service: str) -> None:
        """Stop and start a service."""
        self.stop(service)
        self.start(service)

    def scale(self, workers: int) -> None:
        """Run so many workers."""
        self._require_running()
        with self._folders.locked(), step(f"{workers} worker{'s' if workers > 1 else ''}"):
            self._prepare(*self._servers(), workers)
            self._supervisor.start(programs.worker_names(workers))
            wait_for_health(
                self._problems, timeout=_HEALTHY_WITHIN_SECONDS, give_up=self._failures()
            )

    def psql(self, arguments: Sequence[str]) -> int:
        """Run psql on the database; its exit code."""
        psql = installed_programs() / "psql"
        program = str(psql) if psql.exists() else shutil.which("psql")
        if program is None:
            raise UserError("no psql: install it (Debian: apt-get install postgresql-client)")
        command = [program, "--no-psqlrc", self._settings.database_url, *arguments]
        return subprocess.run(command, check=False).returncode

    def migrate(self, arguments: Sequence[str]) -> int:
        """Run the migration program with these arguments; its exit code."""
        return self._run_migrations(arguments).returncode

    @property
    def _supervisor(self) -> Supervisor:
        return Supervisor(self._folders.run, self._folders.logs)

    def _servers(self) -> tuple[PostgresServer, RabbitMQServer]:
        settings, folders, account = self._settings, self._folders, self._account
        return (
            programs.postgres_server(settings, folders, account),
            programs.rabbitmq_server(settings, folders, account, running=self._runs("epmd")),
        )

    def _prepare(self, postgres: PostgresServer, rabbitmq: RabbitMQServer, workers: int) -> None:
        """Make data folders and settings, and tell the supervisor what its programs are."""
        postgres.prepare()
        rabbitmq.prepare()
        self._supervisor.apply(
            [
                *programs.server_programs(postgres, rabbitmq, self._account),
                *programs.ketlog_programs(self._settings, self._folders, workers),
            ]
        )

    def _apply_migrations(self) -> None:
        outcome = self._run_migrations(["apply"], capture_output=True)
        log = self._folders.logs / "migrate.log"
        with log.open("ab") as file:
            file.write(outcome.stdout + outcome.stderr)
        if outcome.returncode != 0:
            raise UserError(f"the migrations failed:\n{(outcome.stdout + outcome.stderr).decode()}")

    def _run_migrations(
        self, arguments: Sequence[str], *, capture_output: bool = False
    ) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            [sys.executable, "-m", "infrastructure.postgres.migrate", *arguments],
            check=False,
            cwd=self._settings.checkout,
            env=dict(programs.process_environment(self._settings)),
            capture_output=capture_output,
        )

    def _refuse_taken_ports(self) -> None:
        """Fail when somebody else listens on a port that a process is about to take."""
        before = self._folders.recall("ports") if self.running else {}
        for variable, port in self._settings.ports.items():
            ours = before.get(variable) == port and self._runs(_PORT_OWNERS[variable])
            if not ours and not is_free(port):
                raise taken_port(variable, port)
        self._folders.remember("ports", self._settings.ports)

    def _runs(self, name: str) -> bool:
        return self.running and any(
            state.name == name and state.running for state in self._supervisor.states()
        )

    def _workers(self) -> int:
        return len(self._names("worker")) if self.running else 0

    def _names(self, service: str) -> list[str]:
        self._require_running()
        return [
            state.name
            for state in self._supervisor.states()
            if service in {state.name, state.name.rpartition("-")[0]}
        ]

    def _require_running(self) -> None:
        if not self.running:
            raise UserError("the stack is not running: `make up` starts it")

    def _readiness(self, name: str) -> Callable[..., None]:
        postgres, rabbitmq = self._servers()
        if name in {"postgres", "rabbitmq"}:
            return postgres.wait_ready if name == "postgres" else rabbitmq.wait_ready

        def ready(alive: Callable[[], bool]) -> None:
            wait_for_health(
                lambda: [] if self._supervisor.state(name).running else [f"{name}: not running"],
                timeout=30,
                give_up=lambda: None if alive() else f"{name} ended while it started",
            )

        return ready

    def _wait_for(self, name: str, ready: Callable[..., None]) -> None:
        try:
            ready(alive=lambda: self._supervisor.alive(name))
        except NotReadyError as error:
            raise UserError(f"{error}\n{self._tail(name)}") from None

    def _problems(self) -> list[str]:
        workers = self._names("worker")
        heartbeats = [self._folders.heartbeat(name) for name in ("relay", *workers)]
        return [
            *(
                f"{state.name}: {state.state.lower()}"
                for state in self._supervisor.states()
                if not state.running
            ),
            *api_problems(self._settings),
            *heartbeat_problems(heartbeats),
            *consumer_problems(
                self._settings.rabbitmq_url, self._settings.database_url, len(workers)
            ),
        ]

    def _failures(self) -> Callable[[], str | None]:
        """Return a function that says which process ended after it was started, and its last lines.

        The supervisor takes a process that lived for a second for one that runs; where the machine
        is busy, a process may need longer than that to find out that it cannot start.
        """
        seen: dict[str, int] = {}

        def failed() -> str | None:
            for state in self._supervisor.states():
                gone = state.name in seen and seen[state.name] != state.pid
                if gone or state.state in {"BACKOFF", "FATAL"}:
                    return f"{state.name} ended while it started\n{self._tail(state.name)}"
                if state.pid:
                    seen[state.name] = state.pid
            return None

        return failed

    def _tail(self, name: str) -> str:
        log = self._supervisor.log_file(name)
        if not log.exists():
            return ""
        lines = log.read_text(errors="replace").splitlines()[-15:]
        return "\n".join([f"the end of {log}:", *(f"  {line}" for line in lines)])


def _require_login(server: PostgresServer | RabbitMQServer) -> None:
    if not server.accepts_login():
        raise UserError(
            f"the stack's data was made with other values of {server.LOGIN_VARIABLES}: "
            "put those back, or remove the data with `make clean`"
        )

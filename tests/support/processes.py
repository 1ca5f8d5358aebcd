"""The real processes of ketlog, started by a test and ended with it."""

import contextlib
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from infrastructure.heartbeat import is_fresh
from infrastructure.local.guardian import Guardian
from infrastructure.local.ports import free_port
from tests.support.waiting import eventually_sync

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 40.0
NAME_IMPORTS = {"PYTHONPROFILEIMPORTTIME": "1"}
"""Settings of a process that writes down what it imports, also later."""


@dataclass
class Process:
    """One process: its log goes to a file that failures can quote."""

    name: str
    module: str
    environment: dict[str, str]
    folder: Path
    guardian: Guardian
    popen: subprocess.Popen[bytes] | None = None

    @property
    def log_path(self) -> Path:
        """Everything it has written, over all its starts."""
        return self.folder / f"{self.name}.log"

    @property
    def heartbeat_path(self) -> Path:
        """Touched once a second while it works."""
        return self.folder / f"{self.name}.heartbeat"

    @property
    def pid(self) -> int:
        """Process id of the running process."""
        assert self.popen is not None
        return self.popen.pid

    def start(self) -> None:
        """Start it; it is ready some time later."""
        with self.log_path.open("ab") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", self.module],
                cwd=ROOT,
                env=self.environment | {"HEARTBEAT_FILE": str(self.heartbeat_path)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.guardian.watch(self.popen.pid)

    def kill(self) -> None:
        """SIGKILL, as a crash would be; its children end by themselves."""
        assert self.popen is not None
        self.popen.kill()
        self.popen.wait(10)
        self.guardian.forget(self.popen.pid)
        self.heartbeat_path.unlink(missing_ok=True)

    def stop(self, within: float = 30.0) -> int:
        """SIGTERM, and wait; returns the exit code."""
        assert self.popen is not None
        self.popen.send_signal(signal.SIGTERM)
        code = self.popen.wait(within)
        self.guardian.forget(self.popen.pid)
        return code

    def pause(self) -> None:
        """SIGSTOP."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def log(self) -> str:
        """What it has logged so far."""
        return self.log_path.read_text(errors="replace")

    def imported(self) -> set[str]:
        """The modules that it has imported, if it was started with `NAME_IMPORTS`.

        Its memory map would say so too, but not to the user that it runs as: what holds
        credentials lets nobody look into it.
        """
        lines = (line for line in self.log().splitlines() if line.startswith("import time:"))
        return {line.rpartition("|")[2].strip() for line in lines}

    def end(self) -> None:
        """Make sure that it is gone, whatever state a test left it in."""
        if self.popen is None or self.popen.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self.resume()
        self.kill()


@dataclass
class System:
    """An API, relays and workers on one database and one vhost."""

    database_url: str
    rabbitmq_url: str
    folder: Path
    guardian: Guardian
    settings: dict[str, str] = field(default_factory=dict)
    api_port: int = field(default_factory=free_port)
    processes: dict[str, Process] = field(default_factory=dict)

    @property
    def api_url(self) -> str:
        """Where the API listens."""
        return f"http://127.0.0.1:{self.api_port}"

    def add(self, name: str, module: str, **settings: str) -> Process:
        """Start a process under a name of its own."""
        environment = {
            **os.environ,
            "DATABASE_URL": self.database_url,
            "RABBITMQ_URL": self.rabbitmq_url,
            "PORT": str(self.api_port),
            "LOG_FORMAT": "console",
            **self.settings,
            **settings,
        }
        process = Process(name, module, environment, self.folder, self.guardian)
        self.processes[name] = process
        process.start()
        return process

    def api(self, name: str = "api", **settings: str) -> Process:
        """Start an API process."""
        return self.add(name, "service.api", **settings)

    def relay(self, name: str = "relay", **settings: str) -> Process:
        """Start a relay process; all of them sign with one key."""
        key = {"SIGNING_KEY_FILE": str(self.folder / "signing.key")}
        return self.add(name, "relay", **(key | settings))

    def worker(self, name: str = "worker", **settings: str) -> Process:
        """Start a worker process."""
        # Most workers of tests live for seconds, and nobody stops a run of theirs.
        usual = {"WORKER_ID": name, "SIMULATOR_SPARES": "0"}
        return self.add(name, "service.worker", **(usual | settings))

    def wait_ready(self, within: float = START_SECONDS) -> None:
        """Wait until the API answers and every other process shows a heartbeat."""

        def ready() -> bool:
            for process in self.processes.values():
                assert process.popen is not None
                assert process.popen.poll() is None, f"{process.name} ended:\n{process.log()}"
            return self._api_ready() and all(
                is_fresh(process.heartbeat_path)
                for process in self.processes.values()
                if process.module != "service.api"
            )

        eventually_sync(ready, within)

    def end(self) -> None:
        """End every process."""
        for process in self.processes.values():
            process.end()

    def _api_ready(self) -> bool:
        if not any(process.module == "service.api" for process in self.processes.values()):
            return True
        try:
            with urllib.request.urlopen(f"{self.api_url}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@contextlib.contextmanager
def system(database_url: str, rabbitmq_url: str, folder: Path) -> Iterator[System]:
    """A place for processes, all of which end with the test even if the test run is killed."""
    with Guardian() as guardian:
        made = System(database_url, rabbitmq_url, folder, guardian)
        try:
            yield made
        finally:
            made.end()

"""The supervisor of the native stack: its configuration, and what it is told while it runs."""

import contextlib
import hashlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from supervisor.xmlrpc import SupervisorTransport  # type: ignore[import-untyped]

from infrastructure.local import launch
from infrastructure.local.account import ServerAccount
from infrastructure.local.folders import write_private
from infrastructure.local.ports import NotReadyError, wait_until

# Both ends name the socket by way of its folder, because its whole path may have more than the 107
# bytes that the system allows. The supervisor's working directory is that folder.
_SOCKET = "supervisor.sock"

_ENDED = frozenset({"STOPPED", "EXITED", "FATAL"})


@dataclass(frozen=True)
class Program:
    """One process that the supervisor keeps running.

    Attributes:
        name: The service's name, for several alike with `-1`, `-2` and so on behind it.
        command: Absolute program path and arguments.
        environment: The whole environment.
        folder: Working directory.
        account: Who runs it; `None` for the caller.
        stop_signal: What asks it to end.
        stop_seconds: How long it may take to end before it is killed.
        death_signal: What it gets when the supervisor dies without stopping it.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    account: ServerAccount | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: int = 30
    death_signal: signal.Signals = signal.SIGTERM


@dataclass(frozen=True)
class ProcessState:
    """What the supervisor says about one process."""

    name: str
    state: str
    pid: int
    description: str

    @property
    def running(self) -> bool:
        """Whether it has been up for a second at least."""
        return self.state == "RUNNING"


class Supervisor:
    """A supervisord that has left the terminal, and the connection to it."""

    def __init__(self, run: Path, logs: Path) -> None:
        """Name its files; nothing is started.

        Args:
            run: Private folder for the configuration, the control socket and the orders.
            logs: Folder for one log file per program.
        """
        self._run = run
        self._logs = logs
        self._configuration = run / "supervisord.conf"

    @property
    def running(self) -> bool:
        """Whether it answers."""
        try:
            self._call("supervisor.getState")
        except OSError:
            return False
        return True

    def log_file(self, name: str) -> Path:
        """Log of one program."""
        return self._logs / f"{name}.log"

    def apply(self, programs: Sequence[Program]) -> None:
        """Make these its programs: stop those that are gone or different, add the new ones.

        Nothing new is started by this. A supervisor is started when there is none.
        """
        for program in programs:
            write_private(self._order(program.name), _order_of(program))
        write_private(self._configuration, self._render(programs))
        if not self.running:
            self._start()
            return
        added, changed, removed = self._call("supervisor.reloadConfig")[0]
        self.stop([*changed, *removed])
        for name in (*changed, *removed):
            self._call("supervisor.removeProcessGroup", name)
        for name in (*changed, *added):
            self._call("supervisor.addProcessGroup", name)

    def start(self, names: Iterable[str]) -> None:
        """Start programs that do not run."""
        for name in names:
            if self.state(name).state in _ENDED:
                self._call("supervisor.startProcess", name, False)

    def stop(self, names: Iterable[str], *, patience: float = 90.0) -> None:
        """Stop programs, all at the same time, and wait until they have ended.

        Args:
            names: Which ones.
            patience: Seconds after which whatever still runs is killed.
        """
        wanted = list(names)
        for name in wanted:
            # It may have ended by itself meanwhile.
            with contextlib.suppress(xmlrpc.client.Fault):
                self._call("supervisor.stopProcess", name, False)
        deadline = time.monotonic() + patience
        while left := [name for name in wanted if self.state(name).state not in _ENDED]:
            if time.monotonic() > deadline:
                for name in left:
                    with contextlib.suppress(xmlrpc.client.Fault):
                        self._call("supervisor.signalProcess", name, "KILL")
            time.sleep(0.05)

    def states(self) -> list[ProcessState]:
        """State of every program, by name."""
        return sorted(
            (
                ProcessState(entry["name"], entry["statename"], entry["pid"], entry["description"])
                for entry in self._call("supervisor.getAllProcessInfo")
            ),
            key=lambda entry: entry.name,
        )

    def state(self, name: str) -> ProcessState:
        """State of one program."""
        entry = self._call("supervisor.getProcessInfo", name)
        return ProcessState(name, entry["statename"], entry["pid"], entry["description"])

    def alive(self, name: str) -> bool:
        """Whether a program runs or is just being started, and has not failed to."""
        return self.state(name).state in {"STARTING", "RUNNING"}

    def shut_down(self) -> None:
        """Stop whatever runs, and the supervisor itself."""
        pid = int(self._call("supervisor.getPID"))
        self._call("supervisor.shutdown")

        def gone() -> bool:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 0)
                return _is_zombie(pid)
            return True

        wait_until(gone, what="the end of the supervisor", timeout=120)

    def _start(self) -> None:
        outcome = subprocess.run(
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._configuration)],
            check=False,
            cwd=self._run,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
        )
        if outcome.returncode != 0:
            raise NotReadyError(f"supervisord did not start:\n{outcome.stdout}{outcome.stderr}")
        wait_until(lambda: self.running, what="supervisord", timeout=15)

    def _call(self, method: str, *arguments: object) -> Any:
        folder = os.open(self._run, os.O_PATH)
        socket = f"/proc/self/fd/{folder}/{_SOCKET}"
        transport = SupervisorTransport(None, None, f"unix://{socket}")
        server = xmlrpc.client.ServerProxy(
            "http://127.0.0.1", transport=cast("xmlrpc.client.Transport", transport)
        )
        try:
            function = server
            for part in method.split("."):
                function = getattr(function, part)
            return cast("Any", function)(*arguments)
        finally:
            transport.close()
            os.close(folder)

    def _order(self, name: str) -> Path:
        return self._run / f"{name}.order.json"

    def _render(self, programs: Sequence[Program]) -> str:
        me = "user=root\n" if os.geteuid() == 0 else ""
        sections = [
            f"[unix_http_server]\nfile=/proc/self/cwd/{_SOCKET}\nchmod=0600\n",
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory = "
            "supervisor.rpcinterface:make_main_rpcinterface\n",
            f"[supervisord]\n{me}"
            f"logfile={_literal(self._logs / 'supervisord.log')}\n"
            "logfile_maxbytes=5MB\nlogfile_backups=1\n"
            f"pidfile={_literal(self._run / 'supervisord.pid')}\n"
            f"childlogdir={_literal(self._logs)}\n",
        ]
        return "\n".join([*sections, *map(self._section, programs)])

    def _section(self, program: Program) -> str:
        order = self._order(program.name)
        # The digest makes the supervisor see that an order has changed.
        digest = hashlib.sha256(_order_of(program).encode()).hexdigest()[:16]
        command = [sys.executable, "-I", "-S", launch.__file__, str(order), digest]
        return (
            f"[program:{program.name}]\n"
            f"command={_literal(shlex.join(command))}\n"
            f"stopsignal={program.stop_signal.name.removeprefix('SIG')}\n"
            f"stopwaitsecs={program.stop_seconds}\n"
            # The supervisor expands this one value twice.
            f"stdout_logfile={_literal(_literal(self.log_file(program.name)))}\n"
            "stdout_logfile_maxbytes=20MB\n"
            "stdout_logfile_backups=2\n"
            "redirect_stderr=true\n"
            "autostart=false\n"
            "autorestart=true\n"
            "startsecs=1\n"
            # Rests between two attempts grow by a second each time, so this never gives up soon.
            "startretries=1000\n"
            "killasgroup=false\n"
        )


def _order_of(program: Program) -> str:
    account = program.account
    return json.dumps(
        {
            "command": list(program.command),
            "environment": dict(program.environment),
            "folder": str(program.folder),
            "account": [account.uid, account.gid] if account and account.switch else None,
            "death_signal": int(program.death_signal),
        },
        sort_keys=True,
    )


def _literal(text: str | Path) -> str:
    """Protect what the supervisor would expand."""
    return str(text).replace("%", "%%")


def _is_zombie(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"

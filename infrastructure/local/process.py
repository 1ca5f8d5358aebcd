"""One server process that belongs to the caller: start, stop, kill, pause."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from infrastructure.local.account import ServerAccount
from infrastructure.local.guardian import Guardian


def descendants(pid: int) -> list[int]:
    """Process ids of all children, grandchildren and so on, read from /proc."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                stat = (entry / "stat").read_text()
                parent = int(stat.rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found: list[int] = []
    pending = [pid]
    while pending:
        offspring = children.get(pending.pop(), [])
        found += offspring
        pending += offspring
    return found


class ServerProcess:
    """A program in a session of its own, so that a Ctrl-C in the terminal does not reach it."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        account: ServerAccount,
        environment: Mapping[str, str],
        folder: Path,
        log: Path,
        stop_signal: signal.Signals = signal.SIGTERM,
        guardian: Guardian | None = None,
    ) -> None:
        """Describe the program; nothing is started yet.

        Args:
            command: Absolute program path and arguments.
            account: Who runs it.
            environment: The whole environment; nothing is inherited.
            folder: Working directory, which the account can enter.
            log: File that standard output and error are appended to.
            stop_signal: What asks the program to end in an orderly way.
            guardian: Ends the program when the caller dies without doing so.
        """
        self.command = tuple(command)
        self.environment = dict(environment)
        self.log = log
        self._account = account
        self._folder = folder
        self._stop_signal = stop_signal
        self._guardian = guardian
        self._process: subprocess.Popen[bytes] | None = None
        self._paused = False

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process and self.running else None

    @property
    def running(self) -> bool:
        """Whether the program was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the program; no effect while it runs."""
        if self.running:
            return
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                env=self.environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **self._account.popen_options(),
            )
        if self._guardian:
            self._guardian.watch(self._process.pid)

    def stop(self, timeout: float = 30.0) -> None:
        """Ask the program to end, and kill it when it has not done so within `timeout` seconds."""
        if not self._process:
            return
        if self.running:
            # Whoever has frozen it: frozen, it does not hear what it is asked.
            self._signal_all(signal.SIGCONT)
            self._process.send_signal(self._stop_signal)
            try:
                self._process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
        self._ended()

    def kill(self) -> None:
        """SIGKILL the program and all that it started, as a crash of the machine would."""
        if self._process:
            self._signal_all(signal.SIGKILL)
            self._process.wait(10)
        self._ended()

    def pause(self) -> None:
        """Freeze the program and all that it started: connections stay open, nothing answers."""
        self._paused = True
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Undo `pause`; no effect where it was not paused."""
        if self._paused:
            self._signal_all(signal.SIGCONT)
            self._paused = False

    def _signal_all(self, number: signal.Signals) -> None:
        if not self._process or not self.running:
            return
        # The parent first: a postmaster that sees its children die would start the next.
        for pid in (self._process.pid, *descendants(self._process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _ended(self) -> None:
        if self._guardian and self._process:
            self._guardian.forget(self._process.pid)
        self._process = None
        self._paused = False

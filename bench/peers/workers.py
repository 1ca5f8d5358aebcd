"""Worker processes that can be killed, each with all that it has started, like a container."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.machine import CHECKOUT, bare_environment
from bench.processor import tree_seconds
from infrastructure.local.guardian import Guardian
from infrastructure.local.process import descendants

STOP_SECONDS = 20.0


class Worker:
    """One worker process of a system, in a process group of its own."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        guardian: Guardian,
    ) -> None:
        """Describe it; nothing is started."""
        self.log = log
        self._command = command
        self._environment = environment
        self._guardian = guardian
        self._process: subprocess.Popen[bytes] | None = None
        self._earlier_seconds = 0.0

    @property
    def seconds(self) -> float:
        """Processor time of it, of all it has started, and of those that ran here before."""
        process = self._process
        return self._earlier_seconds + (tree_seconds(process.pid) if process else 0.0)

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=CHECKOUT,
                env=bare_environment(self._environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._guardian.watch(self._process.pid)

    def stop(self) -> None:
        """Ask it to end; killed where it does not."""
        if self._process is None:
            return
        self._earlier_seconds = self.seconds
        self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        self._end()

    def pause(self) -> None:
        """Freeze it and all that it has started: it takes nothing up."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Undo `pause`."""
        self._signal_all(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL it and all that it has started, at once."""
        if self._process is not None:
            self._earlier_seconds = self.seconds
            self._end()

    def _signal_all(self, number: signal.Signals) -> None:
        if self._process is not None:
            for pid in (self._process.pid, *descendants(self._process.pid)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)

    def _end(self) -> None:
        assert self._process is not None
        pid = self._process.pid
        self._signal_all(signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        self._process.wait(10)
        self._guardian.forget(pid)
        self._process = None

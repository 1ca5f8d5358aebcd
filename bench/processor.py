"""How much processor time processes use: unlike speed, it hardly depends on what else runs."""

import os
from collections.abc import Mapping
from pathlib import Path

from bench.stack import Process, Servers
from infrastructure.local.process import descendants

_TICKS = os.sysconf("SC_CLK_TCK")


class ProcessorTime:
    """Measures the processor time of a whole stack, by process, from the moment it is made."""

    def __init__(self, servers: Servers, processes: Mapping[str, Process]) -> None:
        self._pids = {name: process.pid for name, process in processes.items()}
        self._pids |= {"postgresql": servers.postgres_pid, "rabbitmq": servers.rabbitmq_pid}
        self._begun = self._read()

    def per(self, tasks: int) -> dict[str, float]:
        """Return milliseconds of each process for each of so many tasks."""
        return {
            f"{name}_cpu_ms": round(1000 * (seconds - self._begun[name]) / tasks, 3)
            for name, seconds in self._read().items()
        }

    def _read(self) -> dict[str, float]:
        read: dict[str, float] = {}
        for name, pid in self._pids.items():
            own = _seconds(pid)
            whole = tree_seconds(pid)
            if name == "worker":
                read |= {"worker": own, "simulators": whole - own}
            else:
                read[name] = whole
        return read


def tree_seconds(pid: int) -> float:
    """Return the processor seconds of a process and of all that it has started."""
    return _seconds(pid) + sum(map(_seconds, descendants(pid)))


def _seconds(pid: int) -> float:
    """Return user and system seconds, those of children that have ended included."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return sum(map(int, fields[11:15])) / _TICKS

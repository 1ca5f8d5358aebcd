"""How much memory processes hold while something happens."""

import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

SAMPLE_SECONDS = 0.1


class Memory:
    """Samples the resident memory of some processes; a context manager.

    Attributes:
        peak: the highest that was seen of each, in bytes.
    """

    def __init__(self, processes: Mapping[str, int]) -> None:
        """Take process ids by name."""
        self._processes = processes
        self.peak = dict.fromkeys(processes, 0)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            for name, pid in self._processes.items():
                self.peak[name] = max(self.peak[name], resident(pid))


def resident(pid: int) -> int:
    """Return a process's resident memory in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"process {pid} has no memory: it has ended")

"""What all rows of one run share."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.stack import Servers


@dataclass(slots=True)
class Run:
    """One run of the benchmark.

    Attributes:
        servers: its private servers.
        quick: a look instead of a measurement: fewer rounds, shorter turns, smaller logs.
        begun: `time.monotonic()` at its start.
    """

    servers: Servers
    quick: bool
    begun: float = field(default_factory=time.monotonic)

    @property
    def rounds(self) -> int:
        """Turns of each side."""
        return 2 if self.quick else 5

    @property
    def seconds(self) -> float:
        """Length of a turn under load."""
        return 2.0 if self.quick else 5.0

    @property
    def warm_up_seconds(self) -> float:
        """Length of the load before the first turn."""
        return 1.0 if self.quick else 3.0

    def size(self, whole: int) -> int:
        """Return how many of something: a tenth for a quick look."""
        return whole // 10 if self.quick else whole

    def each_round(self) -> Iterator[int]:
        """Count the rounds, from 1."""
        yield from range(1, self.rounds + 1)

    def say(self, text: str) -> None:
        """Show progress."""
        print(f"[{time.monotonic() - self.begun:6.1f} s] {text}", flush=True)

    def keep(self, name: str, ids: Sequence[str]) -> Path:
        """Write task ids to a file of this run, one a line."""
        file = self.servers.folder / name
        file.write_text("\n".join(ids))
        return file

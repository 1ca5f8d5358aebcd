"""A file whose time of change says that a process is alive and connected.

The relay and the worker touch it about once a second while their work loop turns and their
connections stand. Others look at its age: `python -m infrastructure.heartbeat` is the health check
of the containers, so this module imports little and starts fast.
"""

import os
import sys
import time
from pathlib import Path

MAX_AGE_SECONDS = 5.0


class Heartbeat:
    """The writer's side; with no path, every call does nothing."""

    def __init__(self, path: Path | None) -> None:
        """Remember the file, and remove what an earlier process left there."""
        self._path = path
        self.clear()

    def beat(self) -> None:
        """Say "alive now"; costs one system call."""
        if self._path is None:
            return
        try:
            os.utime(self._path)
        except FileNotFoundError:
            self._path.touch()

    def clear(self) -> None:
        """Say "not alive": at the start, and at an orderly end."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def age_seconds(path: Path) -> float | None:
    """Seconds since the last beat, or `None` when there was none."""
    try:
        return abs(time.time() - path.stat().st_mtime)
    except FileNotFoundError:
        return None


def is_fresh(path: Path, max_age: float = MAX_AGE_SECONDS) -> bool:
    """Whether the last beat is at most `max_age` seconds old."""
    age = age_seconds(path)
    return age is not None and age <= max_age


def _main() -> int:
    name = os.environ.get("HEARTBEAT_FILE")
    if not name:
        sys.stderr.write("HEARTBEAT_FILE is not set: nothing to look at\n")
        return 1
    age = age_seconds(Path(name))
    if age is None:
        sys.stderr.write(f"no heartbeat yet in {name}\n")
        return 1
    sys.stdout.write(f"last heartbeat {age:.1f} s ago\n")
    return 0 if age <= MAX_AGE_SECONDS else 1


if __name__ == "__main__":
    sys.exit(_main())

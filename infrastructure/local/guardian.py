"""A small process that ends servers and removes folders when the process that made them dies.

It reads orders from a pipe whose other end only its owner holds. When the owner ends in any way,
SIGKILL included, the kernel closes the pipe: the guardian then kills every process group that it
still watches and removes every folder that it was given, and ends.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self


class Guardian:
    """The owner's side: a context manager; on leaving it, what is still watched is ended."""

    def __init__(self) -> None:
        """Start the guardian process."""
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            start_new_session=True,
            cwd="/",
        )

    def watch(self, group: int) -> None:
        """Kill this process group when the owner dies."""
        self._order("watch", str(group))

    def forget(self, group: int) -> None:
        """The process group has ended: leave its number alone from now on."""
        self._order("forget", str(group))

    def remove_at_end(self, folder: Path) -> None:
        """Remove this folder when the owner dies or closes the guardian."""
        self._order("remove", str(folder))

    def close(self) -> None:
        """End everything that is watched, remove the folders, and wait until that is done."""
        if self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.close()
            self._process.wait(30)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _order(self, verb: str, subject: str) -> None:
        stdin = self._process.stdin
        if stdin is None or stdin.closed:
            raise RuntimeError("the guardian is closed")
        stdin.write(os.fsencode(f"{verb} {subject}\n"))
        stdin.flush()


def _obey_until_the_owner_is_gone() -> tuple[set[int], list[str]]:
    groups: set[int] = set()
    folders: list[str] = []
    for line in sys.stdin.buffer:
        verb, _, subject = os.fsdecode(line.rstrip(b"\n")).partition(" ")
        if verb == "watch":
            groups.add(int(subject))
        elif verb == "forget":
            groups.discard(int(subject))
        elif verb == "remove":
            folders.append(subject)
    return groups, folders


def _main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups, folders = _obey_until_the_owner_is_gone()
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    _main()

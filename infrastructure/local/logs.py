"""Log files of several processes as one stream, each line with its process in front."""

import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

_LINES_WHEN_FOLLOWING = 100
_REST_SECONDS = 0.2


class _Follower:
    """Reads whole lines that were added to one file, through rotations."""

    def __init__(self, name: str, path: Path, width: int) -> None:
        self._prefix = f"{name:<{width}} | ".encode()
        self._path = path
        self._file: BinaryIO | None = None
        self._rest = b""

    def close(self) -> None:
        if self._file:
            self._file.close()

    def lines(self) -> list[bytes]:
        if self._file is None or self._rotated():
            self.close()
            if not self._path.exists():
                return []
            self._file = self._path.open("rb")
        *complete, self._rest = (self._rest + self._file.read()).split(b"\n")
        return [self._prefix + line + b"\n" for line in complete]

    def _rotated(self) -> bool:
        if self._file is None or not self._path.exists():
            return False
        return self._path.stat().st_ino != os.fstat(self._file.fileno()).st_ino


def print_logs(
    files: Mapping[str, Path],
    *,
    follow: bool,
    containing: str = "",
    output: BinaryIO | None = None,
    rest: Callable[[float], None] = time.sleep,
) -> None:
    """Print log files; with `follow` the last lines and then what comes, until Ctrl-C.

    Args:
        files: Log file by name of its process.
        follow: Whether to go on.
        containing: Only lines with this text.
        output: Where to; standard output unless given.
        rest: Waits between two looks at the files.
    """
    out = output or sys.stdout.buffer
    wanted = containing.encode()
    width = max(map(len, files), default=0)
    followers = [_Follower(name, path, width) for name, path in files.items()]
    try:
        for follower in followers:
            lines = [line for line in follower.lines() if wanted in line]
            out.writelines(lines[-_LINES_WHEN_FOLLOWING:] if follow else lines)
        out.flush()
        while follow:
            rest(_REST_SECONDS)
            for follower in followers:
                out.writelines(line for line in follower.lines() if wanted in line)
            out.flush()
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        # `make logs | head`: the reader has seen enough, and Python must not flush again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        for follower in followers:
            follower.close()

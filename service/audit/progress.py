"""How far a long command is, and how fast, on the error output."""

import sys
import time
from typing import TextIO

TERMINAL_SECONDS = 0.2
FILE_SECONDS = 5.0


class Progress:
    """Shows a count and its rate: in place on a terminal, else a line now and then.

    Args:
        what: what is counted, in the plural.
    """

    def __init__(self, what: str, stream: TextIO = sys.stderr) -> None:
        self._what = what
        self._stream = stream
        self._in_place = stream.isatty()
        self._interval = TERMINAL_SECONDS if self._in_place else FILE_SECONDS
        self._began = self._shown = time.monotonic()
        self._count = 0

    def advance(self, count: int) -> None:
        """Say that so many more are done."""
        self._count += count
        now = time.monotonic()
        if now - self._shown >= self._interval:
            self._shown = now
            self._show(end="" if self._in_place else "\n")

    def done(self) -> str:
        """End the line; returns the total with its rate."""
        if self._in_place:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
        return self._summary()

    def _show(self, end: str) -> None:
        start = "\r\x1b[K" if self._in_place else ""
        self._stream.write(f"{start}{self._summary()} …{end}")
        self._stream.flush()

    def _summary(self) -> str:
        seconds = max(time.monotonic() - self._began, 1e-6)
        return f"{self._count:,} {self._what} in {seconds:.1f} s ({self._count / seconds:,.0f}/s)"

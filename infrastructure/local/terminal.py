"""What the commands say while they work."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class UserError(Exception):
    """A command cannot do what it was asked; the message says what to do about it."""


def say(line: str = "") -> None:
    """Write one line, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@contextmanager
def step(name: str) -> Iterator[None]:
    """Say that something is done, and how long it took in seconds."""
    started = time.monotonic()
    if sys.stdout.isatty():
        sys.stdout.write(f"  … {name}\r")
        sys.stdout.flush()
    yield
    say(f"  ✔ {name} ({time.monotonic() - started:.1f} s)")

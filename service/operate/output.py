"""Where the commands write."""

import sys


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """Print why nothing was done on the error output."""
    sys.stderr.write(f"ketlog: {text}\n")
    sys.stderr.flush()


def note(text: str) -> None:
    """Print what is no part of the output, which a program may read, on the error output."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()

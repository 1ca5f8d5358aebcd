"""Runs a program with the running stack's addresses in its environment: `with_env PROGRAM …`."""

import os
import sys
from pathlib import Path
from typing import NoReturn

from dotenv import dotenv_values

from infrastructure.local.settings import StackSettings


def main(command: list[str]) -> NoReturn:
    """Become the program, or end with a message when the stack is not up."""
    settings = StackSettings.read(Path.cwd())
    endpoints = dotenv_values(settings.stack_dir / "env", interpolate=False)
    if not endpoints:
        raise SystemExit("ketlog: the stack is not running: `make up` starts it")
    known = {name: value for name, value in endpoints.items() if value is not None}
    os.execvpe(command[0], command, {**os.environ, **known})  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])

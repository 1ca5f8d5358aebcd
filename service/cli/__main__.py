"""`python -m service.cli demo` and `python -m service.cli task ID`.

`API_URL` says where the API is, http://127.0.0.1:8001 unless set; `API_KEY` is shown to it where it
wants a key.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from rich.console import Console

from service.cli.client import ApiClient, ApiError
from service.cli.demo import run_demo
from service.cli.display import show_task

DEFAULT_API_URL = "http://127.0.0.1:8001"
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    console = Console(highlight=False)
    try:
        client = ApiClient(
            os.environ.get("API_URL") or DEFAULT_API_URL, os.environ.get("API_KEY", "").strip()
        )
        if options.command == "task":
            show_task(console, client.task(options.task_id))
            return 0
        return 0 if run_demo(client, console) else 1
    except ApiError as error:
        Console(stderr=True, highlight=False).print(
            f"ketlog: {error}", style="red", markup=False, soft_wrap=True
        )
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m service.cli",
        description="Try ketlog from a terminal. API_URL says where the API is "
        f"({DEFAULT_API_URL} unless set), API_KEY is your key where it wants one.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("demo", help="submit a few circuits, follow them, show what came out")
    task = commands.add_parser("task", help="show one task: status, history, histogram")
    task.add_argument("task_id", metavar="ID", help="from the answer to the submission")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""`python -m service.trace ID [--otlp]`: one task's way through all processes.

`DATABASE_URL` says where the log is.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence

from rich.console import Console

from domain.errors import StoreUnavailable
from infrastructure.postgres.connect import Database
from infrastructure.settings import Settings, read_settings
from infrastructure.telemetry.otlp_json import document
from service.trace.find import TaskTrace, find
from service.trace.waterfall import show_waterfall


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        traces = asyncio.run(_find(options.id.strip()))
    except StoreUnavailable as away:
        sys.stderr.write(f"ketlog: {away}: `make up` starts the stack\n")
        return 1
    if not traces:
        sys.stderr.write(
            f"ketlog: no task has the id, correlation id or trace id {options.id}: "
            "take it from the answer to the submission\n"
        )
        return 1
    if options.otlp:
        spans = [(stored.resource, stored.span) for each in traces for stored in each.spans]
        json.dump(document(spans), sys.stdout, indent=1)
        sys.stdout.write("\n")
        return 0
    console = Console(highlight=False)
    for trace in traces:
        show_waterfall(console, _title(trace), trace.spans)
        console.print()
    return 0


async def _find(wanted: str) -> list[TaskTrace]:
    database = Database(read_settings(Settings).database_url, size=2, application_name="trace")
    try:
        return await find(database, wanted)
    finally:
        await database.close()


def _title(trace: TaskTrace) -> str:
    title = f"task {trace.task_id}  trace {trace.trace_id}"
    return title if trace.recorded else f"{title}  (not sampled: from the times of its events)"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m service.trace", description=__doc__)
    parser.add_argument("id", metavar="ID", help="task id, correlation id or trace id")
    parser.add_argument(
        "--otlp", action="store_true", help="print OTLP JSON, which other viewers open"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

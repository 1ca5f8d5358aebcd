"""What the command line shows: a table of tasks, a history, a histogram."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

Json: TypeAlias = Mapping[str, Any]

BAR_WIDTH = 40
MAX_OUTCOMES = 16
_COLOURS = {
    "pending": "yellow",
    "processing": "cyan",
    "completed": "green",
    "failed": "red",
    "cancelled": "magenta",
}


def status_text(status: str) -> Text:
    """Return a status in its colour."""
    return Text(status, style=_COLOURS.get(status, ""))


def tasks_table(rows: Iterable[tuple[str, Json]]) -> Table:
    """Return a table of named tasks as they stand."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("circuit", "task", "status", "attempt", "seconds"):
        table.add_column(title, justify="right" if title == "seconds" else "left", no_wrap=True)
    for name, task in rows:
        table.add_row(
            name,
            str(task["task_id"]),
            status_text(task["status"]),
            str(task.get("attempt", 0) or ""),
            _seconds_to_end(task),
        )
    return table


def show_history(console: Console, task: Json) -> None:
    """Print a task's history, oldest first, with the time since the submission."""
    lines = task["status_history"]
    began = _time(lines[0]["transitioned_at"])
    for line in lines:
        at = _time(line["transitioned_at"])
        text = Text.assemble(
            f"  {line['transitioned_at']}  ",
            (f"+{(at - began).total_seconds():7.3f} s  ", "dim"),
            (f"{line['status']:<10}", _COLOURS.get(line["status"], "")),
            f"  {line['notes']}",
        )
        console.print(text, soft_wrap=True)


def show_histogram(console: Console, counts: Mapping[str, int]) -> None:
    """Print a bar for each outcome, the most frequent first if there are many."""
    total = sum(counts.values())
    if len(counts) > MAX_OUTCOMES:
        shown = sorted(counts.items(), key=lambda item: -item[1])[:MAX_OUTCOMES]
    else:
        shown = sorted(counts.items())
    width = max((len(outcome) for outcome, _ in shown), default=0)
    most = max((count for _, count in shown), default=0)
    full = "█" if (console.encoding or "").lower().startswith("utf") else "#"
    for outcome, count in shown:
        bar = full * max(round(BAR_WIDTH * count / most), 1)
        text = Text.assemble(
            f"  {outcome:>{width}}  ",
            (f"{bar:<{BAR_WIDTH}}", "green"),
            f"  {count:>7}  {100 * count / total:5.1f} %",
        )
        console.print(text, soft_wrap=True)
    if len(counts) > len(shown):
        console.print(f"  and {len(counts) - len(shown)} more outcomes")


def show_task(console: Console, task: Json) -> None:
    """Print everything worth knowing of one task."""
    console.print(Text.assemble(("task ", "bold"), str(task["task_id"]), "  "), end="")
    console.print(status_text(task["status"]))
    console.print(
        f"  shots {task['shots']}, attempt {task['attempt']}, "
        f"correlation id {escape(task['correlation_id'])}",
        soft_wrap=True,
    )
    show_history(console, task)
    if "error_message" in task:
        show_error(console, task)
    if "result" in task:
        show_histogram(console, task["result"])


def show_error(console: Console, task: Json) -> None:
    """Print why a task failed."""
    text = Text.assemble((f"  {task['error_code']}", "red"), f"  {task['error_message']}")
    console.print(text, soft_wrap=True)


def _seconds_to_end(task: Json) -> str:
    if "completed_at" not in task:
        return ""
    took = _time(task["completed_at"]) - _time(task["submitted_at"])
    return f"{took.total_seconds():.3f}"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)

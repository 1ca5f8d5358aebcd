"""A trace in the terminal: one line a span, below its parent, with a bar on a common time axis."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from infrastructure.postgres.traces import StoredSpan
from infrastructure.telemetry.otlp_json import decode_attributes

BAR_WIDTH = 40
NARROWEST_BAR = 10
_TAKEN_BY_COLUMNS = 88
_COLOURS = {"ketlog-api": "cyan", "ketlog-relay": "yellow", "ketlog-worker": "green"}
_NOTES = (
    ("ketlog.attempt", "attempt {}"),
    ("ketlog.outcome", "{}"),
    ("ketlog.requeue.reason", "{}"),
    ("ketlog.worker.id", "on {}"),
    ("ketlog.queue.wait_seconds", "queued {:.4f} s"),
    ("ketlog.slot.wait_seconds", "waited {:.4f} s for a simulator"),
    ("ketlog.event.type", "{}"),
    ("db.operation.batch.size", "with {} in one transaction"),
    ("messaging.batch.message_count", "with {} messages"),
    ("http.response.status_code", "{}"),
    ("ketlog.simulator.method", "{}"),
    ("ketlog.shots", "{} shots"),
)


@dataclass(slots=True)
class _Node:
    """A span and those below it."""

    stored: StoredSpan
    begun: int
    ended: int
    below: "list[_Node]" = field(default_factory=list)


def show_waterfall(console: Console, title: str, spans: Sequence[StoredSpan]) -> None:
    """Print the spans of one trace.

    Args:
        title: what the trace is of.
        spans: at least one, in any order; those whose parent is not there begin at the left.
    """
    roots = _tree(spans)
    first = min(node.begun for node in roots)
    last = max(node.ended for node in _all(roots))
    console.print(Text(title, style="bold"), soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="dim", expand=False)
    table.add_column("span", no_wrap=True)
    table.add_column("process", no_wrap=True)
    table.add_column("from ms", justify="right", no_wrap=True)
    table.add_column("for ms", justify="right", no_wrap=True)
    width = max(NARROWEST_BAR, min(BAR_WIDTH, console.width - _TAKEN_BY_COLUMNS))
    table.add_column(_axis(last - first, width), no_wrap=True, width=width)
    table.add_column("", overflow="fold")
    for node, depth in _lines(roots):
        service = str(node.stored.resource.get("service.name", ""))
        failed = node.stored.span.get("status", {}).get("code") == 2  # noqa: PLR2004 - OTLP's error
        colour = "red" if failed else _COLOURS.get(service, "blue")
        table.add_row(
            Text("  " * depth + node.stored.span["name"]),
            Text(service.removeprefix("ketlog-"), style="dim"),
            f"{(node.begun - first) / 1e6:.2f}",
            f"{(node.ended - node.begun) / 1e6:.2f}",
            Text(_bar(node, first, max(last - first, 1), width), style=colour),
            Text(_notes(node.stored.span), style="red" if failed else "dim"),
        )
    console.print(table)


def _tree(spans: Sequence[StoredSpan]) -> list[_Node]:
    nodes = {
        stored.span["spanId"]: _Node(
            stored, int(stored.span["startTimeUnixNano"]), int(stored.span["endTimeUnixNano"])
        )
        for stored in spans
    }
    roots: list[_Node] = []
    for node in nodes.values():
        parent = nodes.get(node.stored.span.get("parentSpanId", ""))
        (roots if parent is None else parent.below).append(node)
    return roots


def _all(nodes: Sequence[_Node]) -> Iterator[_Node]:
    for node, _depth in _lines(nodes):
        yield node


def _lines(nodes: Sequence[_Node], depth: int = 0) -> Iterator[tuple[_Node, int]]:
    for node in sorted(nodes, key=lambda node: (node.begun, -node.ended)):
        yield node, depth
        yield from _lines(node.below, depth + 1)


def _bar(node: _Node, first: int, whole: int, width: int) -> str:
    left = min(width - 1, int((node.begun - first) * width / whole))
    right = max(left + 1, round((node.ended - first) * width / whole))
    return " " * left + "█" * (min(right, width) - left)


def _axis(whole: int, width: int) -> str:
    end = f"{whole / 1e6:.1f} ms"
    return "0" + end.rjust(width - 1)


def _notes(span: dict[str, Any]) -> str:
    attributes = decode_attributes(span["attributes"])
    notes = [text.format(attributes[key]) for key, text in _NOTES if key in attributes]
    message = span.get("status", {}).get("message")
    if message and message not in notes:
        notes.append(message)
    return ", ".join(notes)

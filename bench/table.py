"""The table: for the terminal, and between the markers of `docs/performance.md`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.figures import Figure, number, spread
from bench.machine import CHECKOUT

PAGE = CHECKOUT / "docs" / "performance.md"
BEGIN = "<!-- figures: written by `python -m bench --write-table`, do not edit -->"
END = "<!-- end of figures -->"
_HEAD = ("row", "what", "ours", "baseline", "result", "goal", "stretch", "")


def lines(figures: Sequence[Figure]) -> list[tuple[str, ...]]:
    """Return the cells of each figure."""
    return [
        (
            figure.row,
            figure.what,
            f"{spread(figure.ours)} {figure.unit}",
            f"{spread(figure.baseline)} {figure.unit}" if figure.baseline else "-",
            f"{spread(figure.judged)} {figure.judged_unit}".rstrip(),
            f"{'≤' if figure.at_most else '≥'} {number(figure.goal)}",
            "-" if figure.stretch is None else number(figure.stretch),
            {"stretch": "stretch", "goal": "reached", "missed": "MISSED"}[figure.verdict],
        )
        for figure in figures
    ]


def plain(figures: Sequence[Figure]) -> str:
    """Return the table for a terminal."""
    return columns([_HEAD, *lines(figures)])


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Return cells below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def markdown(figures: Sequence[Figure]) -> str:
    """Return the table for a page."""
    rows = [_HEAD, ("---",) * len(_HEAD), *lines(figures)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def write_page(results: Path) -> None:
    """Put the newest figures of every row between the page's markers."""
    stored = [json.loads(file.read_text()) for file in sorted(results.glob("row-*.json"))]
    if not stored:
        raise SystemExit(f"ketlog: no figures in {results}: run `make bench` first")
    stored.sort(key=lambda one: one["order"])
    parts = []
    for machine, figures in _by_machine(stored):
        parts.append(f"{measured(machine)}\n\n{markdown(figures)}")
    put_between(BEGIN, END, "\n\n".join(parts))


def put_between(begin: str, end: str, body: str, page: Path = PAGE) -> None:
    """Replace what is between two markers of a page."""
    text = page.read_text(encoding="utf-8")
    head, _, rest = text.partition(begin)
    _, found, tail = rest.partition(end)
    if not found:
        raise SystemExit(f"ketlog: {page} has lost its markers: put them back")
    page.write_text(f"{head}{begin}\n\n{body}\n\n{end}{tail}", encoding="utf-8")


def _by_machine(
    stored: Sequence[Mapping[str, Any]],
) -> list[tuple[Mapping[str, Any], list[Figure]]]:
    """Group rows that were measured in one run."""
    groups: dict[str, tuple[Mapping[str, Any], list[Figure]]] = {}
    for one in stored:
        machine = one["machine"]
        group = groups.setdefault(machine["measured_at"], (machine, []))
        for figure in one["figures"]:
            fields = {key: figure[key] for key in Figure.__dataclass_fields__}
            group[1].append(Figure(**fields))
    return list(groups.values())


def measured(machine: Mapping[str, Any]) -> str:
    """Say when, where and of what figures were taken."""
    quick = "A quick look, not a measurement. " if machine["quick"] else ""
    return (
        f"{quick}Measured on {machine['measured_at'][:10]} at commit {machine['commit']}: "
        f"{machine['cores']} cores of {machine['cpu']}, {machine['memory_gib']} GiB, "
        f"Linux {machine['kernel']}, Python {machine['python']}, "
        f"PostgreSQL {machine['server_version']}, RabbitMQ {machine.get('rabbitmq_version', '-')}, "
        f"load {machine['load_before']} before the run."
    )

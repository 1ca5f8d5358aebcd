"""What the comparison has shown: a table for the terminal and for the page, and the verdicts."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.figures import number, spread
from bench.peers.turns import Found
from bench.table import columns, measured, put_between

BEGIN = "<!-- peers: written by `make bench-table`, do not edit -->"
END = "<!-- end of peers -->"
P50_WITHIN = 1.3
_HEAD = (
    "system",
    "submitted/s",
    "completed/s",
    "with ketlog's engine",
    "p50 ms",
    "p99 ms",
    "CPU ms a task",
    "lost",
    "doubled",
    "settled after s",
)


def verdicts(found: Mapping[str, Found]) -> list[tuple[str, bool]]:
    """Return each goal in words, and whether it was reached."""
    ours = found["ketlog"]
    others = {name: one for name, one in found.items() if name != "ketlog" and one.completed}
    if ours.failed or not others:
        return [(f"ketlog and at least one other have run {ours.failed}".strip(), False)]
    fastest = max(others, key=lambda name: statistics.median(others[name].completed))
    quickest = min(others, key=lambda name: statistics.median(others[name].p50))
    rate, best = (statistics.median(one.completed) for one in (ours, others[fastest]))
    p50, least = (statistics.median(one.p50) for one in (ours, others[quickest]))
    return [
        (
            f"completed/s: {number(rate)}, the best of the others ({fastest}) {number(best)}",
            rate > best,
        ),
        (
            f"p50: {number(p50)} ms, {number(p50 / least)} of the quickest of the others "
            f"({quickest}); at most {P50_WITHIN}",
            p50 <= P50_WITHIN * least,
        ),
        (f"lost {ours.lost}, doubled {ours.doubled}", ours.lost == 0 and ours.doubled == 0),
    ]


def plain(titles: Mapping[str, str], found: Mapping[str, Found]) -> str:
    """Return the table and the verdicts for a terminal."""
    said = [f"{'reached' if reached else 'MISSED'}: {what}" for what, reached in verdicts(found)]
    return "\n".join([columns([_HEAD, *_lines(titles, found)]), "", *said])


def store(
    file: Path,
    titles: Mapping[str, str],
    found: Mapping[str, Found],
    machine: Mapping[str, object],
    settings: Mapping[str, object],
) -> None:
    """Write everything as JSON."""
    file.parent.mkdir(parents=True, exist_ok=True)
    report = {
        "machine": machine,
        "settings": settings,
        "titles": titles,
        "found": {name: asdict(one) for name, one in found.items()},
        "verdicts": [{"what": what, "reached": reached} for what, reached in verdicts(found)],
    }
    file.write_text(json.dumps(report, indent=1), encoding="utf-8")


def write_page(file: Path) -> None:
    """Put the stored figures between the page's markers; none are stored before the first run."""
    if not file.exists():
        print(f"no figures in {file}: `make bench ONLY=peers` makes them")
        return
    stored: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    found = {name: Found(**one) for name, one in stored["found"].items()}
    lines = [_HEAD, ("---",) * len(_HEAD), *_lines(stored["titles"], found)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    said = "\n".join(
        f"* {'reached' if one['reached'] else '**missed**'}: {one['what']}"
        for one in stored["verdicts"]
    )
    put_between(BEGIN, END, f"{measured(stored['machine'])}\n\n{table}\n\n{said}")


def _lines(titles: Mapping[str, str], found: Mapping[str, Found]) -> list[tuple[str, ...]]:
    return [_line(titles[name], one) for name, one in found.items()]


def _line(title: str, found: Found) -> tuple[str, ...]:
    cpu: Sequence[float] = [sum(parts.values()) for parts in found.cpu]
    return (
        f"{title} (gave up: {found.failed.splitlines()[0][:80]})" if found.failed else title,
        *(
            spread(values)
            for values in (
                found.submitted,
                found.completed,
                found.engine,
                found.p50,
                found.p99,
                cpu,
            )
        ),
        _or_dash(found.lost),
        _or_dash(found.doubled),
        _or_dash(found.recovered),
    )


def _or_dash(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else number(value)

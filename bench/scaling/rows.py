"""The measured rows that the model is held against."""

import json
import os
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.scaling.demands import Demands
from bench.scaling.model import (
    Bound,
    drain_rate,
    end_to_end_rate,
    latency_ms,
    submit_rate,
)

CORES = os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Compared:
    """A prediction beside what was measured.

    Attributes:
        what: the row and its figure.
        unit: of both.
        predicted: by the model.
        by: what bounds it.
        measured: median of the row's rounds; `None` if the row was not measured.
    """

    what: str
    unit: str
    predicted: float
    by: str
    measured: float | None

    @property
    def deviation(self) -> float | None:
        """How much more the model says than was measured, as a share."""
        return None if self.measured is None else self.predicted / self.measured - 1


def compare(demands: Demands, results: Path) -> list[Compared]:
    """Predict every row that the model knows, and read what was measured."""
    worker, machine = drain_rate(demands, CORES, 1), drain_rate(demands, CORES, CORES)
    latency = Bound(latency_ms(demands), "its own work, and commits")
    rows: list[tuple[str, str, Bound, Callable[[Path], float | None]]] = [
        ("submit", "/s", submit_rate(demands, CORES), _row("submit", 0)),
        ("worker, one slot", "/s", worker, _row("worker", 0)),
        ("end-to-end", "/s", end_to_end_rate(demands, CORES), _row("end-to-end", 0)),
        ("burst, drained", "/s", machine, _row("burst", 1)),
        ("peers, ketlog completed", "/s", machine, _peers("completed")),
        ("latency, p50", "ms", latency, _row("latency", 0)),
        ("peers, ketlog p50", "ms", latency, _peers("p50")),
    ]
    return [
        Compared(what, unit, bound.per_second, bound.by, measured(results))
        for what, unit, bound, measured in rows
    ]


def measured_end_to_end(results: Path) -> float | None:
    """Return today's throughput: tasks a second from POST to completed."""
    return _row("end-to-end", 0)(results)


def _row(name: str, figure: int) -> Callable[[Path], float | None]:
    def read(results: Path) -> float | None:
        stored = _stored(results / f"row-{name}.json")
        return None if stored is None else statistics.median(stored["figures"][figure]["ours"])

    return read


def _peers(field: str) -> Callable[[Path], float | None]:
    def read(results: Path) -> float | None:
        stored = _stored(results / "peers.json")
        values = stored["found"]["ketlog"][field] if stored else []
        return statistics.median(values) if values else None

    return read


def _stored(file: Path) -> dict[str, Any] | None:
    if not file.exists():
        return None
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found

"""What the processes have logged, counted; unlike metrics it outlives a killed process."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.topology import Topology

STARTS = frozenset({"Listening", "Relay starts", "Worker starts"})
BROKER = "Connected to RabbitMQ"
DATABASE = "Connected to PostgreSQL"
DATABASE_AGAIN = frozenset(
    {
        "event log is back",
        "Claims go on",
        "Leases are renewed again",
    }
)


@dataclass
class LogCounts:
    """What all logs tell together.

    Attributes:
        errors: lines at level error, and tracebacks, by their text.
    """

    starts: int = 0
    broker_reconnects: int = 0
    database_reconnects: int = 0
    leaderships: int = 0
    refused_results: int = 0
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def reconnects(self) -> int:
        """Connections that processes have made again by themselves."""
        return self.broker_reconnects + self.database_reconnects


def read_logs(topology: Topology) -> LogCounts:
    """Read the logs of all processes."""
    counts = LogCounts()
    for member in topology.members.values():
        connected: set[str] = set()
        for line in _lines(member.process.log()):
            _count(counts, line, connected, member.name)
    return counts


def _count(counts: LogCounts, line: Mapping[str, Any], seen: set[str], process: str) -> None:
    event = str(line.get("event", ""))
    if event in STARTS:
        counts.starts += 1
        seen.clear()
    elif event in {BROKER, DATABASE}:
        if event in seen:
            counts.broker_reconnects += event == BROKER
            counts.database_reconnects += event == DATABASE
        seen.add(event)
    elif event in DATABASE_AGAIN:
        counts.database_reconnects += 1
    elif event == "Leading":
        counts.leaderships += 1
    elif event == "Outcome refused, the task was taken away":
        counts.refused_results += 1
    if line.get("level") in {"error", "critical"}:
        error = str(line.get("error", line.get("reason", "")))[:120]
        counts.errors[f"{process.partition('-')[0]}: {event} ({error})"] += 1


def _lines(text: str) -> Iterator[Mapping[str, Any]]:
    for line in text.splitlines():
        if line.startswith("{"):
            try:
                yield json.loads(line)
            except ValueError:
                continue
        elif line.startswith("Traceback"):
            yield {"level": "critical", "event": "a traceback"}

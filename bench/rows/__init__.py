"""The rows of the benchmark: each is a function from a run to its figures."""

from collections.abc import Callable, Mapping

from bench.figures import Figure
from bench.rows import (
    append,
    burst,
    end_to_end,
    footprint,
    growth,
    latency,
    relay,
    start,
    status,
    submit,
    worker,
)
from bench.run import Run

ROWS: Mapping[str, Callable[[Run], list[Figure]]] = {
    "submit": submit.measure,
    "status": status.measure,
    "append": append.measure,
    "relay": relay.measure,
    "worker": worker.measure,
    "end-to-end": end_to_end.measure,
    "latency": latency.measure,
    "growth": growth.measure,
    "burst": burst.measure,
    "footprint": footprint.measure,
    "start": start.measure,
}

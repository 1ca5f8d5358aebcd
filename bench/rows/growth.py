"""`growth`: what a log of 1,000,000 tasks costs, beside an empty one on the same server.

Two installations take the same load in turns. The big log is made by the database itself (see
`bench/fill.py`) and sealed by its relay before anything is measured.
"""

from collections.abc import Mapping

from bench.check import check_completed
from bench.figures import Figure, at_most
from bench.fill import fill, task_ids
from bench.latency_probe import latencies
from bench.load import SHOTS, Order, run_load
from bench.rows.latency import PER_SECOND, percentiles
from bench.run import Run
from bench.stack import Installation, Process
from bench.submissions import COUNTED, UNSEALED, wait_for

TASKS = 1_000_000
SMALL = 1_000
WARM_UP_TASKS = 30
LATENCY_TASKS = 100
GOAL = 1.25
STRETCH = 1.1


class _Side:
    """One of the two logs, and what was measured on it."""

    def __init__(self, installation: Installation, tasks: int) -> None:
        self.installation = installation
        self.tasks = tasks
        self.accepted = 0
        self.submit: list[float] = []
        self.status: list[float] = []
        self.latency: list[float] = []


def measure(run: Run) -> list[Figure]:
    """Make the logs, then measure each row on both in turns."""
    sides = {
        "empty": _Side(run.servers.installation(), SMALL),
        "grown": _Side(run.servers.installation(), run.size(TASKS)),
    }
    for name, side in sides.items():
        _make(run, name, side)
    for number in range(run.rounds + 1):
        for name, side in sides.items():
            _turn_latency(run, name, side, number)
    for side in sides.values():
        check_completed(side.installation.dsn, side.tasks + side.accepted, SHOTS)
    _measure_api(run, sides)
    empty, grown = sides["empty"], sides["grown"]
    what = f"{grown.tasks:,} tasks beside {empty.tasks:,}"
    return [
        _figure(f"submit, {what}", "/s", grown.submit, empty.submit, faster_is_more=True),
        _figure(f"status, {what}", "/s", grown.status, empty.status, faster_is_more=True),
        _figure(f"p50, {what}", "ms", grown.latency, empty.latency, faster_is_more=False),
    ]


def _make(run: Run, name: str, side: _Side) -> None:
    fill(side.installation.dsn, side.tasks)
    run.say(f"{side.tasks:,} tasks are in the {name} log")
    with side.installation.relay():
        wait_for(side.installation.dsn, UNSEALED, what="the sealer", timeout=3600, interval=1.0)
        wait_for(side.installation.dsn, COUNTED, what="the relay's count", answer=side.tasks)
    run.say(f"the {name} log is sealed and counted")


def _turn_latency(run: Run, name: str, side: _Side, number: int) -> None:
    """Send tasks to one side, whose processes are the only ones that run."""
    with side.installation.everything() as processes:
        port = processes["api"].port
        for count in (run.size(WARM_UP_TASKS), run.size(LATENCY_TASKS)):
            seen = latencies(port, count, PER_SECOND, first=side.accepted)
            side.accepted += count
    if number:
        side.latency.append(percentiles(seen)[0])
        run.say(f"round {number} {name} p50 {side.latency[-1]:.1f} ms")


def _measure_api(run: Run, sides: Mapping[str, _Side]) -> None:
    with sides["empty"].installation.api() as empty, sides["grown"].installation.api() as grown:
        for number in range(run.rounds + 1):
            for (name, side), api in zip(sides.items(), (empty, grown), strict=True):
                _turn(run, name, side, api, number)


def _turn(run: Run, name: str, side: _Side, api: Process, number: int) -> None:
    ids = str(run.keep(f"{name}.ids", task_ids(side.installation.dsn)[: side.tasks]))
    seconds = run.seconds if number else run.warm_up_seconds
    submitted = run_load(Order(api.port, seconds, first=side.accepted))
    side.accepted += submitted.answers
    looked = run_load(Order(api.port, seconds, ids=ids, first=number))
    if number:
        side.submit.append(submitted.per_second)
        side.status.append(looked.per_second)
        run.say(
            f"round {number} {name} submit {submitted.per_second:6.0f}/s  "
            f"status {looked.per_second:6.0f}/s"
        )


def _figure(
    what: str, unit: str, grown: list[float], empty: list[float], *, faster_is_more: bool
) -> Figure:
    pairs = list(zip(grown, empty, strict=True))
    slower = [bare / mine if faster_is_more else mine / bare for mine, bare in pairs]
    return at_most("growth", what, unit, grown, empty, judged=slower, goal=GOAL, stretch=STRETCH)

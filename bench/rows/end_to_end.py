"""`end-to-end`: submitted over HTTP and completed, everything on this machine, beside bare loops.

One API, one relay, one worker with as many slots as there are cores, and the load client, all as
shipped. The baseline has every core for itself: one bare loop on each.
"""

import os
import statistics
import time

from bench.bare_engine import bare_rate
from bench.check import check_completed
from bench.figures import Figure, at_least
from bench.load import SHOTS, Order, run_load
from bench.processor import ProcessorTime
from bench.run import Run
from bench.stack import Installation, Process
from bench.submissions import OPEN, wait_for

TASKS = 3_000
CONNECTIONS = 32


def measure(run: Run) -> list[Figure]:
    """Run the loops, then submit and drain, in turns."""
    installation = run.servers.installation()
    tasks, cores = run.size(TASKS), os.cpu_count() or 1
    rates: dict[str, list[float]] = {"bare": [], "ketlog": []}
    costs: list[dict[str, float]] = []
    with installation.everything() as processes:
        _through(installation, processes["api"], 0, tasks)
        for number in run.each_round():
            rates["bare"].append(bare_rate(run.seconds, SHOTS, cores))
            used = ProcessorTime(run.servers, processes)
            rates["ketlog"].append(_through(installation, processes["api"], number * tasks, tasks))
            costs.append(used.per(tasks))
            run.say(
                f"round {number} {cores} bare loops {rates['bare'][-1]:5.0f}/s  "
                f"ketlog {rates['ketlog'][-1]:5.0f}/s"
            )
    check_completed(installation.dsn, tasks * (run.rounds + 1), SHOTS)
    return [
        at_least(
            "end-to-end",
            f"{tasks:,} Bell pairs from POST to completed",
            "/s",
            rates["ketlog"],
            rates["bare"],
            goal=0.35,
            stretch=0.6,
            tasks_a_round=tasks,
            connections=CONNECTIONS,
            bare_loops=cores,
            **{name: statistics.median(cost[name] for cost in costs) for name in costs[0]},
        )
    ]


def _through(installation: Installation, api: Process, first: int, tasks: int) -> float:
    began = time.perf_counter()
    seen = run_load(Order(api.port, 120, count=tasks, first=first, connections=CONNECTIONS))
    assert seen.answers == tasks, f"{seen.answers} of {tasks} submissions were answered"
    started = time.perf_counter() - seen.seconds
    ended = wait_for(installation.dsn, OPEN, what="the worker", interval=0.02)
    return tasks / (ended - max(began, started))

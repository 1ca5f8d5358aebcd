"""`footprint`: resident memory of each process, idle and under load."""

import time
from collections.abc import Mapping

from bench.check import check_completed
from bench.figures import Figure, at_most
from bench.load import SHOTS, Order, run_load
from bench.memory import Memory, resident
from bench.run import Run
from bench.stack import Process
from bench.submissions import OPEN, wait_for
from infrastructure.local.process import descendants

TASKS = 5_000
IDLE_SECONDS = 5.0
GOALS_MB = {"api": 100, "relay": 70, "worker": 100, "simulator": 200}
MIB = 2**20


def measure(run: Run) -> list[Figure]:
    """Look at the processes when nothing happens, then while tasks go through them."""
    installation = run.servers.installation()
    tasks = run.size(TASKS)
    with installation.everything() as processes:
        time.sleep(IDLE_SECONDS)
        pids = _pids(processes)
        idle = {name: resident(pid) / MIB for name, pid in pids.items()}
        with Memory(pids) as memory:
            run_load(Order(processes["api"].port, 300, count=tasks))
            wait_for(installation.dsn, OPEN, what="the worker", interval=0.2)
        loaded = {name: bytes_ / MIB for name, bytes_ in memory.peak.items()}
    check_completed(installation.dsn, tasks, SHOTS)
    return [
        at_most(
            "footprint",
            f"{name}, {state}",
            "MB",
            [found[name]],
            [],
            judged=[found[name]],
            goal=goal,
            judged_unit="MB",
            tasks=tasks,
        )
        for name, goal in GOALS_MB.items()
        for state, found in (("idle", idle), ("under load", loaded))
    ]


def _pids(processes: Mapping[str, Process]) -> dict[str, int]:
    """Return the process ids, with one simulator: that of the worker which holds the most."""
    pids = {name: process.pid for name, process in processes.items()}
    return pids | {"simulator": max(descendants(pids["worker"]), key=resident)}

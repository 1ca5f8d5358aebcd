"""`burst`: 20,000 tasks submitted at once, then drained, beside the steady state.

The steady state is the same stack fed with a tenth of that at a time. Nothing may become slower
because much waits, and no process may grow with the queue.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.check import check_completed
from bench.figures import Figure, at_least, at_most
from bench.load import SHOTS, Order, run_load
from bench.memory import Memory
from bench.run import Run
from bench.stack import Installation, Process
from bench.submissions import OPEN, completions, last_position, wait_for

TASKS = 20_000
STEADY_SHARE = 10
CONNECTIONS = 64
MIB = 2**20


@dataclass(frozen=True, slots=True)
class _Wave:
    """What happened to some tasks that were submitted at once.

    Attributes:
        submitted: accepted a second.
        drained: completed a second, from the last submission on.
        peak: highest resident memory of each process while it lasted, in bytes.
    """

    submitted: float
    drained: float
    peak: Mapping[str, int]


def measure(run: Run) -> list[Figure]:
    """Let small waves and one big one go through the same processes."""
    installation = run.servers.installation()
    burst = run.size(TASKS)
    steady = burst // STEADY_SHARE
    with installation.everything() as processes:
        waves = []
        accepted = 0
        for size in (steady, steady, steady, burst, steady):
            waves.append(_wave(installation, processes, accepted, size))
            accepted += size
            run.say(
                f"{size} tasks: submitted {waves[-1].submitted:.0f}/s, "
                f"drained {waves[-1].drained:.0f}/s"
            )
    check_completed(installation.dsn, accepted, SHOTS)
    _, *before, big, after = waves
    small = [*before, after]
    facts: dict[str, Any] = {"burst": burst, "steady": steady, "connections": CONNECTIONS}
    return [
        *(
            at_least(
                "burst",
                f"{name}, {burst:,} at once beside {steady:,}",
                "/s",
                [getattr(big, name)] * len(small),
                [getattr(wave, name) for wave in small],
                goal=0.9,
                **facts,
            )
            for name in ("submitted", "drained")
        ),
        *(
            at_most(
                "burst",
                f"memory of {name} at its highest",
                "MB",
                [big.peak[name] / MIB] * len(small),
                [wave.peak[name] / MIB for wave in small],
                judged=[big.peak[name] / wave.peak[name] for wave in small],
                goal=1.1,
                **facts,
            )
            for name in processes
        ),
    ]


def _wave(
    installation: Installation, processes: Mapping[str, Process], first: int, tasks: int
) -> _Wave:
    dsn = installation.dsn
    before = last_position(dsn)
    with Memory({name: process.pid for name, process in processes.items()}) as memory:
        seen = run_load(
            Order(processes["api"].port, 300, count=tasks, first=first, connections=CONNECTIONS)
        )
        assert seen.answers == tasks, f"{seen.answers} of {tasks} submissions were answered"
        submitted_at = time.time()
        wait_for(dsn, OPEN, what="the worker", interval=0.2)
    late = [moment for moment in completions(dsn, before) if moment > submitted_at]
    assert len(late) > 1, "all was done before the last submission"
    return _Wave(seen.per_second, (len(late) - 1) / (late[-1] - late[0]), memory.peak)

"""`worker`: Bell pairs completed by one worker with one slot from a full queue, beside a bare loop.

Claims, runs, results and all, against a process that does nothing but parse and simulate. Every
text is one of a kind, so that nothing the engine keeps of circuits it has seen can serve.
"""

from bench.bare_engine import bare_rate
from bench.check import check_completed
from bench.figures import Figure, at_least
from bench.load import SHOTS
from bench.run import Run
from bench.stack import Installation
from bench.submissions import (
    OPEN,
    UNSEALED,
    WAITING,
    completions,
    last_position,
    submit,
    wait_for,
)

TASKS = 3_000
WARM_UP_SHARE = 0.1
"""Of the completions, while the look-ahead opens."""


def measure(run: Run) -> list[Figure]:
    """Run the loop, then let a worker empty the queue, in turns."""
    installation = run.servers.installation()
    tasks = run.size(TASKS)
    rates: dict[str, list[float]] = {"bare": [], "ketlog": []}
    with installation.relay(DISPATCH_WINDOW_LEAST=str(tasks)):
        for number in run.each_round():
            rates["bare"].append(bare_rate(run.seconds, SHOTS))
            rates["ketlog"].append(_work_off(installation, (number - 1) * tasks, tasks))
            run.say(
                f"round {number} bare {rates['bare'][-1]:5.0f}/s  "
                f"worker {rates['ketlog'][-1]:5.0f}/s"
            )
    check_completed(installation.dsn, tasks * run.rounds, SHOTS)
    return [
        at_least(
            "worker",
            f"{tasks:,} Bell pairs, one slot",
            "/s",
            rates["ketlog"],
            rates["bare"],
            goal=0.6,
            stretch=0.9,
            tasks_a_round=tasks,
            shots=SHOTS,
        )
    ]


def _work_off(installation: Installation, first: int, tasks: int) -> float:
    """Fill the queue, let a worker empty it; returns what the log says of its speed."""
    dsn = installation.dsn
    before = last_position(dsn)
    submit(dsn, range(first, first + tasks))
    wait_for(dsn, WAITING, what="the relay")
    wait_for(dsn, UNSEALED, what="the sealer")
    with installation.worker(WORKER_SLOTS="1"):
        wait_for(dsn, OPEN, what="the worker", interval=0.2)
    times = completions(dsn, before)
    skipped = int(tasks * WARM_UP_SHARE)
    return (tasks - 1 - skipped) / (times[-1] - times[skipped])

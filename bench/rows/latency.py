"""`latency`: from POST to visible completion on an idle system, ten tasks a second.

What counts is how much longer that takes than the bare loop needs for the circuit itself.
"""

import statistics

from bench.bare_engine import bare_rate
from bench.check import check_completed
from bench.figures import Figure, at_most
from bench.latency_probe import latencies
from bench.load import SHOTS
from bench.run import Run

PER_SECOND = 10.0
TASKS = 200


def measure(run: Run) -> list[Figure]:
    """Run the loop, then send tasks one by one, in turns."""
    installation = run.servers.installation()
    tasks = run.size(TASKS)
    loop: list[float] = []
    middle: list[float] = []
    high: list[float] = []
    with installation.everything() as processes:
        port = processes["api"].port
        for number in range(run.rounds + 1):
            seen = latencies(port, tasks, PER_SECOND, first=number * tasks)
            if not number:
                continue
            loop.append(1000 / bare_rate(run.seconds, SHOTS))
            p50, p99 = percentiles(seen)
            middle.append(p50)
            high.append(p99)
            run.say(f"round {number} bare {loop[-1]:.2f} ms  p50 {p50:.1f} ms  p99 {p99:.1f} ms")
    check_completed(installation.dsn, tasks * (run.rounds + 1), SHOTS)
    facts = {"tasks_a_round": tasks, "per_second": PER_SECOND}
    figures = []
    for name, values, goal, stretch in (("p50", middle, 8.0, 5.0), ("p99", high, 25.0, 12.0)):
        above = [value - bare for value, bare in zip(values, loop, strict=True)]
        figures.append(
            at_most(
                "latency",
                f"{name} from POST to completed, above the loop",
                "ms",
                values,
                loop,
                judged=above,
                goal=goal,
                stretch=stretch,
                judged_unit="ms",
                **facts,
            )
        )
    return figures


def percentiles(values: list[float]) -> tuple[float, float]:
    """Return the median, and the value that one in a hundred exceeds."""
    ordered = sorted(values)
    return statistics.median(ordered), ordered[int(len(ordered) * 0.99)]

"""`python -m tests.faults.chaos --minutes 10 --seed 1`: `make chaos`.

Starts two APIs, two relays and three workers on servers of their own, submits tasks without a break
and lets faults happen; afterwards it holds the log against what the clients were told. Ends with 0
when nothing was lost and nothing happened twice, with 1 when something was or when a kind of fault
never bit.
"""

import argparse
import shutil
import sys
import tempfile
from itertools import takewhile
from pathlib import Path

import uvloop
from rich.console import Console

from tests.faults.chaos import report
from tests.faults.chaos.run import Options, Run
from tests.faults.chaos.scenario import Scenario, all_scenarios
from tests.faults.chaos.schedule import rounds

RESULTS = Path("bench/results")
SHOWN_PASSES = 5
LEAST_WIDTH = 120


def main(arguments: list[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    known = all_scenarios()
    options = _parser(known).parse_args(arguments)
    options.report = options.report or RESULTS / f"chaos-{options.seed}.json"
    chosen = {name: known[name] for name in known if name in (options.only or known)}
    console = Console(highlight=False, soft_wrap=True)
    console.width = max(console.width, LEAST_WIDTH)
    console.print(f"seed {options.seed}, {len(chosen)} kinds of fault, in this order:")
    for planned in takewhile(lambda r: r.in_pass <= SHOWN_PASSES, rounds(options.seed, chosen)):
        console.print(str(planned), markup=False)
    if options.plan:
        return 0
    chosen_options = Options(options.minutes, options.passes, options.seed, options.rate)
    return _run(chosen_options, chosen, options.report, console)


def _run(options: Options, chosen: dict[str, Scenario], target: Path, console: Console) -> int:
    folder = Path(tempfile.mkdtemp(prefix="ketlog-chaos-"))
    try:
        with console.status("starting") as status:
            run = Run(
                options, chosen, lambda line: console.print(line, markup=False), status.update
            )
            outcome = uvloop.run(run.run(folder))
        written = report.document(outcome, chosen)
        report.show(written, console)
        report.write(written, target)
        console.print(f"report: {target}", markup=False)
        if not written["problems"]:
            return 0
        logs = target.with_suffix(".logs")
        shutil.copytree(
            folder, logs, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.key*", "*.heartbeat")
        )
        console.print(f"logs of the processes: {logs}", markup=False)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _parser(known: dict[str, Scenario]) -> argparse.ArgumentParser:
    kinds = "\n".join(f"  {name:<30} {scenario.shows}" for name, scenario in known.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.chaos",
        description=__doc__,
        epilog=f"kinds of fault:\n{kinds}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="least time with faults")
    parser.add_argument("--passes", type=int, default=10**6, help="most times of every kind")
    parser.add_argument("--seed", type=int, default=1, help="decides which faults, when, on whom")
    parser.add_argument("--rate", type=float, default=25.0, help="submissions each second")
    parser.add_argument("--only", nargs="*", choices=list(known), help="only these kinds of fault")
    parser.add_argument("--plan", action="store_true", help="print the schedule and end")
    parser.add_argument("--report", type=Path, help="where the JSON goes")
    return parser


if __name__ == "__main__":
    sys.exit(main())

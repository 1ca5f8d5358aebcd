"""`python -m bench.scaling`: what a task costs, what that predicts, and where it ends.

Measures the demands on a private stack (a minute and a half), holds the model's predictions against
the rows in `bench/results`, and prints what is full first at 10, 100 and 1000 times of today.
Writes `bench/results/scaling.json`. `--stored` uses the demands of the last run.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.machine import CHECKOUT, machine
from bench.run import Run
from bench.scaling import report
from bench.scaling.demands import Demands, measure
from bench.scaling.model import end_to_end_rate
from bench.scaling.rows import CORES, compare, measured_end_to_end
from bench.stack import Servers

RESULTS = CHECKOUT / "bench" / "results"


def main() -> int:
    """Measure, predict, compare, print and store."""
    options = _options()
    file: Path = options.results / "scaling.json"
    if options.write_table:
        report.write_page(_read(file))
        return 0
    if options.stored:
        stored = _read(file)
        facts, demands = stored["machine"], Demands(**stored["demands"])
    else:
        facts = machine() | {"quick": options.quick}
        with Servers() as servers:
            demands = measure(Run(servers, options.quick))
            facts |= servers.facts()
    compared = compare(demands, options.results)
    today = measured_end_to_end(options.results) or end_to_end_rate(demands, CORES).per_second
    made = report.tables(demands, compared, today)
    print(f"\n{report.plain(made)}")
    options.results.mkdir(parents=True, exist_ok=True)
    everything = {
        "machine": facts,
        "demands": asdict(demands),
        "compared": [asdict(one) | {"deviation": one.deviation} for one in compared],
        "today": today,
        "tables": made,
    }
    file.write_text(json.dumps(everything, indent=1), encoding="utf-8")
    return 0


def _read(file: Path) -> dict[str, Any]:
    if not file.exists():
        raise SystemExit(f"ketlog: no {file}: run `python -m bench.scaling` first")
    stored: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return stored


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.scaling", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a fast look instead of a measurement")
    parser.add_argument("--stored", action="store_true", help="with the demands of the last run")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument(
        "--write-table", action="store_true", help="put stored tables into docs/scaling.md"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

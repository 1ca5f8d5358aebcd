"""`make bench`: measures every row beside its baseline, in turns, on a stack of its own.

Each row writes `bench/results/row-NAME.json`; a table of all of them ends the run. The exit code is
1 where a row misses its goal or a result is wrong.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.figures import Figure
from bench.machine import CHECKOUT, machine
from bench.rows import ROWS
from bench.run import Run
from bench.stack import Servers
from bench.table import plain, write_page

RESULTS = CHECKOUT / "bench" / "results"


def main() -> int:
    """Measure, print and store."""
    options = _options()
    if options.write_table:
        write_page(options.results)
        return 0
    names = [name for name in (options.only or "").split(",") if name] or list(ROWS)
    unknown = [name for name in names if name not in ROWS]
    if unknown:
        raise SystemExit(f"ketlog: no row {unknown[0]}: choose from {', '.join(ROWS)}")
    before = machine() | {"quick": options.quick}
    figures: list[Figure] = []
    with Servers() as servers:
        run = Run(servers, options.quick)
        for name in names:
            run.say(f"row {name}")
            found = ROWS[name](run)
            figures += found
            _store(options.results, name, found, before | servers.facts())
    print(f"\n{plain(figures)}")
    return int(any(figure.verdict == "missed" for figure in figures))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", help=f"some of: {','.join(ROWS)}")
    parser.add_argument("--quick", action="store_true", help="a fast look instead of a measurement")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument(
        "--write-table", action="store_true", help="put stored figures into docs/performance.md"
    )
    return parser.parse_args()


def _store(folder: Path, name: str, figures: Sequence[Figure], facts: dict[str, object]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    report = {
        "row": name,
        "order": list(ROWS).index(name),
        "machine": facts,
        "figures": [figure.as_json() for figure in figures],
    }
    (folder / f"row-{name}.json").write_text(json.dumps(report, indent=1), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())

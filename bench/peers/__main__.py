"""`make bench ONLY=peers`: other queues do the same job on the same servers, in turns with ketlog.

Each takes a Bell pair as OpenQASM 3, runs it in one of two worker processes and keeps the result in
PostgreSQL, with durable settings and late acknowledgement as its documentation advises. They are
installed into `.venv-peers`. Writes `bench/results/peers.json`; the exit code is 1 where ketlog
misses a goal. A system that fails is shown as failed, and the others go on.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.machine import CHECKOUT, machine
from bench.peers import report
from bench.peers.catalogue import PEERS
from bench.peers.comparison import OURS, Comparison
from bench.peers.contestant import LANES, WORKERS
from bench.peers.environment import peers_python
from bench.peers.turns import KILLED_AT
from bench.run import Run
from bench.stack import Servers

RESULTS = CHECKOUT / "bench" / "results" / "peers.json"
_TITLES = {OURS: OURS} | {name: peer.title for name, peer in PEERS.items()}


def main() -> int:
    """Measure, print and store."""
    options = _options()
    if options.write_table:
        report.write_page(options.results)
        return 0
    others = options.systems.split(",") if options.systems else list(PEERS)
    unknown = [name for name in others if name not in PEERS]
    if unknown:
        raise SystemExit(f"ketlog: no system {unknown[0]}: choose from {', '.join(PEERS)}")
    python = peers_python()
    facts = machine() | {"quick": options.quick} | _versions(python, others)
    with Servers() as servers:
        comparison = Comparison(Run(servers, options.quick), python, [OURS, *others])
        comparison.measure()
        settings = {
            "tasks_a_round": comparison.tasks,
            "paced": comparison.paced,
            "lanes": LANES,
            "workers": WORKERS,
            "killed_at": KILLED_AT,
        }
        report.store(options.results, _TITLES, comparison.found, facts | servers.facts(), settings)
    print(f"\n{report.plain(_TITLES, comparison.found)}")
    return int(not all(reached for _, reached in report.verdicts(comparison.found)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("--systems", help=f"some of: {','.join(PEERS)}")
    parser.add_argument("--quick", action="store_true", help="a fast look instead of a measurement")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument(
        "--write-table", action="store_true", help="put stored figures into docs/performance.md"
    )
    return parser.parse_args()


def _versions(python: Path, names: Sequence[str]) -> dict[str, str]:
    program = (
        "import json, sys; from importlib.metadata import version; "
        "print(json.dumps({name: version(name) for name in sys.argv[1:]}))"
    )
    packages = [PEERS[name].package for name in names]
    command = [str(python), "-c", program, *packages]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    versions: dict[str, str] = json.loads(done.stdout)
    return versions


if __name__ == "__main__":
    sys.exit(main())

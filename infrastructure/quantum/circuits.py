"""Runs a folder of circuits with expected results: `python -m infrastructure.quantum.circuits`.

The folder holds a `manifest.json` with a list `files` of rows: `file`, `expect` (`run`, `slow`,
`fail`, `no_measurement`, `too_large` or `hang`), and for those that run `probabilities` by outcome
key and `clbits`. A row that runs without classical bits asks for `measure_all`.
"""

import argparse
import asyncio
import fnmatch
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from domain.execution import RunOptions, RunRequest
from infrastructure.quantum.comparison import Observation, judge
from infrastructure.quantum.limits import EngineLimits
from infrastructure.quantum.pool import SimulatorDied, SimulatorPool

_MESSAGE_WIDTH = 160
_SEED = 20_240_229
_VERDICTS = ("pass", "refused", "wrong")

Report = dict[str, Any]


async def run_folder(
    folder: Path, rows: Iterable[Mapping[str, Any]], shots: int, limits: EngineLimits
) -> list[Report]:
    """Run the rows of a manifest one after the other and print what comes out."""
    pool = SimulatorPool(1, limits)
    await pool.start()
    reports = []
    try:
        for row in rows:
            seen = await _observe(pool, folder, row, shots)
            verdict, reason = judge(row, seen, shots)
            reports.append(_report(row, seen, verdict, reason))
            _say(_line(reports[-1]))
    finally:
        await pool.close()
    return reports


async def _observe(
    pool: SimulatorPool, folder: Path, row: Mapping[str, Any], shots: int
) -> Observation:
    text = (folder / row["file"]).read_bytes().decode("utf-8", "replace")
    measure_all = row["expect"] in {"run", "slow"} and row.get("clbits") == 0
    options = RunOptions(shots=shots, seed=_SEED, measure_all=measure_all)
    begun = time.perf_counter()
    job = pool.submit(RunRequest(text, options))
    try:
        outcome = await job.outcome
    except SimulatorDied as death:
        return Observation(str(death), time.perf_counter() - begun, None)
    return Observation(outcome, time.perf_counter() - begun, job.peak_memory_bytes)


def _report(row: Mapping[str, Any], seen: Observation, verdict: str, reason: str) -> Report:
    return {
        "file": row["file"],
        "expect": row["expect"],
        "verdict": verdict,
        "reason": reason,
        "seconds": round(seen.seconds, 3),
        "peak_mib": None if seen.peak_bytes is None else seen.peak_bytes >> 20,
    }


def _line(report: Report) -> str:
    peak = "?" if report["peak_mib"] is None else report["peak_mib"]
    return (
        f"{report['verdict']:8}{report['expect']:15}{report['seconds']:8.2f} s{peak:>6} MiB"
        f"  {report['file']}  {report['reason'][:_MESSAGE_WIDTH]}"
    )


def _summary(reports: list[Report]) -> str:
    tally = Counter((report["expect"], report["verdict"]) for report in reports)
    lines = [f"{'class':15}" + "".join(f"{verdict:>9}" for verdict in _VERDICTS)]
    for name in [*sorted({report["expect"] for report in reports}), "total"]:
        numbers = [
            sum(times for (group, found), times in tally.items()
                if found == verdict and name in {group, "total"})
            for verdict in _VERDICTS
        ]  # fmt: skip
        lines.append(f"{name:15}" + "".join(f"{number:>9}" for number in numbers))
    return "\n".join(lines)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    """Run the circuits that the command line names; 1 if any of them went wrong."""
    parser = argparse.ArgumentParser(description="Run a folder of circuits with a manifest.")
    parser.add_argument("--dir", type=Path, required=True, help="folder with manifest.json")
    parser.add_argument("--shots", type=int, default=20_000)
    parser.add_argument("--only", default="*", help="pattern of file names, such as 'qasm3/*'")
    parser.add_argument("--timeout", type=float, help="wall-clock limit of each run in seconds")
    parser.add_argument("--json", type=Path, help="file to write the results to")
    arguments = parser.parse_args()
    manifest = json.loads((arguments.dir / "manifest.json").read_text(encoding="utf-8"))
    rows = [row for row in manifest["files"] if fnmatch.fnmatch(row["file"], arguments.only)]
    limits = EngineLimits.from_environment(os.environ)
    if arguments.timeout is not None:
        limits = replace(limits, default_timeout_seconds=arguments.timeout)
    reports = asyncio.run(run_folder(arguments.dir, rows, arguments.shots, limits))
    _say(_summary(reports))
    if arguments.json:
        arguments.json.write_text(json.dumps(reports, indent=1), encoding="utf-8")
    return int(any(report["verdict"] == "wrong" for report in reports))


if __name__ == "__main__":
    sys.exit(main())

"""The engine alone, as ratios measured in one interleaved run: `python -m bench.engine`.

Two figures matter: circuits per second of a Bell pair at 1024 shots against a bare loop over one
reused AerSimulator on the prebuilt circuit (ours includes parsing), and the time to parse a flat
program of 10,000 gates against Qiskit's Rust parser for OpenQASM 2 on equivalent text.
"""

import argparse
import asyncio
import itertools
import json
import os
import platform
import random
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qiskit import QuantumCircuit, qasm2
from qiskit_aer import AerSimulator

from domain.execution import RunOptions, RunRequest, RunSucceeded
from infrastructure.quantum.limits import EngineLimits
from infrastructure.quantum.pool import SimulatorPool
from infrastructure.quantum.provenance import versions
from infrastructure.quantum.qasm import compile_program
from infrastructure.quantum.runner import Runner
from infrastructure.quantum.sandbox import freeze_imports

SHOTS = 1024
GOAL_BELL = 0.8
GOAL_PARSE = 3.0
_BELL = 'OPENQASM 3;\ninclude "stdgates.inc";\nqubit[2] q;\nbit[2] c;\nh q[0];\ncx q[0], q[1];\n'
_GATES = 10_000
_IN_FLIGHT = 8

Timed = Callable[[], None]


def bell_text(number: int | None = None) -> str:
    """A Bell pair; with a number, a text that no cache has seen."""
    comment = "" if number is None else f"// {number}\n"
    return f"{_BELL}{comment}c = measure q;\n"


def bare_loop() -> Timed:
    """What a script would do at best: one simulator, one prebuilt circuit."""
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], [0, 1])
    simulator = AerSimulator(max_parallel_threads=1)
    seeds = itertools.count()

    def run() -> None:
        job = simulator.run(circuit, shots=SHOTS, seed_simulator=next(seeds))
        assert sum(job.result().get_counts().values()) == SHOTS

    return run


def engine(*, fresh_text: bool) -> Timed:
    """Our engine in this process, text in and counts out."""
    runner = Runner(EngineLimits())
    freeze_imports()  # as every simulator process does
    numbers = itertools.count()
    options = RunOptions(shots=SHOTS)

    def run() -> None:
        text = bell_text(next(numbers) if fresh_text else None)
        outcome = runner.run(RunRequest(text, options))
        assert isinstance(outcome, RunSucceeded), outcome

    return run


def flat_programs() -> tuple[str, str]:
    """The same 10,000 gates as OpenQASM 3 and as OpenQASM 2."""
    choose = random.Random(1)
    lines = []
    for _ in range(_GATES - 1):
        a, b = choose.sample(range(16), 2)
        gate = choose.choice(["h", "x", "t", "rz", "cx", "cz", "u"])
        if gate in {"cx", "cz"}:
            lines.append(f"{gate} q[{a}], q[{b}];")
        elif gate == "rz":
            lines.append(f"rz({choose.uniform(-3, 3)!r}) q[{a}];")
        elif gate == "u":
            lines.append(f"u(pi/{choose.randint(1, 8)}, 0.25, -pi/2) q[{a}];")
        else:
            lines.append(f"{gate} q[{a}];")
    body = "\n".join(lines)
    head3 = 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[16] q;\nbit[16] c;\n'
    head2 = 'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[16];\ncreg c[16];\n'
    return f"{head3}{body}\nc = measure q;\n", f"{head2}{body}\nmeasure q -> c;\n"


def parsers() -> dict[str, Timed]:
    """Our front end on OpenQASM 3 and 2, and Qiskit's parser on OpenQASM 2."""
    version3, version2 = flat_programs()
    custom = qasm2.LEGACY_CUSTOM_INSTRUCTIONS

    def theirs() -> None:
        qasm2.loads(version2, custom_instructions=custom)

    return {
        "ours_qasm3": lambda: void(compile_program(version3)),
        "ours_qasm2": lambda: void(compile_program(version2)),
        "qiskit_qasm2": theirs,
    }


def void(value: object) -> None:
    """Drop a value."""
    del value


def interleave(contestants: dict[str, Timed], rounds: int, batch: int) -> dict[str, list[float]]:
    """Seconds per call of each contestant, taking turns so that all see the same machine."""
    for contestant in contestants.values():
        contestant()
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, contestant in contestants.items():
            begun = time.perf_counter()
            for _ in range(batch):
                contestant()
            seconds[name].append((time.perf_counter() - begun) / batch)
    return seconds


async def through_the_pool(circuits: int) -> float:
    """Seconds per Bell pair through a pool of one slot with a few in flight."""
    pool = SimulatorPool(1, EngineLimits())
    await pool.start()
    while not pool.spares_ready:  # noqa: ASYNC110 - its start would be measured too
        await asyncio.sleep(0.01)
    try:
        flight = deque(pool.submit(RunRequest(bell_text(-number))) for number in range(_IN_FLIGHT))
        begun = time.perf_counter()
        for number in range(circuits):
            await flight.popleft().outcome
            flight.append(pool.submit(RunRequest(bell_text(number))))
        return (time.perf_counter() - begun) / circuits
    finally:
        await pool.close()


def ratios(ours: list[float], theirs: list[float]) -> list[float]:
    """Round by round, how many of ours fit into the time of one of theirs."""
    return [their / our for our, their in zip(ours, theirs, strict=True)]


def summary(values: list[float]) -> dict[str, float]:
    """Median and the middle half."""
    low, middle, high = statistics.quantiles(values, n=4)
    return {"median": round(middle, 4), "low": round(low, 4), "high": round(high, 4)}


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "cpu": platform.machine(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "load": os.getloadavg()[0],
        "versions": dict(versions()),
    }


def main() -> int:
    """Measure, print and store the figures; 1 if a goal is missed."""
    arguments_parser = argparse.ArgumentParser(description=__doc__)
    arguments_parser.add_argument("--rounds", type=int, default=15)
    arguments_parser.add_argument("--json", type=Path, default=Path("bench/results/engine.json"))
    arguments = arguments_parser.parse_args()
    bell = interleave(
        {
            "bare": bare_loop(),
            "fresh": engine(fresh_text=True),
            "same": engine(fresh_text=False),
        },
        arguments.rounds,
        batch=40,
    )
    parse = interleave(parsers(), arguments.rounds, batch=1)
    pooled = [asyncio.run(through_the_pool(300)) for _ in range(4)]
    report: dict[str, Any] = {
        "bell_fresh_text": summary(ratios(bell["fresh"], bell["bare"])),
        "bell_same_text": summary(ratios(bell["same"], bell["bare"])),
        "bell_through_pool": summary([statistics.median(bell["bare"]) / each for each in pooled]),
        "bell_ms": {name: summary([1e3 * s for s in all_]) for name, all_ in bell.items()},
        "pool_ms": summary([1e3 * each for each in pooled]),
        "parse_qasm3": summary(
            [1 / ratio for ratio in ratios(parse["ours_qasm3"], parse["qiskit_qasm2"])]
        ),
        "parse_qasm2": summary(
            [1 / ratio for ratio in ratios(parse["ours_qasm2"], parse["qiskit_qasm2"])]
        ),
        "parse_ms": {name: summary([1e3 * s for s in all_]) for name, all_ in parse.items()},
        "machine": machine(),
    }
    text = json.dumps(report, indent=1)
    print(text)
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(text, encoding="utf-8")
    reached = (
        report["bell_fresh_text"]["median"] >= GOAL_BELL
        and report["parse_qasm3"]["median"] <= GOAL_PARSE
        and report["parse_qasm2"]["median"] <= GOAL_PARSE
    )
    print("goals reached" if reached else "a goal is missed")
    return int(not reached)


if __name__ == "__main__":
    sys.exit(main())

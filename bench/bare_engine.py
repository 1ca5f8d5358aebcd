"""The yardstick of the worker: one process that runs a Bell pair over and over, and stores nothing.

Each text is parsed by Qiskit's Rust OpenQASM 2 parser, one Aer simulator is reused, nothing is
transpiled, and Aer's own sampler draws the shots.

    python -m bench.bare_engine SECONDS SHOTS
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence

from bench.machine import CHECKOUT

BELL = (
    'OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; creg c[2];'
    " h q[0]; cx q[0],q[1]; measure q -> c;"
)
WARM_UP = 50


def bare_rate(seconds: float, shots: int, processes: int = 1) -> float:
    """Run so many loops side by side; returns circuits per second of all together."""
    loops = [
        subprocess.Popen(
            [sys.executable, "-m", "bench.bare_engine", str(seconds), str(shots)],
            cwd=CHECKOUT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(processes)
    ]
    answers: Sequence[str] = [loop.communicate(timeout=seconds + 60)[0] for loop in loops]
    return sum(float(json.loads(answer)["per_second"]) for answer in answers)


def main(seconds: float, shots: int) -> None:
    """Run for so long and print circuits per second as JSON."""
    from qiskit import qasm2  # noqa: PLC0415 - only the loop itself needs the engine
    from qiskit_aer import AerSimulator  # noqa: PLC0415

    simulator = AerSimulator()

    def run() -> None:
        counts = simulator.run(qasm2.loads(BELL), shots=shots).result().get_counts()
        assert sum(counts.values()) == shots

    for _ in range(WARM_UP):
        run()
    done = 0
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        run()
        done += 1
    print(json.dumps({"per_second": done / (time.perf_counter() - began)}))


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))

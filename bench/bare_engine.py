"""The yardstick of the worker: one process that runs a Bell pair over and over, and stores nothing.

One Aer simulator is reused, nothing is transpiled, and Aer's own sampler draws the shots.

    python -m bench.bare_engine SECONDS SHOTS
"""

import json
import sys
import time

from qiskit import qasm2
from qiskit_aer import AerSimulator

BELL = (
    'OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; creg c[2];'
    " h q[0]; cx q[0],q[1]; measure q -> c;"
)
WARM_UP = 50


def main(seconds: float, shots: int) -> None:
    """Run for so long and print circuits per second as JSON."""
    simulator = AerSimulator()
    for _ in range(WARM_UP):
        _run(simulator, shots)
    done = 0
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        _run(simulator, shots)
        done += 1
    print(json.dumps({"per_second": done / (time.perf_counter() - began)}))


def _run(simulator: AerSimulator, shots: int) -> None:
    counts = simulator.run(qasm2.loads(BELL), shots=shots).result().get_counts()
    assert sum(counts.values()) == shots


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))

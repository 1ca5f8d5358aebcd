"""What a task does: run a circuit text, return its counts.

By default it is what a user would write with care: Qiskit's own OpenQASM 3 importer, one simulator
that is kept, no transpiler (the gates are the simulator's own). `BENCH_ENGINE=ketlog` puts ketlog's
engine in its place, so that what is left of the difference is the queue's.
"""

import os
from collections.abc import Callable

Run = Callable[[str, int], dict[str, int]]


def run_circuit(text: str, shots: int) -> dict[str, int]:
    """Run a circuit; returns how often each outcome came."""
    global _run  # noqa: PLW0603 - one engine a process, made by its first task
    if _run is None:
        _run = _ketlog() if os.environ.get("BENCH_ENGINE") == "ketlog" else _qiskit()
    return _run(text, shots)


_run: Run | None = None


def _qiskit() -> Run:
    from qiskit import qasm3  # noqa: PLC0415 - the process that submits needs no simulator
    from qiskit_aer import AerSimulator  # noqa: PLC0415

    simulator = AerSimulator()

    def run(text: str, shots: int) -> dict[str, int]:
        counts = simulator.run(qasm3.loads(text), shots=shots).result().get_counts()
        return {str(outcome): int(count) for outcome, count in counts.items()}

    return run


def _ketlog() -> Run:
    from domain.execution import RunOptions, RunRequest, RunSucceeded  # noqa: PLC0415
    from infrastructure.quantum.limits import EngineLimits  # noqa: PLC0415
    from infrastructure.quantum.runner import Runner  # noqa: PLC0415

    runner = Runner(EngineLimits())

    def run(text: str, shots: int) -> dict[str, int]:
        outcome = runner.run(RunRequest(text, RunOptions(shots=shots)))
        assert isinstance(outcome, RunSucceeded), outcome
        return dict(outcome.counts)

    return run

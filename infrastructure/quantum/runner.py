"""Runs one circuit: compile, choose, simulate, count. Lives in the simulator process."""

import secrets
import time
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np
import qiskit
import qiskit_aer

from domain.execution import MAX_SEED, RunOptions, RunOutcome, RunRequest, RunSucceeded
from domain.run_json import outcome_to_json, request_from_json
from infrastructure.quantum import provenance
from infrastructure.quantum.aer import Aer
from infrastructure.quantum.checks import check_options
from infrastructure.quantum.counting import Counter, LoopGuard
from infrastructure.quantum.failure import or_failure
from infrastructure.quantum.limits import EngineLimits
from infrastructure.quantum.preparation import Preparation, Prepared
from infrastructure.quantum.sandbox import PeakMemory

_SEED_BITS = MAX_SEED.bit_length()


class Runner:
    """The engine of one process.

    Attributes:
        peak: the process's memory meter.
        memory_mb: MiB that a run may use.
    """

    def __init__(self, limits: EngineLimits, loop_guard: LoopGuard = nullcontext) -> None:
        self._loop_guard = loop_guard
        self.peak = PeakMemory()
        self.memory_mb = limits.simulator_memory_mb
        self._limits = limits
        self._preparation = Preparation(limits)
        self._aer = Aer(limits)

    @property
    def code(self) -> tuple[str, ...]:
        """Files of the libraries that may still be read while circuits run."""
        return tuple(str(module.__file__) for module in (np, qiskit, qiskit_aer))

    @property
    def facts(self) -> dict[str, Any]:
        """What the pool may want to know about this process."""
        return {"versions": dict(provenance.versions()), "cpu": provenance.architecture()}

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Run a circuit as it came through the pipe."""
        return outcome_to_json(self.run(request_from_json(request)))

    def run(self, request: RunRequest) -> RunOutcome:
        """Run a circuit. Whatever is wrong with it comes back as a `RunFailed`."""
        self.peak.begin()
        return or_failure(
            lambda: self._run(request),
            f"The run needs more than the {self.memory_mb} MiB that it may use."
            " Use a smaller circuit or fewer shots.",
        )

    def warm_up(self) -> None:
        """Load and fill everything that a first run would wait for."""
        for circuit, options in _WARM_UP:
            self.run(RunRequest(circuit, options))

    def _run(self, request: RunRequest) -> RunSucceeded:
        options = request.options
        check_options(options, self._limits)
        seed = secrets.randbits(_SEED_BITS) if options.seed is None else options.seed
        prepared = self._preparation.prepare(request)
        begun = time.perf_counter()
        counted = Counter(
            self._aer,
            self._limits,
            prepared.registers,
            shots=options.shots,
            seed=seed,
            memory=options.memory,
            loop_guard=self._loop_guard,
        ).count(prepared.plan)
        seconds = time.perf_counter() - begun
        execution = self._execution(prepared, options.shots, seed, seconds)
        return RunSucceeded(counted.counts, counted.memory, execution)

    def _execution(
        self, prepared: Prepared, shots: int, seed: int, seconds: float
    ) -> dict[str, Any]:
        branching = prepared.plan.branching
        return {
            "seed": seed,
            "shots": shots,
            **prepared.record,
            "peak_memory_bytes": self.peak.highest(),
            "versions": dict(provenance.versions()),
            "simulator": {**self._aer.options, "shot_branching_enable": branching},
            "cpu": provenance.architecture(),
            "durations": {
                "parse": round(prepared.parse_seconds, 6),
                "compile": round(prepared.compile_seconds, 6),
                "run": round(seconds, 6),
            },
        }


_WARM_UP = (
    ("OPENQASM 3; qubit[2] q; h q[0]; t q[1]; ch q[0], q[1]; measure q;", RunOptions(shots=16)),
    ("OPENQASM 3; qubit[2] q; h q[0]; cx q[0], q[1]; measure q;", RunOptions(shots=16)),
    (
        'OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; creg c[2]; u3(0.1,0.2,0.3) q[0];'
        " measure q -> c;",
        RunOptions(shots=16, method="matrix_product_state", memory=True),
    ),
    (
        "OPENQASM 3; qubit[2] q; bit[2] c; h q[0]; c[0] = measure q[0]; if (c[0]) { x q[1]; }"
        " c[1] = measure q[1];",
        RunOptions(shots=16),
    ),
)

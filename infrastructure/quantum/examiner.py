"""Says what a run would be like, and draws circuits. Lives in a process of its own."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import qiskit
import qiskit_aer

from domain.execution import RunOptions, RunRequest
from domain.inspection import CircuitDrawing, CircuitReport, Inspection, InspectionAnswer
from domain.run_json import answer_to_json, inspection_from_json
from infrastructure.quantum import provenance
from infrastructure.quantum.aer import Aer
from infrastructure.quantum.checks import check_dynamic_work, check_memory_size, check_options
from infrastructure.quantum.drawing import draw
from infrastructure.quantum.estimate import Seconds, expected_seconds, slowness
from infrastructure.quantum.failure import or_failure
from infrastructure.quantum.limits import EngineLimits
from infrastructure.quantum.outcomes import key_length
from infrastructure.quantum.preparation import Preparation, Prepared
from infrastructure.quantum.sandbox import PeakMemory

_MOST_MEMORY_MB = 1024
_DIGITS = 3
_UNKNOWN = 1.0


class Examiner:
    """The engine of one process that runs nothing.

    Attributes:
        memory_mb: MiB that one answer may take.
        peak: the process's memory meter.
    """

    def __init__(self, limits: EngineLimits) -> None:
        self.memory_mb = min(limits.simulator_memory_mb, _MOST_MEMORY_MB)
        self.peak = PeakMemory()
        self._limits = limits
        self._preparation = Preparation(limits)
        self._slowness = _UNKNOWN

    @property
    def code(self) -> tuple[str, ...]:
        """Files of the libraries that may still be read while circuits are looked at."""
        return tuple(str(module.__file__) for module in (np, qiskit, qiskit_aer))

    @property
    def facts(self) -> dict[str, Any]:
        """What the parent may want to know about this process."""
        return {"versions": dict(provenance.versions()), "slowness": self._slowness}

    def warm_up(self) -> None:
        """Load everything that a first answer would wait for, and see how fast the machine is."""
        self._slowness = slowness(Aer(self._limits))
        for kind in ("check", "drawing"):
            for circuit in _WARM_UP:
                self.inspect(Inspection(kind, RunRequest(circuit)))

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Look at a circuit as it came through the pipe."""
        return answer_to_json(self.inspect(inspection_from_json(request)))

    def inspect(self, inspection: Inspection) -> InspectionAnswer:
        """Look at a circuit. Whatever is wrong with it comes back as a `RunFailed`."""
        self.peak.begin()
        look = self._drawing if inspection.kind == "drawing" else self._report
        return or_failure(
            lambda: look(inspection.request),
            f"Reading and compiling the circuit needs more than {self.memory_mb} MiB."
            " Use a smaller circuit.",
        )

    def _drawing(self, request: RunRequest) -> InspectionAnswer:
        return CircuitDrawing(draw(self._preparation.compile(request).circuit))

    def _report(self, request: RunRequest) -> InspectionAnswer:
        options = request.options
        check_options(options, self._limits)
        prepared = self._preparation.prepare(request)
        if options.memory:
            check_memory_size(options.shots, key_length(prepared.registers), self._limits)
        if prepared.plan.sampler == "shot_by_shot":
            check_dynamic_work(options.shots, len(prepared.plan.circuit.data), self._limits)
        expected = expected_seconds(prepared, options, self._limits, self._slowness)
        timeout = self._limits.timeout(options.timeout_seconds)
        record = prepared.record
        return CircuitReport(
            {
                "openqasm": record["openqasm"],
                "qubits": record["qubits"],
                "clbits": record["clbits"],
                "depth": record["depth"],
                "operations": record["operations"],
                "registers": _registers(prepared),
                "measure_all": record["measure_all"],
                "simulated_qubits": record["simulated_qubits"],
                "method": record["method"],
                "method_reason": record["method_reason"],
                "sampler": record["sampler"],
                "memory_bytes": record["estimated_memory_bytes"],
                "shots": options.shots,
                "expected_seconds": {
                    "low": _rounded(expected.low),
                    "high": _rounded(expected.high),
                },
                "timeout_seconds": timeout,
                "warnings": _warnings(expected, timeout, options),
            }
        )


def _registers(prepared: Prepared) -> list[dict[str, Any]]:
    return [
        {"name": name, "bits": bits}
        for name, bits in zip(prepared.names, prepared.registers, strict=True)
    ]


def _warnings(expected: Seconds, timeout: float, options: RunOptions) -> list[str]:
    found = []
    if expected.low >= timeout:
        found.append(
            f"The run will probably be stopped after {timeout:g} seconds, its limit. Ask for fewer"
            " shots, a smaller circuit or a higher `timeout_seconds`."
        )
    elif expected.high >= timeout:
        found.append(f"The run may be stopped after {timeout:g} seconds, its limit.")
    if options.method == "matrix_product_state":
        found.append("Matrix product states truncate where there is much entanglement.")
    return found


def _rounded(seconds: float) -> float:
    """Three digits: the model knows no more."""
    return float(f"{seconds:.{_DIGITS}g}")


_WARM_UP = (
    "OPENQASM 3; qubit[2] q; bit[2] c; h q[0]; t q[1]; ch q[0], q[1]; c = measure q;",
    'OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; creg c[2]; h q[0]; measure q -> c;',
    "OPENQASM 3; qubit q; bit c; c = measure q; if (c) { x q; } c = measure q;",
)

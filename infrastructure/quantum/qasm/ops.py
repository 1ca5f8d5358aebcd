"""Gates on numbered qubits, as the unrolled program applies them."""

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from qiskit._accelerate.circuit import StandardGate as G

Matrix = NDArray[np.complex128]


class Op(NamedTuple):
    """One gate on numbered qubits.

    Attributes:
        gate: gate of Qiskit's standard library; `None` for a matrix or a barrier.
        params: angles in radians.
        qubits: qubits, the controls first.
        controls: number of controls beside those that the gate has itself.
        matrix: unitary matrix of a gate without a name, in Qiskit's order of qubits.
    """

    gate: G | None
    params: tuple[float, ...]
    qubits: tuple[int, ...]
    controls: int = 0
    matrix: Matrix | None = None

    @property
    def is_barrier(self) -> bool:
        """Whether it only keeps other gates apart."""
        return self.gate is None and self.matrix is None


def barrier(qubits: tuple[int, ...]) -> Op:
    """Return a barrier."""
    return Op(None, (), qubits)


def global_phase(angle: float) -> Op:
    """Return a turn of the global phase, which matters under controls only."""
    return Op(G.GlobalPhase, (angle,), ())


_BARE: dict[G, tuple[G, int]] = {
    G.CX: (G.X, 1),
    G.CCX: (G.X, 2),
    G.C3X: (G.X, 3),
    G.CY: (G.Y, 1),
    G.CZ: (G.Z, 1),
    G.CCZ: (G.Z, 2),
    G.CH: (G.H, 1),
    G.CPhase: (G.Phase, 1),
    G.CU1: (G.Phase, 1),
    G.CRX: (G.RX, 1),
    G.CRY: (G.RY, 1),
    G.CRZ: (G.RZ, 1),
    G.CS: (G.S, 1),
    G.CSdg: (G.Sdg, 1),
    G.CSX: (G.SX, 1),
    G.C3SX: (G.SX, 3),
    G.CSwap: (G.Swap, 1),
    G.CU3: (G.U, 1),
}


def bare(op: Op) -> Op:
    """Return the op with all of its controls counted as controls."""
    if op.gate is not None and op.gate in _BARE:
        gate, controls = _BARE[op.gate]
        return op._replace(gate=gate, controls=op.controls + controls)
    return op


def controlled(ops: Iterable[Op], controls: tuple[int, ...]) -> list[Op]:
    """Return the ops under further controls."""
    return [op if op.is_barrier else _controlled(bare(op), controls) for op in ops]


def _controlled(op: Op, controls: tuple[int, ...]) -> Op:
    return op._replace(qubits=controls + op.qubits, controls=op.controls + len(controls))


def placed(ops: Iterable[Op], qubits: tuple[int, ...]) -> list[Op]:
    """Return ops on the qubits that stand at the places which the ops name."""
    return [op._replace(qubits=tuple([qubits[place] for place in op.qubits])) for op in ops]


@lru_cache(maxsize=4096)
def _definition(gate: G, params: tuple[float, ...]) -> tuple[Op, ...]:
    circuit = gate.gate_class(*params).definition
    places = {qubit: place for place, qubit in enumerate(circuit.qubits)}
    ops = [
        Op(
            instruction.operation._standard_gate,  # noqa: SLF001 - definitions use such gates only
            tuple(float(param) for param in instruction.params),
            tuple(places[qubit] for qubit in instruction.qubits),
        )
        for instruction in circuit.data
    ]
    if circuit.global_phase:
        ops.append(global_phase(float(circuit.global_phase)))
    return tuple(ops)


def defined(op: Op, gate: G) -> list[Op]:
    """Return an op of a gate as the simpler ops that define it, under the same controls."""
    controls, targets = op.qubits[: op.controls], op.qubits[op.controls :]
    parts = placed(_definition(gate, op.params), targets)
    return controlled(parts, controls) if controls else parts

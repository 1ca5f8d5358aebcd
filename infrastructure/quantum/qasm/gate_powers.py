"""Inverses and powers of gates: by their angles where that is exact, else by their matrix."""

import math
from collections.abc import Iterable

import numpy as np
from qiskit import QuantumCircuit
from qiskit._accelerate.circuit import StandardGate as G
from qiskit.quantum_info import Operator
from scipy.linalg import schur  # type: ignore[import-untyped]

from infrastructure.quantum.qasm.controlled_gates import lower
from infrastructure.quantum.qasm.errors import Code
from infrastructure.quantum.qasm.ops import Matrix, Op, bare, defined, placed
from infrastructure.quantum.qasm.values import failure

_MAX_MATRIX_QUBITS = 6
_TINY = 1e-12

_SELF_INVERSE = frozenset({G.I, G.X, G.Y, G.Z, G.H, G.Swap, G.ECR, G.RCCX})
_INVERSES = {G.S: G.Sdg, G.Sdg: G.S, G.T: G.Tdg, G.Tdg: G.T, G.SX: G.SXdg, G.SXdg: G.SX}
_ROTATIONS = frozenset(
    {G.Phase, G.U1, G.RX, G.RY, G.RZ, G.RXX, G.RYY, G.RZZ, G.RZX, G.R, G.XXMinusYY, G.XXPlusYY}
    | {G.GlobalPhase}
)
_PHASE_TURNS = {G.Z: 1.0, G.S: 0.5, G.Sdg: -0.5, G.T: 0.25, G.Tdg: -0.25}
_X_TURNS = {G.X: 1.0, G.SX: 0.5, G.SXdg: -0.5}


def inverted(ops: Iterable[Op]) -> list[Op]:
    """Return the ops that undo a sequence."""
    return [part for op in reversed(list(ops)) for part in _inverse(bare(op))]


def _inverse(op: Op) -> list[Op]:
    gate = op.gate
    if gate is None:
        return [op if op.matrix is None else op._replace(matrix=op.matrix.conj().T)]
    if gate in _SELF_INVERSE:
        return [op]
    if gate in _INVERSES:
        return [op._replace(gate=_INVERSES[gate])]
    undone = _angles_undone(gate, op.params)
    return inverted(defined(op, gate)) if undone is None else [op._replace(params=undone)]


def _angles_undone(gate: G, params: tuple[float, ...]) -> tuple[float, ...] | None:
    """Return the angles of the inverse of a gate, if that is the same gate with other angles."""
    if gate in _ROTATIONS:
        return (-params[0], *params[1:])
    if gate in (G.U, G.U3, G.CU):
        theta, phi, lam, *gamma = params
        return (-theta, -lam, -phi, *(-angle for angle in gamma))
    return None


def raised(ops: list[Op], exponent: float, max_operations: int) -> list[Op]:
    """Return a power of a sequence of ops.

    Integer powers repeat a sequence; other powers are the principal ones of its unitary.
    """
    if exponent == 0 or not ops:
        return []
    if len(ops) == 1:
        return _power(bare(ops[0]), exponent)
    if not exponent.is_integer():
        return _matrix_power(ops, exponent)
    if len(ops) * abs(exponent) > max_operations:
        raise failure(
            Code.TOO_MANY_OPERATIONS,
            f"a power of {exponent:.0f} repeats the gate more often than"
            f" {max_operations} operations allow",
        )
    return (inverted(ops) if exponent < 0 else ops) * int(abs(exponent))


def _power(op: Op, exponent: float) -> list[Op]:
    if op.is_barrier or op.gate is G.I or exponent == 1:
        return [op]
    if op.gate in _SELF_INVERSE and exponent.is_integer():
        return [op] if exponent % 2 else []
    turned = _turned(op, exponent)
    if turned is not None:
        return turned
    return _inverse(op) if exponent == -1 else _matrix_power([op], exponent)


def _turned(op: Op, exponent: float) -> list[Op] | None:
    """Return a power of a gate that turns by an angle about an axis, exactly."""
    gate = op.gate
    if gate in _ROTATIONS:
        return [op._replace(params=(op.params[0] * exponent, *op.params[1:]))]
    if gate in _PHASE_TURNS:
        turns = math.fmod(_PHASE_TURNS[gate] * exponent, 2)
        return [op._replace(gate=G.Phase, params=(math.pi * turns,))]
    if gate in _X_TURNS:
        return _x_power(op, math.fmod(_X_TURNS[gate] * exponent, 2))
    if gate is G.Y:
        target = op.qubits[-1:]
        return [Op(G.Sdg, (), target), *_x_power(op, math.fmod(exponent, 2)), Op(G.S, (), target)]
    return None


def _x_power(op: Op, turns: float) -> list[Op]:
    target = op.qubits[-1:]
    middle = op._replace(gate=G.Phase, params=(math.pi * turns,))
    return [Op(G.H, (), target), middle, Op(G.H, (), target)]


def _matrix_power(ops: list[Op], exponent: float) -> list[Op]:
    controls = ops[0].qubits[: ops[0].controls] if len(ops) == 1 else ()
    qubits = tuple(dict.fromkeys(q for op in ops for q in op.qubits[len(controls) :]))
    if len(qubits) > _MAX_MATRIX_QUBITS:
        raise failure(
            Code.UNSUPPORTED_FEATURE,
            f"power {exponent} of a gate on {len(qubits)} qubits is not supported;"
            f" the limit is {_MAX_MATRIX_QUBITS}",
        )
    places = {qubit: place for place, qubit in enumerate(qubits)}
    local = [
        op._replace(
            qubits=tuple(places[qubit] for qubit in op.qubits[len(controls) :]),
            controls=op.controls - len(controls),
        )
        for op in ops
    ]
    parts = _of_matrix(_raised_matrix(matrix_of(local, len(qubits)), exponent))
    return [
        part._replace(qubits=controls + part.qubits, controls=len(controls))
        for part in placed(parts, qubits)
    ]


def matrix_of(ops: Iterable[Op], size: int) -> Matrix:
    """Return the unitary matrix of ops on a few qubits, in Qiskit's order of qubits."""
    circuit = QuantumCircuit(size)
    for op in ops:
        if op.is_barrier:
            continue
        for gate, params, qubits in lower(op):
            if gate is G.GlobalPhase:
                circuit.global_phase += params[0]
            else:
                circuit.append(gate.gate_class(*params) if isinstance(gate, G) else gate, qubits)
    matrix: Matrix = np.asarray(Operator(circuit).data, dtype=np.complex128)
    return matrix


def _raised_matrix(matrix: Matrix, exponent: float) -> Matrix:
    triangle, basis = schur(matrix, output="complex")
    angles = np.angle(np.diagonal(triangle))
    angles[angles < _TINY - math.pi] = math.pi
    result: Matrix = (basis * np.exp(1j * angles * exponent)) @ basis.conj().T
    return result


def _of_matrix(matrix: Matrix) -> list[Op]:
    size = len(matrix).bit_length() - 1
    if size > 1:
        return [Op(None, (), tuple(range(size)), 0, matrix)]
    (m00, m01), (m10, m11) = matrix
    phase = float(np.angle(m00)) if abs(m00) > _TINY else 0.0
    phi = float(np.angle(m10)) - phase if abs(m10) > _TINY else 0.0
    turned = float(np.angle(-m01)) if abs(m00) <= abs(m10) else float(np.angle(m11)) - phi
    theta = 2 * math.atan2(abs(m10), abs(m00))
    return [Op(G.U, (theta, phi, turned - phase), (0,)), Op(G.GlobalPhase, (phase,), ())]

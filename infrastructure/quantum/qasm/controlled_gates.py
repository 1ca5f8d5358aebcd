"""Gates under any number of controls, lowered to gates that simulators know.

With k controls everything becomes a few one-qubit gates, multi-controlled X and multi-controlled
phases, so the number of gates does not grow with k.
"""

import math
from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
from qiskit._accelerate.circuit import StandardGate as G
from qiskit.circuit import Gate
from qiskit.circuit.library import MCPhaseGate, MCXGate, UnitaryGate

from infrastructure.quantum.qasm.errors import Code
from infrastructure.quantum.qasm.ops import Matrix, Op, bare, defined
from infrastructure.quantum.qasm.values import failure

Lowered: TypeAlias = tuple[G | Gate, tuple[float, ...], tuple[int, ...]]
"""A gate of Qiskit's standard library with its angles, or another gate; and its qubits."""

_MAX_MATRIX_QUBITS = 8

_NAMED: dict[tuple[G, int], G] = {
    (G.X, 1): G.CX,
    (G.X, 2): G.CCX,
    (G.X, 3): G.C3X,
    (G.Y, 1): G.CY,
    (G.Z, 1): G.CZ,
    (G.Z, 2): G.CCZ,
    (G.H, 1): G.CH,
    (G.Phase, 1): G.CPhase,
    (G.U1, 1): G.CU1,
    (G.RX, 1): G.CRX,
    (G.RY, 1): G.CRY,
    (G.RZ, 1): G.CRZ,
    (G.S, 1): G.CS,
    (G.Sdg, 1): G.CSdg,
    (G.SX, 1): G.CSX,
    (G.SX, 3): G.C3SX,
    (G.Swap, 1): G.CSwap,
    (G.U3, 1): G.CU3,
}
_PHASES = {
    G.Z: math.pi,
    G.S: math.pi / 2,
    G.Sdg: -math.pi / 2,
    G.T: math.pi / 4,
    G.Tdg: -math.pi / 4,
}


def lower(op: Op) -> Iterator[Lowered]:
    """Yield the gates of Qiskit that an op other than a barrier is."""
    if not op.controls and op.gate is not None:
        yield op.gate, op.params, op.qubits
        return
    op = bare(op)
    if op.matrix is not None:
        yield from _matrix(op, op.matrix)
    elif op.gate is None:
        return
    elif (named := _NAMED.get((op.gate, op.controls))) is not None:
        yield named, op.params, op.qubits
    elif op.gate in _PHASES:
        yield from _phase(_PHASES[op.gate], op.qubits)
    elif (rule := _RULES.get(op.gate)) is not None:
        yield from rule(op)
    else:
        for part in defined(op, op.gate):
            yield from lower(part)


def _controlled_x(qubits: tuple[int, ...]) -> Lowered:
    controls = len(qubits) - 1
    named = (G.X, G.CX, G.CCX, G.C3X)
    return named[controls] if controls < len(named) else MCXGate(controls), (), qubits


def _phase(angle: float, qubits: tuple[int, ...]) -> Iterator[Lowered]:
    """Yield the gate that turns the phase where all of the qubits are 1."""
    if len(qubits) <= 2:  # noqa: PLR2004 - gates of their own
        gate = (G.GlobalPhase, G.Phase, G.CPhase)[len(qubits)]
        yield gate, (angle,), qubits
    else:
        yield MCPhaseGate(angle, len(qubits) - 1), (), qubits


def _identity(_: Op) -> Iterator[Lowered]:
    yield from ()


def _x(op: Op) -> Iterator[Lowered]:
    yield _controlled_x(op.qubits)


def _y(op: Op) -> Iterator[Lowered]:
    target = op.qubits[-1:]
    yield G.Sdg, (), target
    yield _controlled_x(op.qubits)
    yield G.S, (), target


def _h(op: Op) -> Iterator[Lowered]:
    target = op.qubits[-1:]
    yield G.RY, (-math.pi / 4,), target
    yield from _phase(math.pi, op.qubits)
    yield G.RY, (math.pi / 4,), target


def _root_x(op: Op) -> Iterator[Lowered]:
    target = op.qubits[-1:]
    yield G.H, (), target
    yield from _phase(math.pi / 2 if op.gate is G.SX else -math.pi / 2, op.qubits)
    yield G.H, (), target


def _phase_gate(op: Op) -> Iterator[Lowered]:
    yield from _phase(op.params[0], op.qubits)


def _rotation_y_or_z(op: Op) -> Iterator[Lowered]:
    half, target = op.params[0] / 2, op.qubits[-1:]
    rotation = G.RY if op.gate is G.RY else G.RZ
    yield rotation, (half,), target
    yield _controlled_x(op.qubits)
    yield rotation, (-half,), target
    yield _controlled_x(op.qubits)


def _rotation_x(op: Op) -> Iterator[Lowered]:
    target = op.qubits[-1:]
    yield G.H, (), target
    yield from _rotation_y_or_z(op._replace(gate=G.RZ))
    yield G.H, (), target


def _u(op: Op) -> Iterator[Lowered]:
    if op.gate is G.U2:
        theta, (phi, lam) = math.pi / 2, op.params
    else:
        theta, phi, lam = op.params
    if op.controls == 1:
        yield G.CU, (theta, phi, lam, 0.0), op.qubits
        return
    target = op.qubits[-1:]
    yield G.RZ, ((lam - phi) / 2,), target
    yield _controlled_x(op.qubits)
    yield G.RZ, (-(phi + lam) / 2,), target
    yield G.RY, (-theta / 2,), target
    yield _controlled_x(op.qubits)
    yield G.RY, (theta / 2,), target
    yield G.RZ, (phi,), target
    yield from _phase((phi + lam) / 2, op.qubits[:-1])


def _r(op: Op) -> Iterator[Lowered]:
    theta, phi = op.params
    yield from _u(op._replace(gate=G.U, params=(theta, phi - math.pi / 2, math.pi / 2 - phi)))


def _cu(op: Op) -> Iterator[Lowered]:
    *angles, gamma = op.params
    yield from _u(op._replace(gate=G.U, params=tuple(angles), controls=op.controls + 1))
    yield from _phase(gamma, op.qubits[:-1])


def _swap(op: Op) -> Iterator[Lowered]:
    *controls, one, two = op.qubits
    yield G.CX, (), (two, one)
    yield _controlled_x((*controls, one, two))
    yield G.CX, (), (two, one)


def _zz(op: Op) -> Iterator[Lowered]:
    one, two = op.qubits[-2:]
    yield G.CX, (), (one, two)
    rotation = Op(G.RZ, op.params, (*op.qubits[:-2], two), op.controls)
    yield from lower(rotation)
    yield G.CX, (), (one, two)


def _conjugated(before: G, after: G, places: tuple[int, ...]) -> Callable[[Op], Iterator[Lowered]]:
    def rule(op: Op) -> Iterator[Lowered]:
        targets = [op.qubits[place] for place in places]
        for target in targets:
            yield before, (), (target,)
        yield from _zz(op)
        for target in targets:
            yield after, (), (target,)

    return rule


def _matrix(op: Op, matrix: Matrix) -> Iterator[Lowered]:
    if op.controls:
        if len(op.qubits) > _MAX_MATRIX_QUBITS:
            raise failure(
                Code.UNSUPPORTED_FEATURE,
                f"a fractional power under controls is limited to {_MAX_MATRIX_QUBITS} qubits",
            )
        full = np.eye(1 << len(op.qubits), dtype=np.complex128)
        active = (np.arange(len(matrix)) << op.controls) | ((1 << op.controls) - 1)
        full[np.ix_(active, active)] = matrix
        matrix = full
    yield UnitaryGate(matrix, check_input=False), (), op.qubits


_RULES: dict[G, Callable[[Op], Iterator[Lowered]]] = {
    G.I: _identity,
    G.X: _x,
    G.Y: _y,
    G.H: _h,
    G.SX: _root_x,
    G.SXdg: _root_x,
    G.Phase: _phase_gate,
    G.U1: _phase_gate,
    G.GlobalPhase: _phase_gate,
    G.RX: _rotation_x,
    G.RY: _rotation_y_or_z,
    G.RZ: _rotation_y_or_z,
    G.R: _r,
    G.U: _u,
    G.U2: _u,
    G.U3: _u,
    G.CU: _cu,
    G.Swap: _swap,
    G.RZZ: _zz,
    G.RXX: _conjugated(G.H, G.H, (-2, -1)),
    G.RYY: _conjugated(G.SX, G.SXdg, (-2, -1)),
    G.RZX: _conjugated(G.H, G.H, (-1,)),
}

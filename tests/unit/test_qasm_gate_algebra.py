"""Every standard gate under inverse, powers and controls, against matrices made by Qiskit."""

import math

import numpy as np
import pytest
from qiskit.quantum_info import Operator

from infrastructure.quantum.qasm.gate_library import LIBRARY, LibraryGate
from tests.support.qasm_states import Matrix, compiled, controlled, matrix

ANGLES = (0.3, -1.1, 2.7, 0.9)


def call(gate: LibraryGate, modifiers: str = "", controls: int = 0) -> str:
    angles = ", ".join(map(str, ANGLES[: gate.parameters]))
    qubits = ", ".join(f"q[{place}]" for place in range(controls + gate.qubits))
    arguments = f"({angles})" if angles else ""
    return f"{modifiers}{gate.name}{arguments} {qubits};"


def applied(gate: LibraryGate, *calls: str, controls: int = 0) -> Matrix:
    return matrix(f"qubit[{controls + gate.qubits}] q; {' '.join(calls)}")


def reference(gate: LibraryGate) -> Matrix:
    base = gate.base.gate_class(*ANGLES[: gate.base.num_params])
    return controlled(np.asarray(Operator(base).data), gate.controls)


@pytest.mark.parametrize("gate", LIBRARY.values(), ids=LIBRARY)
def test_a_standard_gate_needs_no_include(gate: LibraryGate) -> None:
    np.testing.assert_allclose(applied(gate, call(gate)), reference(gate), atol=1e-9)


@pytest.mark.parametrize("gate", LIBRARY.values(), ids=LIBRARY)
def test_the_inverse_undoes(gate: LibraryGate) -> None:
    done_and_undone = applied(gate, call(gate), call(gate, "inv @ "))
    np.testing.assert_allclose(done_and_undone, np.eye(2**gate.qubits), atol=1e-9)


@pytest.mark.parametrize("gate", LIBRARY.values(), ids=LIBRARY)
@pytest.mark.parametrize("controls", [1, 2, 3])
def test_controls_keep_the_relative_phase(gate: LibraryGate, controls: int) -> None:
    actual = applied(gate, call(gate, f"ctrl({controls}) @ ", controls), controls=controls)
    np.testing.assert_allclose(actual, controlled(reference(gate), controls), atol=1e-9)


@pytest.mark.parametrize("gate", LIBRARY.values(), ids=LIBRARY)
@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 5, -1, -2])
def test_integer_powers_repeat(gate: LibraryGate, exponent: int) -> None:
    expected = np.linalg.matrix_power(reference(gate), exponent)
    actual = applied(gate, call(gate, f"pow({exponent}) @ "))
    np.testing.assert_allclose(actual, expected, atol=1e-7)


@pytest.mark.parametrize("gate", LIBRARY.values(), ids=LIBRARY)
def test_a_root_raised_again_gives_the_gate(gate: LibraryGate) -> None:
    root = applied(gate, call(gate, "pow(1.0 / 3) @ "))
    np.testing.assert_allclose(np.linalg.matrix_power(root, 3), reference(gate), atol=1e-7)


@pytest.mark.parametrize("gate", [gate for gate in LIBRARY.values() if not gate.parameters])
def test_the_square_root_is_the_principal_one(gate: LibraryGate) -> None:
    phases = np.angle(np.linalg.eigvals(applied(gate, call(gate, "pow(0.5) @ "))))
    assert np.all(phases > -math.pi / 2 - 1e-7)
    assert np.all(phases <= math.pi / 2 + 1e-7)


def test_powers_and_controls_of_a_defined_gate_are_those_of_its_matrix() -> None:
    define = "gate g(t) a, b { h a; rz(t) b; cx a, b; gphase(t); U(t, 0.2, -t) a; } "
    plain = matrix(define + "qubit[2] q; g(0.4) q[0], q[1];")
    root = matrix(define + "qubit[2] q; pow(0.5) @ g(0.4) q[0], q[1];")
    under_controls = matrix(define + "qubit[4] q; ctrl(2) @ g(0.4) q[0], q[1], q[2], q[3];")
    np.testing.assert_allclose(root @ root, plain, atol=1e-9)
    np.testing.assert_allclose(under_controls, controlled(plain, 2), atol=1e-9)


@pytest.mark.parametrize("gate", ["rz(0.3)", "h", "U(0.1, 0.2, 0.3)", "sx", "y", "swap"])
def test_many_controls_cost_few_operations(gate: str) -> None:
    size = 12 if gate == "swap" else 11
    qubits = ", ".join(f"q[{place}]" for place in range(size))
    assert len(compiled(f"qubit[12] q; ctrl(10) @ {gate} {qubits};").data) < 12

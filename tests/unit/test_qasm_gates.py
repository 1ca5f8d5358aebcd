"""Gates, modifiers and operands of the OpenQASM front end, by their unitaries."""

import cmath
import math

import numpy as np
import pytest
from qiskit.circuit import library
from qiskit.quantum_info import Operator

from tests.support.qasm_runs import circuit, same, unitary

_STANDARD = [
    ("x", library.XGate()),
    ("not", library.XGate()),
    ("y", library.YGate()),
    ("z", library.ZGate()),
    ("h", library.HGate()),
    ("id", library.IGate()),
    ("s", library.SGate()),
    ("sdg", library.SdgGate()),
    ("si", library.SdgGate()),
    ("t", library.TGate()),
    ("tdg", library.TdgGate()),
    ("ti", library.TdgGate()),
    ("sx", library.SXGate()),
    ("v", library.SXGate()),
    ("vi", library.SXdgGate()),
    ("sxdg", library.SXdgGate()),
    ("p(0.3)", library.PhaseGate(0.3)),
    ("phase(0.3)", library.PhaseGate(0.3)),
    ("rx(0.3)", library.RXGate(0.3)),
    ("ry(0.3)", library.RYGate(0.3)),
    ("rz(0.3)", library.RZGate(0.3)),
    ("prx(0.3, 0.4)", library.RGate(0.3, 0.4)),
    ("u1(0.3)", library.PhaseGate(0.3)),
    ("u(0.3, 0.4, 0.5)", library.UGate(0.3, 0.4, 0.5)),
    ("cx", library.CXGate()),
    ("CX", library.CXGate()),
    ("cnot", library.CXGate()),
    ("cy", library.CYGate()),
    ("cz", library.CZGate()),
    ("ch", library.CHGate()),
    ("csx", library.CSXGate()),
    ("cp(0.3)", library.CPhaseGate(0.3)),
    ("cphaseshift(0.3)", library.CPhaseGate(0.3)),
    ("crx(0.3)", library.CRXGate(0.3)),
    ("cry(0.3)", library.CRYGate(0.3)),
    ("crz(0.3)", library.CRZGate(0.3)),
    ("cu(0.3, 0.4, 0.5, 0.6)", library.CUGate(0.3, 0.4, 0.5, 0.6)),
    ("swap", library.SwapGate()),
    ("iswap", library.iSwapGate()),
    ("ecr", library.ECRGate()),
    ("dcx", library.DCXGate()),
    ("rxx(0.3)", library.RXXGate(0.3)),
    ("ryy(0.3)", library.RYYGate(0.3)),
    ("rzz(0.3)", library.RZZGate(0.3)),
    ("zz(0.3)", library.RZZGate(0.3)),
    ("rzx(0.3)", library.RZXGate(0.3)),
    ("ccx", library.CCXGate()),
    ("toffoli", library.CCXGate()),
    ("ccz", library.CCZGate()),
    ("cswap", library.CSwapGate()),
    ("fredkin", library.CSwapGate()),
    ("rccx", library.RCCXGate()),
    ("c3x", library.C3XGate()),
    ("c4x", library.C4XGate()),
]


@pytest.mark.parametrize(("call", "gate"), _STANDARD, ids=[call for call, _ in _STANDARD])
def test_a_standard_gate_needs_no_include(call: str, gate: library.XGate) -> None:
    operands = ", ".join(f"q[{place}]" for place in range(gate.num_qubits))
    built = unitary(f"qubit[{gate.num_qubits}] q; {call} {operands};")
    assert built.equiv(Operator(gate))


_EQUAL = [
    ("ctrl @ x q[0], q[1];", "cx q[0], q[1];"),
    ("ctrl(2) @ x q[0], q[1], q[2];", "ccx q[0], q[1], q[2];"),
    ("ctrl @ ctrl @ x q[0], q[1], q[2];", "ccx q[0], q[1], q[2];"),
    ("negctrl @ x q[0], q[1];", "x q[0]; cx q[0], q[1]; x q[0];"),
    ("ctrl @ negctrl @ x q[0], q[1], q[2];", "x q[1]; ccx q[0], q[1], q[2]; x q[1];"),
    ("inv @ s q[0];", "sdg q[0];"),
    ("inv @ rx(0.7) q[0];", "rx(-0.7) q[0];"),
    ("pow(2) @ t q[0];", "s q[0];"),
    ("pow(-1) @ s q[0];", "sdg q[0];"),
    ("pow(0) @ h q[0];", "id q[0];"),
    ("pow(0.5) @ x q[0];", "sx q[0];"),
    ("inv @ pow(2) @ t q[0];", "sdg q[0];"),
    ("ctrl @ pow(0.5) @ x q[0], q[1];", "csx q[0], q[1];"),
    ("pow(0.5) @ ctrl @ x q[0], q[1];", "csx q[0], q[1];"),
    ("ctrl @ gphase(0.4) q[0];", "p(0.4) q[0];"),
    ("ctrl(2) @ gphase(0.4) q[0], q[1];", "cp(0.4) q[0], q[1];"),
    ("negctrl @ gphase(0.4) q[0];", "x q[0]; p(0.4) q[0]; x q[0];"),
    ("inv @ gphase(0.4);", "gphase(-0.4);"),
    ("h q;", "h q[0]; h q[1]; h q[2];"),
    ("h q[0:1];", "h q[0]; h q[1];"),
    ("h q[{0, 2}];", "h q[0]; h q[2];"),
    ("h q[0:2:2];", "h q[0]; h q[2];"),
    ("h q[-1];", "h q[2];"),
    ("cx q[0], q[1:2];", "cx q[0], q[1]; cx q[0], q[2];"),
    ("let a = q[1:2]; x a[0];", "x q[1];"),
    ("let a = q[2] ++ q[0]; cx a[0], a[1];", "cx q[2], q[0];"),
    ("gate g a { h a; } g q[1];", "h q[1];"),
    ("gate g(t) a, b { rx(t / 2) a; cx a, b; } g(0.8) q[0], q[2];", "rx(0.4) q[0]; cx q[0], q[2];"),
    ("gate g a { s a; t a; } inv @ g q[0];", "tdg q[0]; sdg q[0];"),
    ("gate g a { s a; t a; } pow(2) @ g q[0];", "s q[0]; t q[0]; s q[0]; t q[0];"),
    ("gate g a { s a; h a; } ctrl @ g q[0], q[1];", "cs q[0], q[1]; ch q[0], q[1];"),
    ("gate g a { gphase(0.5); } ctrl @ g q[0], q[1];", "p(0.5) q[0];"),
    ("gate f a { h a; } gate g a { f a; z a; } g q[0];", "h q[0]; z q[0];"),
    ("gate h2(a) b { rx(a) b; } const float a = 0.3; h2(2 * a) q[0];", "rx(0.6) q[0];"),
    ("barrier q; x q[0]; barrier;", "x q[0];"),
    ("delay[100ns] q[0]; x q[0];", "x q[0];"),
    ("box { x q[0]; h q[1]; }", "x q[0]; h q[1];"),
    ("box[1us] { x q[0]; }", "x q[0];"),
    ("@note this one\nx q[0];", "x q[0];"),
    ("{ x q[0]; }", "x q[0];"),
]


@pytest.mark.parametrize(("left", "right"), _EQUAL, ids=[left for left, _ in _EQUAL])
def test_two_ways_to_write_a_circuit_agree(left: str, right: str) -> None:
    assert same(f"qubit[3] q; {left}", f"qubit[3] q; {right}")


def test_gphase_multiplies_the_state() -> None:
    built = unitary("qubit q; gphase(0.7);")
    assert np.allclose(built.data, cmath.exp(0.7j) * np.eye(2))


def test_the_builtin_u_follows_the_specification_of_version_3() -> None:
    built = unitary(f"OPENQASM 3.0; qubit q; U({math.pi}, 0, {math.pi}) q;")
    assert built.equiv(Operator(library.XGate()))


def test_a_program_may_define_a_gate_that_is_standard() -> None:
    assert same(
        "gate rzz2 a, b { cx a, b; } qubit[2] q; rzz2 q[0], q[1];", "qubit[2] q; cx q[0], q[1];"
    )


def test_physical_qubits_are_declared_by_their_use() -> None:
    assert circuit("x $0; cx $0, $2; bit c; c = measure $2;").num_qubits == 3


@pytest.mark.parametrize("include", ["", 'include "stdgates.inc";'])
def test_an_include_of_the_standard_gates_changes_nothing(include: str) -> None:
    assert same(f"OPENQASM 3; {include} qubit q; h q;", "qubit q; h q;")

"""Measurements of the OpenQASM front end: where outcomes go, and what is said about them."""

import pytest

from infrastructure.quantum.qasm import compile_program
from tests.support.aer_runs import counts, outcome

_OUTCOMES = [
    ("qubit q; x q; measure q;", "1"),
    ("qubit[2] q; x q[1]; measure q;", "10"),
    ("qubit[2] q; x q[1]; measure q[1]; measure q[0];", "01"),
    ("qubit q; bit c; x q; c = measure q;", "1"),
    ("qubit q; x q; bit c = measure q;", "1"),
    ("qubit[2] q; bit[2] c; x q[0]; c = measure q;", "01"),
    ("qubit[2] q; bit[2] c; x q[0]; measure q -> c;", "01"),
    ("qubit[2] q; bit[3] c; x q[0]; c[2] = measure q[0];", "100"),
    ("qubit[3] q; bit[3] c; x q[2]; c[0:1] = measure q[1:2];", "010"),
    ("qubit[2] q; bit[2] c; x q[0]; c[{1, 0}] = measure q;", "10"),
    ("qubit q; bit[2] c; x q; c[-1] = measure q;", "10"),
    ("qubit[2] q; bit[2] c; let d = c[1:1]; x q[0]; d[0] = measure q[0];", "10"),
    ("qubit q; x q; uint[1] n; n[0] = measure q; bit c; c = n[0];", "1"),
    ("qreg q[2]; creg c[2]; x q[0]; c = measure q;", "01"),
    ("qubit q; bit c; x q; c = measure q; reset q; measure q;", "0 1"),
]


@pytest.mark.parametrize(("text", "expected"), _OUTCOMES, ids=[text for text, _ in _OUTCOMES])
def test_an_outcome_goes_where_the_program_says(text: str, expected: str) -> None:
    assert outcome(text) == expected


def test_a_scalar_bit_beside_a_register_keeps_its_place() -> None:
    text = "qubit[3] q; bit a; bit[2] r; bit b; x q[0]; x q[1];"
    assert outcome(f"{text} a = measure q[0]; r = measure q[1:2]; b = measure q[2];") == "0 01 1"


def test_a_bell_pair_gives_equal_bits() -> None:
    assert set(counts("qubit[2] q; h q[0]; cx q[0], q[1]; measure q;", 500)) == {"00", "11"}


def test_all_qubits_are_measured_on_request() -> None:
    text = "qubit[2] q; x q[1];"
    assert outcome(text, measure_all=True) == "10"
    assert compile_program(text, measure_all=True).implicit_measurement


def test_a_program_that_measures_is_not_measured_again() -> None:
    text = "qubit[2] q; bit c; x q; c = measure q[0];"
    assert outcome(text, measure_all=True) == "1"
    assert not compile_program(text, measure_all=True).implicit_measurement


_DYNAMIC = [
    ("qubit q; h q; measure q;", False),
    ("qubit[2] q; bit c; c = measure q[0]; if (c) { x q[1]; } measure q[1];", True),
    ("qubit q; measure q; x q; measure q;", True),
    ("qubit q; h q; reset q; measure q;", True),
]


@pytest.mark.parametrize(("text", "dynamic"), _DYNAMIC)
def test_a_program_is_known_to_be_dynamic_or_not(text: str, dynamic: bool) -> None:
    assert compile_program(text).dynamic is dynamic


_CLIFFORD = [
    ("h q[0]; cx q[0], q[1]; s q[1]; swap q[0], q[1];", True),
    ("inv @ s q[0]; ctrl @ z q[0], q[1];", True),
    ("t q[0];", False),
    ("ccx q[0], q[1], q[2];", False),
    ("rx(0.3) q[0];", False),
]


@pytest.mark.parametrize(("body", "clifford"), _CLIFFORD)
def test_a_program_is_known_to_be_clifford_or_not(body: str, clifford: bool) -> None:
    assert compile_program(f"qubit[3] q; {body} measure q;").clifford is clifford


_LAYOUTS = [
    "qubit[2] q; bit[2] c; h q[0]; cx q[0], q[1]; c = measure q;",
    "// a comment\nqubit[2]   other;\nbit[2] bits;\nh other[0];\ncx other[0], other[1];\n"
    "bits[0] = measure other[0]; bits[1] = measure other[1];",
    'include "stdgates.inc"; qubit[2] q; bit[2] c; gate bell a, b { h a; cx a, b; }'
    " bell q[0], q[1]; measure q -> c;",
    'OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; creg c[2]; h q[0]; cx q[0], q[1];'
    " measure q -> c;",
]


@pytest.mark.parametrize("text", _LAYOUTS[1:])
def test_programs_that_differ_in_writing_only_have_one_normal_form(text: str) -> None:
    assert compile_program(text).normalised == compile_program(_LAYOUTS[0]).normalised


def test_programs_that_differ_in_an_angle_have_different_normal_forms() -> None:
    one, two = (f"qubit q; rx({angle}) q; measure q;" for angle in (0.1, 0.1000000001))
    assert compile_program(one).normalised != compile_program(two).normalised

"""Classical expressions of the OpenQASM front end, known beforehand or read from outcomes."""

import math

import numpy as np
import pytest
from qiskit.circuit.library import RXGate
from qiskit.quantum_info import Operator

from infrastructure.quantum.qasm import Code, ProgramError, compile_program
from tests.support.aer_runs import outcome
from tests.support.qasm_runs import unitary

_ANGLES = [
    ("1 + 2 * 3", 7),
    ("(1 + 2) * 3", 9),
    ("2 ** 3 ** 2 / 100.0", 5.12),
    ("7 / 2", 3),
    ("7.0 / 2", 3.5),
    ("7 % 4", 3),
    ("-7 / 2", -3),
    ("-2 ** 2", -4),
    ("1_0 + 0x0f + 0b11 + 0o7", 35),
    ("1.5e1 + .5 + 2.", 17.5),
    ("1 << 3", 8),
    ("12 >> 2", 3),
    ("6 & 3", 2),
    ("6 | 3", 7),
    ("6 ^ 3", 5),
    ("pi / 2", math.pi / 2),
    ("tau", math.tau),
    ("euler", math.e),
    ("π", math.pi),
    ("sin(0.5)", math.sin(0.5)),
    ("arccos(0.5)", math.acos(0.5)),
    ("arctan(2)", math.atan(2)),
    ("sqrt(2)", math.sqrt(2)),
    ("exp(1)", math.e),
    ("log(2)", math.log(2)),
    ("ceiling(1.2)", 2),
    ("floor(1.8)", 1),
    ("mod(7, 4)", 3),
    ("real(1.5 + 2im)", 1.5),
    ("imag(1.5 + 2im)", 2),
    ("float(3) / 2", 1.5),
    ("int(2.9)", 2),
    ("uint[4](17)", 1),
    ("int[4](9)", -7),
    ('popcount("10110")', 3),
    ("angle[4](pi)", math.pi),
]


@pytest.mark.parametrize(("text", "angle"), _ANGLES, ids=[text for text, _ in _ANGLES])
def test_an_angle_is_computed(text: str, angle: float) -> None:
    built = unitary(f"qubit q; rx({text}) q;")
    assert np.allclose(built.data, Operator(RXGate(angle)).data)


_TRUTHS = [
    ("1 < 2", True),
    ("2 <= 1", False),
    ("1 == 1.0", True),
    ("1 != 1", False),
    ("2 > 1 && 1 > 2", False),
    ("2 > 1 || 1 > 2", True),
    ("!false", True),
    ("~0 == -1", True),
    ('"10" == "10"', True),
    ("bool(2)", True),
    ("100ns < 1us", True),
    ("1ms == 1000us", True),
]


@pytest.mark.parametrize(("text", "truth"), _TRUTHS)
def test_a_condition_is_decided(text: str, truth: bool) -> None:
    program = f"qubit q; bit c; if ({text}) {{ x q; }} c = measure q;"
    assert outcome(program) == str(int(truth))


_BITS = [
    ('"0110"', "0110"),
    ('~bit[4]("0110")', "1001"),
    ('"0110" & "0011"', "0010"),
    ('"0110" | "0011"', "0111"),
    ('"0110" ^ "0011"', "0101"),
    ('bit[4]("0110") << 1', "1100"),
    ('bit[4]("0110") >> 1', "0011"),
    ('rotl("0110", 1)', "1100"),
    ('rotr("0110", 2)', "1001"),
    ("uint[4](9)", "1001"),
    ("int[4](-1)", "1111"),
]


@pytest.mark.parametrize(("text", "expected"), _BITS)
def test_bits_are_computed(text: str, expected: str) -> None:
    program = f"bit[4] c; qubit q; bit d; d = measure q; c = {text};"
    assert outcome(program).split()[-1] == expected


# `a` is measured as 5 and `b` as 3, so that the compiler cannot know either.
_MEASURED = """
qubit[8] q; x q[0]; x q[2]; x q[4]; x q[5];
bit[4] m = measure q[0:3]; bit[4] n = measure q[4:7];
uint[4] a = m; uint[4] b = n; int[4] i = m; bit[4] r;
"""
_RUNTIME = [
    ("a + b", 8),
    ("a - b", 2),
    ("b - a", 14),
    ("a * b", 15),
    ("a & b", 1),
    ("a | b", 7),
    ("a ^ b", 6),
    ("a << 1", 10),
    ("a >> 1", 2),
    ("~a", 10),
    ("-i", 11),
    ("popcount(m)", 2),
    ("rotl(m, 1)", 10),
    ("rotr(m, 1)", 10),
    ("uint[4](int[4](a) + 1)", 6),
]


@pytest.mark.parametrize(("text", "expected"), _RUNTIME)
def test_outcomes_are_computed_with(text: str, expected: int) -> None:
    program = f"{_MEASURED} uint[4] s = {text}; r = bit[4](s);"
    assert outcome(program).split()[0] == f"{expected:04b}"


_COMPARED = [("<", False), ("<=", False), (">", True), (">=", True), ("==", False), ("!=", True)]


@pytest.mark.parametrize(("symbol", "truth"), _COMPARED)
def test_outcomes_are_compared(symbol: str, truth: bool) -> None:
    program = f"{_MEASURED} if (a {symbol} b) {{ r[0] = 1; }}"
    assert outcome(program).split()[0] == f"000{int(truth)}"


_STATE = [
    ("int n = 3; n += 2; n *= 2; n -= 1; n /= 2; n %= 3; n <<= 2; n |= 1; n ^= 3; n &= 6;", 6),
    ("array[int, 3] v = {1, 2, 3}; v[1] = 7; int n = v[1] + v[2];", 10),
    ("array[int, 2, 2] v = {{1, 2}, {3, 4}}; v[0] = v[1]; int n = v[0][1] + v[0, 0];", 7),
    ("array[int, 4] v = {1, 2, 3, 4}; v[0:1] = v[2:3]; int n = v[0] + v[1];", 7),
    ("array[int, 3] v = {4, 5, 6}; int n = sizeof(v);", 3),
    ("array[int, 3, 2] v; int n = sizeof(v, 1);", 2),
    ("uint[4] u = 5; u[1] = 1; int n = u;", 7),
    ("uint[4] u = 13; int n = u[3] + u[1] * 2 + u[2] * 4;", 5),
    ("const int k = 4; int n = k * k;", 16),
    ("uint[3] u = 6; u += 5; int n = u;", 3),
    ("def f(int a, int b) -> int { return a - b; } int n = f(9, 4);", 5),
    ("def f(int a) -> int { if (a > 2) { return 1; } return 2; } int n = f(3) * 10 + f(1);", 12),
    (
        "def f(mutable array[int, 2] v) { v[0] = 9; } array[int, 2] w; f(w); int n = w[0];",
        9,
    ),
    (
        "def f(readonly array[int, #dim = 1] v) -> int { return v[1]; }"
        " array[int, 2] w = {1, 8}; int n = f(w);",
        8,
    ),
]


@pytest.mark.parametrize(("body", "expected"), _STATE)
def test_a_variable_keeps_what_was_assigned(body: str, expected: int) -> None:
    program = f"qubit q; bit c; {body} if (n == {expected}) {{ x q; }} c = measure q;"
    assert outcome(program) == "1"


_PARAMETERS = [
    ("input float t;", 0.4, "t"),
    ("input angle t;", 0.4, "t"),
    ("input int t;", 2, "t / 5.0"),
    ("input bool t;", True, "0.4 * t"),
    ("input bit[2] t;", 2, "t[1] * 0.4"),
]


@pytest.mark.parametrize(("declaration", "value", "angle"), _PARAMETERS)
def test_an_input_takes_its_value_from_the_request(
    declaration: str, value: bool | float, angle: str
) -> None:
    program = compile_program(
        f"{declaration} qubit q; rx({angle}) q;", parameters={"t": value}, measure_all=True
    )
    built = Operator(program.circuit.remove_final_measurements(inplace=False))
    assert np.allclose(built.data, Operator(RXGate(0.4)).data)


def test_an_input_without_a_value_is_refused() -> None:
    with pytest.raises(ProgramError) as caught:
        compile_program("input float t; qubit q; rx(t) q;", measure_all=True)
    assert caught.value.code is Code.MISSING_PARAMETER


def test_a_value_without_an_input_is_refused() -> None:
    with pytest.raises(ProgramError) as caught:
        compile_program("qubit q; x q;", parameters={"t": 1.0}, measure_all=True)
    assert caught.value.code is Code.UNKNOWN_PARAMETER


def test_a_value_of_another_type_is_refused() -> None:
    with pytest.raises(ProgramError) as caught:
        compile_program("input int t; qubit q; x q;", parameters={"t": 1.5}, measure_all=True)
    assert caught.value.code is Code.TYPE_ERROR

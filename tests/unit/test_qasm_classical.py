"""Classical values and expressions that are known while a program is unrolled."""

import math
import operator

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from infrastructure.quantum.qasm import Code, ProgramError, compile_program
from tests.support.qasm_values import value_of


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("7 / 2", 3),
        ("-7 / 2", -3),
        ("-7 % 3", -1),
        ("7.0 / 2", 3.5),
        ("2 ** 10", 1024),
        ("2 ** -1", 0.5),
        ("2 ** 3 ** 2", 512),
        ("-2 ** 2", -4),
        ("1 + 2 * 3 - 4", 3),
        ("(1 + 2) * 3", 9),
        ("1 << 4 | 3", 19),
        ("0xff & 0b1010 ^ 0o7", 13),
        ("~5", -6),
        ("!(3 > 2) || 1 == 1 && 2 != 3", True),
        ("pi / 2", math.pi / 2),
        ("τ - 2 * π", 0.0),
        ("sin(pi / 6) + arccos(0.5) + sqrt(2.25)", 0.5 + math.pi / 3 + 1.5),
        ("log(euler) + exp(0) + tan(0)", 2.0),
        ("mod(7, 4) + ceiling(1.2) + floor(-1.2)", 3 + 2 - 2),
        ('popcount("10110")', 3),
        ('rotl("10010", 1)', 0b00101),
        ('rotr("10010", 1)', 0b01001),
        ("real((1 + 2 im) * (3 - 1 im)) + imag(2.5 im)", 7.5),
        ("(1.5 + 2 im) ** 2", (1.5 + 2j) ** 2),
        ("int[8](200)", -56),
        ("uint[8](-1)", 255),
        ("int(2.9) + int(-2.9)", 0),
        ("bool(0.0)", False),
        ("float(3)", 3.0),
        ("bit[4](5)", 5),
        ("uint[4](angle[4](pi))", None),
        ("100ns < 1us && 2 * 1s == 2000ms", True),
        ("1us / 100ns", 10.0),
        ("sizeof(v) + sizeof(v, 1)", 5),
        ("v[1, 2] + v[0][0] + v[-1, -1]", 13),
        ("uint[8](200) + uint[8](100)", 44),
        ("uint[8](3) - uint[8](5)", 254),
        ("int[8](100) + 100", 200),
        ("n[0] + n[3] * 10", 11),
        ('"1101"[0:2]', 0b101),
        ('"1101"[{3, 1}]', 0b01),
    ],
)
def test_expressions_are_worth_what_the_language_says(expression: str, expected: object) -> None:
    before = "array[int[8], 2, 3] v = {{1, 2, 3}, {4, 5, 6}}; uint[4] n = 9;"
    if expected is None:
        with pytest.raises(ProgramError) as caught:
            value_of(expression, before)
        assert caught.value.code == Code.TYPE_ERROR
    elif isinstance(expected, float):
        assert value_of(expression, before) == pytest.approx(expected)
    else:
        assert value_of(expression, before) == expected


@pytest.mark.parametrize(
    ("declared", "expression", "expected"),
    [
        ("int[4]", "7 + 1", -8),
        ("uint[4]", "15 + 1", 0),
        ("bit[4]", '"0110"', 6),
        ("bit[4]", "6", 6),
        ("bool", "3", True),
        ("float", "1 / 2", 0.0),
        ("float", "1 / 2.0", 0.5),
        ("angle[3]", "pi", 4),
        ("angle[3]", "-pi / 4", 7),
        ("angle[4]", "angle[3](pi / 4)", 2),
        ("angle[4]", '"0110"', 6),
        ("const uint", "1 << 40", 1 << 40),
        ("complex", "2", 2 + 0j),
    ],
)
def test_declarations_convert(declared: str, expression: str, expected: object) -> None:
    assert value_of(expression, declared=declared) == expected


def test_version_2_divides_and_raises_as_floats() -> None:
    text = "OPENQASM 2.0; qreg q[1]; rx(1/2 + 2^3 - 8) q[0];"
    circuit = compile_program(text, measure_all=True).circuit
    assert circuit.data[0].params == [0.5]


@settings(max_examples=100, deadline=None)
@given(
    st.integers(1, 16), st.integers(-(2**16), 2**16), st.integers(-(2**16), 2**16), st.booleans()
)
def test_sized_integers_wrap_around(width: int, left: int, right: int, is_signed: bool) -> None:
    kind = f"{'int' if is_signed else 'uint'}[{width}]"
    for symbol, function in (("+", operator.add), ("-", operator.sub), ("*", operator.mul)):
        expected = function(left, right) % 2**width
        if is_signed and expected >> (width - 1):
            expected -= 2**width
        assert value_of(f"{kind}({left}) {symbol} {kind}({right})") == expected


@settings(max_examples=50, deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_floats_are_double(left: float, right: float) -> None:
    assume(right != 0)
    assert value_of(f"({left!r} * {right!r}) / {right!r}") == (left * right) / right


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("x_ = 1 / 0;", Code.INVALID_VALUE),
        ("x_ = 5 % 0;", Code.INVALID_VALUE),
        ("x_ = 1.0 / 0;", Code.INVALID_VALUE),
        ("x_ = 1 << 9999999999;", Code.INVALID_VALUE),
        ("x_ = 1 << -1;", Code.INVALID_VALUE),
        ("x_ = 2 ** 1000000000;", Code.INVALID_VALUE),
        ("x_ = 10.0 ** 400;", Code.INVALID_VALUE),
        ("x_ = (-1.0) ** 0.5;", Code.INVALID_VALUE),
        ("x_ = sqrt(-1);", Code.INVALID_VALUE),
        ("x_ = arccos(2);", Code.INVALID_VALUE),
        ("x_ = log(0);", Code.INVALID_VALUE),
        ("x_ = 99999999999999999999 + 0;", Code.INVALID_VALUE),
        ("x_ = 9223372036854775807 * 4;", Code.INVALID_VALUE),
        ("x_ = nope;", Code.UNDEFINED_NAME),
        ("x_ = nope(1);", Code.UNDEFINED_NAME),
        ("x_ = sin(1, 2);", Code.TYPE_ERROR),
        ("x_ = 1.5 & 2;", Code.TYPE_ERROR),
        ("x_ = 1.5 << 2;", Code.TYPE_ERROR),
        ("x_ = 1ns + 2;", Code.TYPE_ERROR),
        ("x_ = 2 im < 1;", Code.TYPE_ERROR),
        ('x_ = "01" & "011";', Code.TYPE_ERROR),
        ("int[0] y;", Code.INVALID_VALUE),
        ("int[100000] y;", Code.UNSUPPORTED_FEATURE),
        ("bit[1000000000] y;", Code.TOO_MANY_CLBITS),
        ("array[int, 1000000, 1000000] y;", Code.TOO_MANY_STEPS),
        ("array[int, 2] y = {1, 2, 3};", Code.TYPE_ERROR),
        ("array[int, 2] y; y[2] = 1;", Code.INDEX_OUT_OF_RANGE),
        ('bit[2] y = "011";', Code.TYPE_ERROR),
        ("bit[2] y = 4;", Code.INVALID_VALUE),
        ("const int n = 1; n = 2;", Code.TYPE_ERROR),
        ("int n; int n;", Code.DUPLICATE_NAME),
        ("bit[2] b; b[2] = 1;", Code.INDEX_OUT_OF_RANGE),
        ("bit[2] b; b[0:5] = 1;", Code.INDEX_OUT_OF_RANGE),
        ("bit[4] b; b[0:0:2] = 1;", Code.INVALID_VALUE),
        ("qubit[2] q; x q[2];", Code.INDEX_OUT_OF_RANGE),
        ("qubit[2] q; x q[1.0];", Code.TYPE_ERROR),
        ("qubit[-1] q;", Code.INVALID_VALUE),
        ("bit c; x c;", Code.TYPE_ERROR),
        ("qubit q; q = 1;", Code.TYPE_ERROR),
        ("qubit[2] q; let a = q[0] ++ q;", Code.INVALID_VALUE),
    ],
)
def test_senseless_values_are_refused_with_their_place(text: str, code: Code) -> None:
    with pytest.raises(ProgramError) as caught:
        compile_program("int x_; qubit qq; float yy;\n" + text, measure_all=True)
    assert caught.value.code == code
    assert caught.value.line == 2

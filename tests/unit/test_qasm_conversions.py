"""Conversions between types and operators on known values: results, and what is refused."""

import math

import pytest

from infrastructure.quantum.qasm import Code, ProgramError, compile_program
from infrastructure.quantum.qasm.types import FLOAT, INT, Duration, Unknown, Value
from infrastructure.quantum.qasm.values import bits_of, convert
from tests.support.aer_runs import outcome
from tests.support.qasm_runs import circuit, refusal
from tests.support.qasm_values import value_of

_NAMES = (
    "array[uint[4], 2, 3] v = {{1, 2, 3}, {4, 5, 6}}; array[int, 3] w = {7, 8, 9}; float f;"
    " angle[4] s = pi / 2; angle t = 0.5; uint[4] n = 9; def g() { } gate h2 a { h a; } qubit q;"
)

_RESULTS = [
    ("pow(2, 3)", 8),
    ("pow(2.0, -1)", 0.5),
    ("2 + pow(3, 2) * 2", 20),
    ("5.5 % 2", 1.5),
    ("uint[4](1) << 4", 0),
    ("uint[4](12) >> 2", 3),
    ("0 ** 3 + 1 ** 5 + 3 ** 0", 2),
    ("~true", False),
    ("true & bit(1)", True),
    ("-uint[4](3)", 13),
    ("-2.5", -2.5),
    ("2 im == 2 im", True),
    ("2 im != 2", True),
    ("1.0 == 1", True),
    ("s == angle[4](pi / 2)", True),
    ("t < 1", True),
    ("1ns + 2ns == 3ns", True),
    ("3ns - 2ns < 2ns", True),
    ("1us / 2 < 501ns", True),
    ("2 * 1us == 2us", True),
    ("-(1ns) < 0ns", True),
    ("s / angle[4](pi / 4)", 2),
    ("t + 0.25", 0.75),
    ("t + t", 1.0),
    ("s + s == angle[4](pi)", True),
    ("2 * s == angle[4](pi)", True),
    ("t * t", 0.25),
    ("1 / t", 2.0),
    ("abs(-3)", 3),
    ("abs(-2.5)", 2.5),
    ("sin(0 im)", 0j),
    ("sqrt(-4 + 0 im)", 2j),
    ("rotl(uint[4](9), 1)", 3),
    ("popcount(n)", 2),
    ("sizeof(w)", 3),
    ("sizeof(n)", 4),
    ("v[1][1:2][0]", 5),
    ("w[{2, 0}][1]", 7),
    ("w[-1:-1:0][0]", 9),
    ("bool(2 im)", True),
    ("angle[2](s)", 1),
    ("complex(3)", 3 + 0j),
    ('angle[4]("0110")', 6),
    ("bit[2](n)", 1),
]


@pytest.mark.parametrize(("expression", "expected"), _RESULTS, ids=[text for text, _ in _RESULTS])
def test_an_operator_has_its_result(expression: str, expected: object) -> None:
    assert value_of(expression, _NAMES) == pytest.approx(expected)


def test_durations_keep_seconds_and_samples_apart() -> None:
    assert value_of("100dt + 2s", _NAMES) == Duration(2.0, 100.0)
    assert value_of("-(100dt)", _NAMES) == Duration(0.0, -100.0)


def test_a_copy_of_an_array_does_not_change_with_it() -> None:
    assert value_of("u[0]", _NAMES + "array[int, 3] u = w; w[0] = 1;") == 7


_DECLARED = [
    ("angle", "angle[4](pi)", math.pi),
    ("angle[2]", "angle[4](pi / 2)", 1),
    ("bit", "1", True),
    ("bit", '"1"', True),
    ("bit[2]", "uint[4](7)", 3),
    ("uint", "-1", 2**64 - 1),
    ("uint[128]", "99999999999999999999999", 99999999999999999999999),
    ("array[int, 2, 2]", "{{1, 2}, {3, 4},}", [[1, 2], [3, 4]]),
    ("array[int, 0]", "{}", []),
    ("complex[float[64]]", "2 im", 2j),
    ("duration", "5s", Duration(5.0)),
]


@pytest.mark.parametrize(("declared", "expression", "expected"), _DECLARED)
def test_a_declaration_holds_its_initial_value(
    declared: str, expression: str, expected: object
) -> None:
    assert value_of(expression, declared=declared) == expected


_REFUSED = [
    ("int n2 = 99999999999999999999999;", Code.INVALID_VALUE),
    ("const uint n2 = 99999999999999999999999;", Code.INVALID_VALUE),
    ("int n2 = 1e400;", Code.INVALID_VALUE),
    ("angle[4] a = 1e400;", Code.INVALID_VALUE),
    ("bit b = 2;", Code.INVALID_VALUE),
    ('bit b = "01";', Code.TYPE_ERROR),
    ("bit[2] b = 1.5;", Code.TYPE_ERROR),
    ("bool b = 100ns;", Code.TYPE_ERROR),
    ("float x = 100ns;", Code.TYPE_ERROR),
    ("complex x = 100ns;", Code.TYPE_ERROR),
    ("angle a = 2 im;", Code.TYPE_ERROR),
    ("duration d = 5;", Code.TYPE_ERROR),
    ("int x = w;", Code.TYPE_ERROR),
    ("array[int, 2] x = w;", Code.TYPE_ERROR),
    ("array[int, -1] x;", Code.INVALID_VALUE),
    ("array[int, 3] x = {1, 2, w};", Code.TYPE_ERROR),
    ("int x = int(w);", Code.TYPE_ERROR),
    ("float x = sin(w);", Code.TYPE_ERROR),
    ("float x = arccos(2 im);", Code.TYPE_ERROR),
    ("int x = popcount(1.5);", Code.TYPE_ERROR),
    ('bit[2] x = rotl("01", 1.5);', Code.TYPE_ERROR),
    ("int x = w + 1;", Code.TYPE_ERROR),
    ("n += 100ns;", Code.TYPE_ERROR),
    ("int x = 1 << 1.5;", Code.TYPE_ERROR),
    ("int x = -true;", Code.TYPE_ERROR),
    ("bool x = 1ns < 2;", Code.TYPE_ERROR),
    ("bool x = 1dt < 2ns;", Code.UNSUPPORTED_FEATURE),
    ("duration d = 2 / 1ns;", Code.TYPE_ERROR),
    ("int x = q;", Code.TYPE_ERROR),
    ("int x = h2;", Code.TYPE_ERROR),
    ("int x = g;", Code.TYPE_ERROR),
    ("int x = g();", Code.TYPE_ERROR),
    ("int x = w();", Code.UNDEFINED_NAME),
    ("int x = sizeof(w, 1);", Code.INDEX_OUT_OF_RANGE),
    ("int x = f[0];", Code.TYPE_ERROR),
    ("int x = w[1.5];", Code.TYPE_ERROR),
    ("f[0] = 1;", Code.TYPE_ERROR),
    ("n[0, 1] = 1;", Code.TYPE_ERROR),
    ("w[0:1] = 5;", Code.TYPE_ERROR),
    ("nowhere = 5;", Code.UNDEFINED_NAME),
    ("rx(w) q;", Code.TYPE_ERROR),
    ("switch (f) { case 0 { } }", Code.TYPE_ERROR),
    ("switch (n) { case 1.5 { } }", Code.TYPE_ERROR),
    ("for int i in n { }", Code.TYPE_ERROR),
    ("for int i in [:3] { }", Code.TYPE_ERROR),
    ("if (w) { }", Code.TYPE_ERROR),
    ("qubit v;", Code.DUPLICATE_NAME),
    ("bit v;", Code.DUPLICATE_NAME),
    ("let a = n;", Code.UNSUPPORTED_FEATURE),
]


@pytest.mark.parametrize(("text", "code"), _REFUSED, ids=[text for text, _ in _REFUSED])
def test_a_value_without_meaning_is_refused_where_it_stands(text: str, code: Code) -> None:
    error = refusal(f"{_NAMES}\n{text}")
    assert (error.code, error.line) == (code, 2)


def test_a_float_has_no_bits() -> None:
    with pytest.raises(ProgramError) as caught:
        bits_of(FLOAT, 1.0)
    assert caught.value.code is Code.TYPE_ERROR


def test_what_is_unknown_does_not_convert() -> None:
    with pytest.raises(ProgramError) as caught:
        convert(Value(INT, Unknown()), FLOAT)
    assert caught.value.code is Code.TYPE_ERROR


_ASSIGNED = [
    ("array[uint[4], 2] v; v[1][2] = 1; c = v[1];", "0100"),
    ("array[uint[4], 2] v; v[0] += 3; c = v[0];", "0011"),
    ("array[uint[4], 3] v; array[uint[4], 2] w = {5, 6}; v[1:2] = w; c = v[2];", "0110"),
    ("uint[4] n = 1; n[2] = 1; c = n;", "0101"),
    ("c[1] |= 1; c[0:1] ^= 3;", "0001"),
    ("let d = c[2:3]; d[0] = 1;", "0100"),
    ("let d = c[3]; d = 1;", "1000"),
    ("let d = c[0:0] ++ c[3:3]; d = 3;", "1001"),
    ("int n = 4; n /= 2; c = n;", "0010"),
]


@pytest.mark.parametrize(("body", "expected"), _ASSIGNED, ids=[body for body, _ in _ASSIGNED])
def test_an_assignment_changes_the_part_it_names(body: str, expected: str) -> None:
    text = f"bit[4] c; {body} qubit q; bit z; z = measure q;"
    assert outcome(text) == f"0 {expected}"


_UNCLOSED = [
    "qubit q; /* open",
    "qubit q; /* a */ x q /* b",
    "/* open",
    "qubit q; int n = 4 /*/ 2;",
]


@pytest.mark.parametrize("text", _UNCLOSED)
def test_a_comment_that_is_not_closed_is_said_to_be_open(text: str) -> None:
    error = refusal(text)
    assert error.code is Code.PARSE_ERROR
    assert "comment is not closed" in error.message
    assert error.column == text.rindex("/*") + 1


_UNREADABLE = [
    ("int n = sizeof();", "sizeof takes"),
    ("int n = in;", "expected an expression"),
    ("c[] = 1;", "expected an index"),
    ("c[0:1:2:3] = 1;", "a range has at most"),
    ("complex[int] z;", "components of a complex number"),
    ("array[int] v;", "at least one dimension"),
    ("array[stretch, 2] v;", "the type of an array's elements"),
    ("for x i in [0:1] { }", "a classical type"),
    ("for int i in [0] { }", "a range such as [0:3]"),
    ("int n = /;", "expected an expression"),
    ("array[int, 2] v; v = {5, 6};", "expected an expression"),
    ("@\nint n;", "an annotation has no name"),
    ("{\n#pragma x\n}", "pragmas must be global"),
    ("#include", "'pragma'"),
    ("include x;", "a file name in quotes"),
    ("gphase(1, 2);", "exactly one angle"),
    ("delay q;", "a duration in brackets"),
    ("OPENQASM 3.0;", "must come first"),
    ("c[0]" + "[0]" * 100 + " = 1;", "too many indices"),
    ("def f(readonly array[int, #rank = 1] a) { }", "'#dim'"),
]


@pytest.mark.parametrize(("text", "part"), _UNREADABLE, ids=[text[:40] for text, _ in _UNREADABLE])
def test_what_cannot_be_parsed_is_explained(text: str, part: str) -> None:
    error = refusal(f"bit[4] c;\n{text}")
    assert error.code in (Code.PARSE_ERROR, Code.TOO_DEEPLY_NESTED)
    assert part in error.message


def test_lists_may_end_with_a_comma() -> None:
    text = "bit[4] c; c[{0, 2,}] = 3; def f(int a, int b,) -> int { return a + b; }"
    assert outcome(f"{text} qubit q; measure q; c[3:3] = f(1, 0,);") == "0 1101"


def test_a_normal_form_tells_what_outcomes_steer() -> None:
    text = "qubit[2] q; bit[2] c; c = measure q; if (c[0]) { x q[1]; } else { y q[1]; }"
    form = compile_program(text + " while (!c[0] && c[1]) { c[1] = measure q[1]; }").normalised
    assert "if_else c0" in form
    assert "x() 1" in form
    assert "while_loop" in form
    steered = compile_program(text + " c[1] = !c[0];").normalised
    assert "store c1 LOGIC_NOT(c0)" in steered


def test_delays_keep_their_unit() -> None:
    delays = circuit("qubit q; delay[100dt] q; delay[2us] q;").data[:2]
    assert [(delay.operation.duration, delay.operation.unit) for delay in delays] == [
        (100, "dt"),
        (2e-06, "s"),
    ]


def test_a_delay_of_unknown_length_does_nothing() -> None:
    assert circuit("qubit q; stretch s; delay[durationof({ x q; })] q;").count_ops() == {
        "measure": 1
    }

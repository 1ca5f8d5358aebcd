"""The parser yields the tree of OpenQASM's reference parser, and never recurses without bound."""

import openqasm3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openqasm3 import ast

from infrastructure.quantum.qasm.errors import Code, ProgramError
from infrastructure.quantum.qasm.source import Source
from infrastructure.quantum.qasm.statement_parser import StatementParser

NAMES = st.sampled_from(["a", "q", "theta", "π", "my_gate", "_x1", "ctrlx", "U"])


def parsed(text: str, nesting: int = 64) -> list[ast.Statement | ast.Pragma]:
    source = Source(text, 1_000_000)
    parser = StatementParser(source, source.start, nesting)
    statements = []
    while parser.token.kind != "end":
        statements.append(parser.statement())
    return statements


def refused(text: str) -> ProgramError:
    with pytest.raises(ProgramError) as caught:
        parsed(text)
    return caught.value


PROGRAMS = [
    "OPENQASM 3.1; qubit[2] q; qubit p; bit c; creg d[3]; qreg r[2];",
    "include 'stdgates.inc'; U(π/2, 0, 2*pi) q[0]; gphase(0.5); ctrl(2) @ inv @ pow(-1/2) @ x a, b;",
    "negctrl @ gphase(pi) q; g[100ns] q; g(1)[2us] q, r; x $0, $12;",
    "measure q; measure q -> c; c = measure q[1:2]; bit d = measure $3; reset q; barrier; barrier q, r[0];",
    "delay[2.5ms] q; delay[d * 2]; box [1 s] { x q; } box { h q; } end;",
    "int[8] i = -3; uint u; float[64] f = 1e-3; angle[20] a = pi; complex[float[32]] z = 2 im + 1;",
    "bool b = !true || false && 1 < 2; duration t = 1us; stretch s; const int n = 0x1F + 0b101 + 0o17;",
    'bit[4] m = "01_01"; array[int[8], 2, 3] v = {{1, 2, 3}, {4, 5, 6}}; v[0, 1] = v[1][2]; v[0:1] = w;',
    "x = a + b * c ** d ** -e - f / g % h << 1 >> 2 & 3 | 4 ^ 5 == 6 != 7; y = -a ** 2; z = ~-!a;",
    "a += 1; a[0] -= 2; a **= 3; a <<= 4; a ~= b; a %= 2; f(x, y); f(1)[0] + 2; int(x); bit[3](y);",
    "if (a == 1) x q; else if (b) { y q; } else z q; while (c[0]) { break; } { x q; }",
    "for int i in [0:2:10] { continue; } for uint[8] j in {1, 2, n} x q; for bit b in reg { }",
    "switch (i) { case 1, 2 { x q; } case n { } default { y q; } } switch (j) { }",
    "gate g(a, b) p, q { U(a, b, 0) p; cx p, q; barrier p; for int i in [0:1] { x p; } } gate h() q { }",
    "def f(int[8] a, qubit[3] q, bit[2] c, readonly array[int[8], 3] r, mutable array[uint, #dim=2] w)"
    " -> bit[2] { return measure q; } def g(creg c, qreg q[3], angle x) { return; }",
    "let a = q[0:2] ++ r[{1, 3}] ++ s; let b = q; let c = q[-1]; sizeof(a); sizeof(a, 1);",
    "input float x; output bit[3] c; input array[float, 4] y; durationof({ x $0; delay[2dt] $1; });",
    "pragma braket result state_vector\n#pragma a b  c \n@first\n@second with words\nx q;",
    "x q; // comment\n/* another\n one */ y q; rx(.5) q; rx(5.) q; rx(1_0.5e+1_0) q; rx(((1))) q;",
    "return_to = 1; in_ = measure2; f = rotl(a, 2)[{0, 1}][:]; d[:2] = d[1:]; e = d[::2];",
]


@pytest.mark.parametrize("text", PROGRAMS)
def test_programs_yield_the_reference_tree(text: str) -> None:
    assert parsed(text) == openqasm3.parse(text).statements


EXPRESSIONS = st.recursive(
    st.one_of(
        NAMES,
        st.integers(0, 2**70).map(str),
        st.floats(0, 1e9, allow_nan=False).map(repr),
        st.sampled_from(
            ["true", "false", '"0110"', "1.5ns", "3 dt", "2.0im", "$4", "1e3", ".5e-2"]
        ),
    ),
    lambda inner: st.one_of(
        st.tuples(
            inner,
            st.sampled_from(
                "+ - * / % ** << >> < <= > >= == != & | ^ && ||".split()  # noqa: SIM905
            ),
            inner,
        ).map(" ".join),
        st.tuples(st.sampled_from(["-", "!", "~"]), inner).map("".join),
        inner.map(lambda text: f"({text})"),
        st.tuples(NAMES, inner).map(lambda pair: f"{pair[0]}[{pair[1]}]"),
        st.tuples(NAMES, inner, inner).map(lambda three: f"{three[0]}({three[1]}, {three[2]})"),
        inner.map(lambda text: f"int[8]({text})"),
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(EXPRESSIONS)
def test_expressions_yield_the_reference_tree(expression: str) -> None:
    text = f"x_ = {expression}; rx({expression}) q[{expression}];"
    assert parsed(text) == openqasm3.parse(text).statements


def test_statements_know_where_they_begin() -> None:
    first, second = parsed("x q;\n\n   rx(1 +\n  a) q;")
    assert first.span is not None
    assert second.span is not None
    assert (first.span.start_line, first.span.start_column) == (1, 0)
    assert (second.span.start_line, second.span.start_column) == (3, 3)


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("x q", 1, 4),
        ("qubit q;\nh q[0] cx q;", 2, 8),
        ("qubit q;\n\n  x q; ?", 3, 8),
        ("/* never closed", 1, 1),
        ("bit[2 c;", 1, 7),
        ("rx(1,,2) q;", 1, 6),
        ("if (a { }", 1, 7),
        ("gate g q { x q; measure q; }", 1, 17),
        ("break;", 1, 1),
        ("return 1;", 1, 1),
        ("{ qubit q; }", 1, 3),
        ("{ gate g a { } }", 1, 3),
        ("switch (a) { default { } case 1 { } }", 1, 26),
        ("x q; OPENQASM 3.0;", 1, 6),
    ],
)
def test_syntax_errors_have_a_place(text: str, line: int, column: int) -> None:
    error = refused(text)
    assert (error.code, error.line, error.column) == (Code.PARSE_ERROR, line, column)


@pytest.mark.parametrize(
    "text",
    [
        f"x = {'(' * 100}1{')' * 100};",
        f"x = {'-' * 100_000}1;",
        f"x = {'~!' * 50_000}1;",
        f"x = {'f(' * 200}1{')' * 200};",
        f"x = {'a[' * 200}1{']' * 200};",
        f"x = {'2 ** ' * 500}2;",
        f"x = a{'[0]' * 500};",
        "{" * 500,
        "if (a) " * 500 + "x q;",
        "for int i in [0:1] " * 500 + "x q;",
        f"array[int, 1] a = {'{' * 500}1{'}' * 500};",
        "x = durationof({" * 200,
    ],
)
def test_deep_nesting_is_refused(text: str) -> None:
    assert refused(text).code == Code.TOO_DEEPLY_NESTED


def test_long_sums_are_not_nesting() -> None:
    (statement,) = parsed(f"x = {' + '.join(['1'] * 20_000)};")
    assert isinstance(statement, ast.ClassicalAssignment)


@pytest.mark.parametrize("text", ["extern f(int) -> int;", "cal { }", "defcal x $0 { }"])
def test_what_cannot_run_is_refused_by_name(text: str) -> None:
    error = refused(text)
    assert error.code == Code.UNSUPPORTED_FEATURE
    assert text.split(maxsplit=1)[0] in error.message


def test_keywords_of_version_3_are_names_in_version_2() -> None:
    statements = parsed(
        "OPENQASM 2.0; qreg in[2]; creg output[2]; gate angle(int) def { U(int^2,0,0) def; }"
    )
    gate = statements[-1]
    assert isinstance(gate, ast.QuantumGateDefinition)
    assert gate.name.name == "angle"


def test_the_caret_is_a_power_in_version_2() -> None:
    (_, two) = parsed("OPENQASM 2.0; qreg q[1]; U(2^3,0,0) q[0];")
    (three,) = parsed("U(2**3,0,0) q[0];")
    assert two == three

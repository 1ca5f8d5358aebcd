"""Classical values that depend on outcomes: kept in bits, decided by branches, or refused."""

import time

import pytest

from domain.execution import ParameterValue
from infrastructure.quantum.qasm import Code, ProgramError, ProgramLimits, compile_program
from tests.support.aer_runs import outcome
from tests.support.qasm_runs import refusal

# `m` is measured as binary 01, so that the compiler cannot know it.
_MEASURED = "qubit[4] q; bit[4] c; qubit[2] a; bit[2] m; x a[0]; m = measure a; "

_COMPUTED = [
    ("bit r = m[0]; r ^= 1; c[0] = r;", "0000"),
    ("bit r = m[1]; r ^= 1; c[0] = r;", "0001"),
    ("c[0] = m[0] && 1.5;", "0001"),
    ("c[0] = m[0] == 1.0;", "0001"),
    ("c = uint[4](m) << 1;", "0010"),
    ("c = int[4](m) << 2 >> 1;", "0010"),
    ("c = 1 << uint[2](m);", "0010"),
    ("c = uint[4](m) * uint[4](3);", "0011"),
    ("c = uint[4](7) / uint[4](uint[2](m) + 1);", "0011"),
    ("c = -int[4](m);", "1111"),
    ("c = uint[4](m) - 2;", "1111"),
    ("c[0] = int[3](m) < -1; c[1] = int[3](m) >= -1;", "0010"),
    ("c[0] = uint[2](m) > uint[2](0);", "0001"),
    ("c[0] = uint[2](m) != int[2](1);", "0000"),
    ("c[0] = !m;", "0000"),
    ("c[1:2] = ~m;", "0100"),
    ("uint[2] n; n = measure a; c = uint[4](n);", "0001"),
    ("uint[2] n = m; n[1] = 1; c = uint[4](n);", "0011"),
    ("uint[2] n = m; c[3] = n[0];", "1000"),
    ("int n = popcount(m); c[0:1] = uint[2](n);", "0001"),
    ("c[0:1] = rotl(m, 1);", "0010"),
    ("angle[2] s = m; angle[4] t = s; c = bit[4](t);", "0100"),
    ("angle[4] t; t[3] = m[0]; angle[2] s = t; c[0:1] = bit[2](s);", "0010"),
    ("angle[4] t; t[3] = m[0]; angle[4] u = t + t; c = bit[4](u);", "0000"),
    ("bool b = m; c[0] = b;", "0001"),
    ("bit b = bool(m); c[0] = b;", "0001"),
    ("array[uint[2], 2] v; v[0] = m; c[0:1] = v[0];", "0001"),
    ("array[uint[2], 2] v; if (m[0]) { v[1] = 3; } c[0:1] = v[1];", "0011"),
    ("array[uint[2], 2] v; v[m[0]] = 2; c[0:1] = v[1];", "0010"),
    ("array[uint[2], 2, 1] v; if (m[1]) { v[1, 0] = 3; } c[0:1] = v[1, 0];", "0000"),
    ("int[4] n = 2; if (m[0]) { n = 2; } c = n;", "0010"),
    ("uint[3] n = 1; if (m[0]) { n = 6; } else { n = 4; } c[0:2] = bit[3](n);", "0110"),
    ("for bit b in m { if (b) { c[3] = 1; } }", "1000"),
]


@pytest.mark.parametrize(("body", "expected"), _COMPUTED, ids=[body for body, _ in _COMPUTED])
def test_what_depends_on_outcomes_is_computed_in_bits(body: str, expected: str) -> None:
    text = f"{_MEASURED}{body}"
    assert outcome(text).split()[-1] == expected


_DECIDED = [
    ("rx(m[0] * pi) q[0];", "0001"),
    ("rx(m * pi) q[1];", "0010"),
    ("x q[uint[2](m)];", "0010"),
    ("for int i in [0:uint[2](m)] { x q[i]; }", "0011"),
    ("int n = uint[2](m) % 2; if (n == 1) { x q[3]; }", "1000"),
    ("switch (m[0]) { case 0 { x q[0]; } case 1 { x q[1]; } }", "0010"),
]


@pytest.mark.parametrize(("body", "expected"), _DECIDED, ids=[body for body, _ in _DECIDED])
def test_a_statement_that_needs_an_outcome_runs_either_way(body: str, expected: str) -> None:
    text = f"{_MEASURED}{body} c = measure q;"
    assert outcome(text).split()[-1] == expected


_LOOPED = [
    ("uint[2] n; while (n < uint[2](m) + 2) { n += 1; } c[0:1] = n;", "0011"),
    ("array[uint[2], 2] v; while (m[0]) { v[1] += 1; m[0] = v[1] < 2; } c[0:1] = v[1];", "0010"),
    ("float f; bit b = 1; while (m[0]) { f = 0.5; m[0] = 0; } c[0] = b;", "0001"),
    ("while (m[0]) { c[3] = 1; m[0] = 0; } c[2] = c[3];", "1100"),
    ("while (m[0]) { c[1] = !c[1]; m[0] = m[1]; m[1] = 0; }", "0010"),
    ("while (m[0]) { if (m[1]) { break; } m[1] = 1; c[0] = 1; }", "0001"),
    ("uint[2] n; while (m[0]) { n += 1; if (n < 2) { continue; } m[0] = 0; } c[0:1] = n;", "0010"),
    ("while (m[0]) { while (m[1]) { m[1] = 0; c[1] = 1; } m[0] = !c[0]; m[1] = 1; c[0] = 1; }",
     "0011"),
    ("bool t = m[0]; bool s; while (t) { s = t; t = false; } c[0] = s;", "0001"),
    ("uint[2] n = 1; uint[2] k = 2; while (m[0]) { uint[2] z = n; n = k; k = z; m[0] = 0; }"
     " c[0:1] = n; c[2:3] = k;", "0110"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "expected"), _LOOPED, ids=[body for body, _ in _LOOPED])
def test_a_loop_that_outcomes_steer_carries_its_values(body: str, expected: str) -> None:
    assert outcome(f"{_MEASURED}{body}").split()[-1] == expected


_CALLED = [
    ("def f(bit b) -> bit { return !b; } c[0] = f(m[1]);", "0001"),
    ("def f(bit[2] b) -> int[4] { if (b[0]) { return 5; } return 2; } c = f(m);", "0101"),
    ("def f(qubit p) { measure p; } f(a[0]); c[0] = 1;", "0001"),
    ("def f(mutable array[uint[4], 2] p) { p[0] = 9; } array[uint[4], 2] v; f(v); c = v[0];",
     "1001"),
    ("def f(readonly array[uint[4], #dim = 1] p) -> uint[4] { return p[1]; }"
     " array[uint[4], 2] v = {1, 6}; c = f(v);", "0110"),
    ("def f(readonly array[uint[4], 2] p) -> uint[4] { return p[1]; }"
     " array[uint[4], 3] v = {1, 6, 7}; c = f(v[1:2]);", "0111"),
    ("def f(creg b[2]) -> bit { return b[0]; } c[2] = f(m);", "0100"),
    ("def f(qreg p[2]) -> bit[2] { return measure p; } c[0:1] = f(a);", "0001"),
    ("output int[4] n; if (m[0]) { n = 3; } c = n;", "0011"),
    ("if (m[0]) { end; } c[0] = 1;", "0000"),
    ("if (m[1]) { end; } const int k = 1; c[k] = 1;", "0010"),
    ("if (true) { measure a[0]; } c[0] = 1;", "0001"),
    ("def f() { return; } f(); c[0] = 1;", "0001"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "expected"), _CALLED, ids=[body for body, _ in _CALLED])
def test_subroutines_and_jumps_work_on_outcomes(body: str, expected: str) -> None:
    assert outcome(f"{_MEASURED}{body}").split()[-1] == expected


_DEPENDENT = [
    ("bit b = m;", Code.TYPE_ERROR),
    ("c = m << 1;", Code.TYPE_ERROR),
    ("float f = m[0]; rx(f * pi) q[2];", Code.UNSUPPORTED_FEATURE),
    ("c[0:2] = m;", Code.TYPE_ERROR),
    ("bit b; b = uint[2](m);", Code.TYPE_ERROR),
    ("bit b; b[0] = measure a[0];", Code.TYPE_ERROR),
    ("const bit b = m[0];", Code.TYPE_ERROR),
    ("c = uint[4](m) << -1;", Code.INVALID_VALUE),
    ("float f; if (m[0]) { f = 1.0; } rx(f) q[0];", Code.UNSUPPORTED_FEATURE),
    ("array[float, 2] v; if (m[0]) { v[0] = 1.0; } rx(v[0]) q[0];", Code.UNSUPPORTED_FEATURE),
    ("float f; while (m[0]) { f += 0.5; m = measure a; } rx(f) q[0];", Code.UNSUPPORTED_FEATURE),
    ("float f = measure a[0];", Code.UNSUPPORTED_FEATURE),
    ("bit[11] w; qubit[11] p; w = measure p; rx(w * 0.1) q[0];", Code.UNSUPPORTED_FEATURE),
    ("if (m[0]) { end; } int n = 1;", Code.UNSUPPORTED_FEATURE),
    ("def f(int n) { } f();", Code.TYPE_ERROR),
    ("def f(qubit[2] p) { } f(q[0]);", Code.TYPE_ERROR),
    ("def f(qubit p) { } f(q);", Code.TYPE_ERROR),
    ("def f(readonly array[int, 2] p) { } f(1);", Code.TYPE_ERROR),
    ("def f(readonly array[int, 2] p) { } array[int, 3] v; f(v);", Code.TYPE_ERROR),
    ("def f(readonly array[int, #dim = 2] p) { } array[int, 3] v; f(v);", Code.TYPE_ERROR),
    ("def f(readonly array[int, 2] p) { p[0] = 1; } array[int, 2] v; f(v);", Code.TYPE_ERROR),
    (
        "def f(mutable array[int, 2] p) { } def g(readonly array[int, 2] p) { f(p); }"
        " array[int, 2] v; g(v);",
        Code.TYPE_ERROR,
    ),
    (
        "def f(mutable array[int, 2] p) { } array[int, 3] v; f(v[0:1]);",
        Code.UNSUPPORTED_FEATURE,
    ),
    ("def f() { return 1; } f();", Code.TYPE_ERROR),
    ("def f() -> int { return; } int n = f();", Code.TYPE_ERROR),
]


@pytest.mark.parametrize(("body", "code"), _DEPENDENT, ids=[body for body, _ in _DEPENDENT])
def test_what_cannot_be_done_with_outcomes_is_refused(body: str, code: Code) -> None:
    error = refusal(f"{_MEASURED}\n{body}")
    assert (error.code, error.line) == (code, 2)


_DOUBLED = [
    ("()", "f{0}(); f{0}();", "f59();"),
    ("(qubit a)", "f{0}(a); f{0}(a);", "f59(q);"),
    ("() -> int", "return f{0}() + f{0}();", "int n = f59();"),
]


@pytest.mark.parametrize(("signature", "body", "use"), _DOUBLED)
def test_subroutines_that_double_are_refused_soon(signature: str, body: str, use: str) -> None:
    first = f"def f0{signature} {{ {'return 1;' if '->' in signature else ''} }}"
    doubled = " ".join(f"def f{n}{signature} {{ {body.format(n - 1)} }}" for n in range(1, 60))
    started = time.process_time()
    assert refusal(f"{first} {doubled} qubit q; {use}").code is Code.TOO_MANY_STEPS
    assert time.process_time() - started < 3.0


def test_classical_bits_of_all_registers_are_counted() -> None:
    limits = ProgramLimits(max_clbits=3)
    assert refusal("bit[2] a; bit[2] b;", limits).code is Code.TOO_MANY_CLBITS


_GIVEN = [
    ("input array[int, 2] n; rx(n[1]) q;", {"n": [1, 2]}, 2.0),
    ("input float n; rx(n) q;", {"n": 0.5}, 0.5),
    ("input bool n; rx(float(n)) q;", {"n": True}, 1.0),
]


@pytest.mark.parametrize(("body", "given", "angle"), _GIVEN)
def test_an_input_takes_its_value_from_the_request(
    body: str, given: dict[str, ParameterValue], angle: float
) -> None:
    compiled = compile_program(f"qubit q; {body}", parameters=given, measure_all=True)
    assert compiled.circuit.data[0].params == [angle]


_MISFITS: list[tuple[str, ParameterValue]] = [
    ("input array[int, 2] n;", [1, 2, 3]),
    ("input array[int, 2] n;", 1),
    ("input int n;", 1.5),
    ("input float n;", float("inf")),
    ("input bit n;", 2),
]


@pytest.mark.parametrize(("declaration", "given"), _MISFITS)
def test_an_input_of_another_type_is_refused(declaration: str, given: ParameterValue) -> None:
    with pytest.raises(ProgramError) as caught:
        compile_program(f"qubit q; {declaration}", parameters={"n": given}, measure_all=True)
    assert caught.value.code is Code.TYPE_ERROR
    assert "input 'n'" in caught.value.message

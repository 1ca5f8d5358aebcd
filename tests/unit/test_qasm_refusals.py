"""Programs that the OpenQASM front end refuses: the code, the place, and how soon."""

import time
from pathlib import Path

import pytest

from infrastructure.quantum.qasm import Code, ProgramError, ProgramLimits, compile_program
from tests.support.qasm_runs import circuit, place, refusal

_FEW_STEPS = ProgramLimits(max_steps=5_000, max_operations=2_000)
_SOON = 5.0

# Each program stands after a line that declares `qubit[2] q;`, so that it starts on line 2.
_PLACES = [
    ("x q[0]", Code.PARSE_ERROR, 2, 7),
    ("x ;", Code.PARSE_ERROR, 2, 3),
    ("  rx( q[0];", Code.PARSE_ERROR, 2, 11),
    ("\n\nx q[0] q[1];", Code.PARSE_ERROR, 4, 8),
    ("x\0 q;", Code.PARSE_ERROR, 2, 2),
    ("?", Code.PARSE_ERROR, 2, 1),
    ("break;", Code.PARSE_ERROR, 2, 1),
    ("continue;", Code.PARSE_ERROR, 2, 1),
    ("return;", Code.PARSE_ERROR, 2, 1),
    ('include "abc', Code.PARSE_ERROR, 2, 9),
    ("x $" + "9" * 5_000 + ";", Code.PARSE_ERROR, 2, 3),
    ("int n = " + "9" * 5_000 + ";", Code.PARSE_ERROR, 2, 9),
    ("{\npragma a b\n}", Code.PARSE_ERROR, 3, 1),
    ("extern f(int) -> int;", Code.UNSUPPORTED_FEATURE, 2, 1),
    ("cal { }", Code.UNSUPPORTED_FEATURE, 2, 1),
    ("defcal x $0 { }", Code.UNSUPPORTED_FEATURE, 2, 1),
    ('defcalgrammar "openpulse";', Code.UNSUPPORTED_FEATURE, 2, 1),
    ('include "other.inc";', Code.UNSUPPORTED_FEATURE, 2, 10),
    ("#pragma braket noise bit_flip(0.1) q[0]", Code.UNSUPPORTED_FEATURE, 2, 1),
    ("int[5000] n;", Code.UNSUPPORTED_FEATURE, 2, 5),
    ("foo q[0];", Code.UNKNOWN_GATE, 2, 1),
    ("ctrl @ foo q[0], q[1];", Code.UNKNOWN_GATE, 2, 8),
    ("x p;", Code.UNDEFINED_NAME, 2, 3),
    ("rx(t) q[0];", Code.UNDEFINED_NAME, 2, 4),
    ("n = 2;", Code.UNDEFINED_NAME, 2, 1),
    ("f(2);", Code.UNDEFINED_NAME, 2, 1),
    ("qubit q;", Code.DUPLICATE_NAME, 2, 1),
    ("int n; int n;", Code.DUPLICATE_NAME, 2, 12),
    ("int n = 1; switch (n) { case 1 { } case 1 { } }", Code.DUPLICATE_NAME, 2, 41),
    ("rx q[0];", Code.TYPE_ERROR, 2, 1),
    ("rx(1, 2) q[0];", Code.TYPE_ERROR, 2, 1),
    ("cx q[0];", Code.TYPE_ERROR, 2, 1),
    ("qubit[3] p; cx q, p;", Code.TYPE_ERROR, 2, 13),
    ("bit c; x c;", Code.TYPE_ERROR, 2, 10),
    ("bit[3] c; c = measure q;", Code.TYPE_ERROR, 2, 11),
    ("const int n = 1; n = 2;", Code.TYPE_ERROR, 2, 18),
    ("delay[5] q;", Code.TYPE_ERROR, 2, 1),
    ("rx(100ns) q[0];", Code.TYPE_ERROR, 2, 4),
    ("rx(1e400) q[0];", Code.INVALID_VALUE, 2, 4),
    ("rx(1 / 0) q[0];", Code.INVALID_VALUE, 2, 4),
    ("rx(1e308 * 10) q[0];", Code.INVALID_VALUE, 2, 4),
    ("rx(sqrt(-1)) q[0];", Code.INVALID_VALUE, 2, 4),
    ("rx(arccos(2)) q[0];", Code.INVALID_VALUE, 2, 4),
    ("cx q[0], q[0];", Code.INVALID_VALUE, 2, 1),
    ("delay[-1ns] q;", Code.INVALID_VALUE, 2, 1),
    ("ctrl(0) @ x q[0];", Code.INVALID_VALUE, 2, 1),
    ("ctrl(-1) @ x q[0];", Code.INVALID_VALUE, 2, 1),
    ("int n = 1 << -1;", Code.INVALID_VALUE, 2, 9),
    ("for int i in [0:0:2] { }", Code.INVALID_VALUE, 2, 15),
    ("x q[2];", Code.INDEX_OUT_OF_RANGE, 2, 3),
    ("x q[-3];", Code.INDEX_OUT_OF_RANGE, 2, 3),
    ("bit[2] c; c[2] = 1;", Code.INDEX_OUT_OF_RANGE, 2, 11),
    ("array[int, 2] v; int n = v[2];", Code.INDEX_OUT_OF_RANGE, 2, 26),
    ("gate g a { g a; } g q[0];", Code.RECURSIVE_DEFINITION, 2, 12),
]


@pytest.mark.parametrize(("text", "code", "line", "column"), _PLACES)
def test_a_refusal_has_a_code_and_a_place(text: str, code: Code, line: int, column: int) -> None:
    assert place(f"qubit[2] q;\n{text}") == (code, line, column)


_BOMBS = [
    ("qubit[1000000000] q;", Code.TOO_MANY_QUBITS),
    ("qubit[5000] q; qubit[5001] r;", Code.TOO_MANY_QUBITS),
    ("OPENQASM 2.0; qreg q[1000000000];", Code.TOO_MANY_QUBITS),
    ("x $1000000000;", Code.TOO_MANY_QUBITS),
    ("bit[1000000000] c;", Code.TOO_MANY_CLBITS),
    ("OPENQASM 2.0; creg c[1000000000];", Code.TOO_MANY_CLBITS),
    ("array[int, 100000, 100000] v;", Code.TOO_MANY_STEPS),
    ("qubit q; for int i in [0:99999] { for int j in [0:99999] { x q; } }", Code.TOO_MANY_STEPS),
    ("qubit q; for int i in [0:100000000000] { }", Code.TOO_MANY_STEPS),
    ("qubit q; bit c; for int i in [0:100000000000] { c = measure q; }", Code.TOO_MANY_STEPS),
    ("qubit q; while (true) { }", Code.TOO_MANY_STEPS),
    ("qubit q; while (true) { x q; }", Code.TOO_MANY_STEPS),
    ("qubit[2] q; ctrl(1000000000) @ x q[0], q[1];", Code.TOO_MANY_CONTROLS),
    (
        "qubit[20] q; " + "ctrl @ " * 19 + "x " + ", ".join(f"q[{i}]" for i in range(20)) + ";",
        Code.TOO_MANY_CONTROLS,
    ),
    ("gate g a { h a; t a; } qubit q; pow(1000000000000) @ g q;", Code.TOO_MANY_OPERATIONS),
    ("qubit q; " + "x q; " * 2_001, Code.TOO_MANY_OPERATIONS),
    ("qubit q; rx(" + "(" * 5_000 + "1" + ")" * 5_000 + ") q;", Code.TOO_DEEPLY_NESTED),
    ("qubit q; rx(" + "-" * 5_000 + "1) q;", Code.TOO_DEEPLY_NESTED),
    ("qubit q; rx(" + "1 ** " * 5_000 + "1) q;", Code.TOO_DEEPLY_NESTED),
    ("{" * 5_000 + "}" * 5_000, Code.TOO_DEEPLY_NESTED),
    ("qubit q; " + "if (true) " * 5_000 + "x q;", Code.TOO_DEEPLY_NESTED),
    ("qubit q; bit c; " + "if (c) x q; else " * 5_000 + "x q;", Code.TOO_DEEPLY_NESTED),
    ("def f(int n) -> int { return f(n + 1); } qubit q; int n = f(0);", Code.TOO_DEEPLY_NESTED),
    ("int n = 1 << 1000000000000;", Code.INVALID_VALUE),
    ("int n = 9 ** 9 ** 9 ** 9;", Code.INVALID_VALUE),
    ("float n = 9.0 ** 9 ** 9;", Code.INVALID_VALUE),
    ("// " + "a" * 2_000_000, Code.PROGRAM_TOO_LARGE),
    ("qubit q; " + "x q; " * 1_000_000, Code.PROGRAM_TOO_LARGE),
    ("\0" * 1_000, Code.PARSE_ERROR),
    ("qubit q; x q; \ud800", Code.PARSE_ERROR),
]


@pytest.mark.parametrize(("text", "code"), _BOMBS, ids=[text[:50] for text, _ in _BOMBS])
def test_a_bomb_is_refused_soon(text: str, code: Code) -> None:
    started = time.monotonic()
    assert refusal(text, _FEW_STEPS).code is code
    assert time.monotonic() - started < _SOON


def test_gates_that_double_are_refused_soon() -> None:
    doubled = " ".join(f"gate g{n} a {{ g{n - 1} a; g{n - 1} a; }}" for n in range(1, 60))
    started = time.monotonic()
    error = refusal(f"gate g0 a {{ x a; x a; }} {doubled} qubit q; g59 q;", _FEW_STEPS)
    assert error.code in (Code.TOO_MANY_STEPS, Code.TOO_MANY_OPERATIONS)
    assert time.monotonic() - started < _SOON


@pytest.mark.parametrize("head", ["OPENQASM 2.0;", "OPENQASM 3.0;"])
def test_an_include_opens_no_file_and_tells_nothing_of_it(head: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.inc"
    secret.write_text("password hunter2;")
    error = refusal(f'{head}\ninclude "{secret}";\n')
    assert (error.code, error.line) == (Code.UNSUPPORTED_FEATURE, 2)
    assert "hunter2" not in str(error)
    assert "password" not in str(error)


def test_an_include_of_standard_gates_ignores_a_file_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stdgates.inc").write_text("gate evil a { x a; }")
    monkeypatch.chdir(tmp_path)
    assert refusal('include "stdgates.inc"; qubit q; evil q;').code is Code.UNKNOWN_GATE


def test_a_program_without_a_measurement_is_told_what_to_add() -> None:
    with pytest.raises(ProgramError) as caught:
        compile_program("qubit q; h q;")
    assert caught.value.code is Code.NO_MEASUREMENT
    assert "measure_all" in caught.value.message


@pytest.mark.parametrize("text", ["", "bit c;", "// nothing"])
def test_a_program_without_qubits_has_nothing_to_measure(text: str) -> None:
    assert refusal(text).code is Code.NO_MEASUREMENT


def test_a_refusal_prints_its_code_and_place() -> None:
    assert str(refusal("qubit q;\n foo q;")).startswith("unknown_gate: ")
    assert str(refusal("qubit q;\n foo q;")).endswith("(line 2, column 2)")


def test_a_place_does_not_count_the_byte_order_mark() -> None:
    assert place("\ufefffoo q;")[1:] == (1, 1)


def test_a_power_of_one_gate_is_no_repetition() -> None:
    assert circuit("qubit q; pow(1000000000000) @ h q;").size() <= 2


_LIMITS = [
    (ProgramLimits(max_bytes=20), "qubit q; x q; x q; x q;", Code.PROGRAM_TOO_LARGE),
    (ProgramLimits(max_bytes=20), "//" + "é" * 10, Code.PROGRAM_TOO_LARGE),
    (ProgramLimits(max_nesting=2), "qubit q; {{{ x q; }}}", Code.TOO_DEEPLY_NESTED),
    (ProgramLimits(max_qubits=2), "qubit[3] q;", Code.TOO_MANY_QUBITS),
    (ProgramLimits(max_clbits=2), "qubit[3] q; measure q;", Code.TOO_MANY_CLBITS),
    (ProgramLimits(max_operations=2), "qubit q; x q; y q; z q;", Code.TOO_MANY_OPERATIONS),
    (ProgramLimits(max_steps=5), "qubit q; for int i in [0:9] { x q; }", Code.TOO_MANY_STEPS),
    (
        ProgramLimits(max_controls=1),
        "qubit[3] q; ctrl(2) @ x q[0], q[1], q[2];",
        Code.TOO_MANY_CONTROLS,
    ),
    (ProgramLimits(max_array_elements=3), "array[int, 2, 2] v;", Code.TOO_MANY_STEPS),
]


@pytest.mark.parametrize(("limits", "text", "code"), _LIMITS)
def test_each_limit_can_be_set(limits: ProgramLimits, text: str, code: Code) -> None:
    assert refusal(text, limits).code is code

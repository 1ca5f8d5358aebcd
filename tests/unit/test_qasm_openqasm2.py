"""OpenQASM 2 programs, and how the version of a program is found."""

import pytest
from qiskit import qasm2
from qiskit.quantum_info import Operator

from infrastructure.quantum.qasm import Code, compile_program
from tests.support.aer_runs import outcome
from tests.support.qasm_runs import place, unitary

_HEAD = 'OPENQASM 2.0;\ninclude "qelib1.inc";\n'

_BODIES = [
    "qreg q[2]; U(0.1, 0.2, 0.3) q[0]; CX q[0], q[1];",
    "qreg q[2]; h q; cx q[0], q[1];",
    "qreg a[2]; qreg b[2]; cx a, b; cx a[0], b;",
    "qreg q[1]; rx(pi/2 + 2^3 - -1) q[0]; ry(sin(pi/3)) q[0]; rz(ln(2)*exp(1)) q[0];",
    "qreg q[1]; rx(sqrt(2)/tan(1)) q[0]; rz(cos(3)) q[0];",
    "gate g(a, b) x, y { u3(a, b, a*b) x; cx x, y; barrier x, y; } qreg q[2]; g(1, 2) q[0], q[1];",
    "qreg q[3]; ccx q[0], q[1], q[2]; cu3(1, 2, 3) q[2], q[0]; crz(0.4) q[0], q[2];",
    "qreg q[1]; rx(2^3^2 / 100) q[0];",
    "qreg q[1]; rx(7/2) q[0];",
    "qreg q[1]; rx(-pi^2) q[0];",
]


@pytest.mark.parametrize("body", _BODIES)
def test_a_program_has_the_unitary_of_qiskits_importer(body: str) -> None:
    expected = Operator(qasm2.loads(_HEAD + body, strict=False))
    assert unitary(_HEAD + body).equiv(expected)


_OUTCOMES = [
    ("qreg q[2]; creg c[2]; x q[0]; measure q -> c;", "01"),
    ("qreg q[2]; creg c[2]; x q[1]; measure q[1] -> c[0];", "01"),
    (
        "qreg q[1]; creg c[2]; creg d[1]; x q[0]; measure q[0] -> c[1];"
        " if (c == 2) x q[0]; measure q[0] -> d[0];",
        "0 10",
    ),
    (
        "qreg q[1]; creg c[2]; creg d[1]; x q[0]; measure q[0] -> c[1];"
        " if (c == 1) x q[0]; measure q[0] -> d[0];",
        "1 10",
    ),
    ("qreg q[1]; creg c[1]; x q[0]; reset q[0]; measure q -> c;", "0"),
]


@pytest.mark.parametrize(("body", "expected"), _OUTCOMES)
def test_a_program_has_its_outcome(body: str, expected: str) -> None:
    assert outcome(_HEAD + body) == expected


def test_words_of_version_3_are_names_in_version_2() -> None:
    assert outcome("OPENQASM 2.0; qreg let[1]; creg bit[1]; x let[0]; measure let -> bit;") == "1"


_VERSIONS = [
    ("OPENQASM 2.0; qreg q[1];", "2.0"),
    ("OPENQASM 2; qreg q[1];", "2.0"),
    ("OPENQASM 3; qubit q;", "3.0"),
    ("OPENQASM 3.0; qubit q;", "3.0"),
    ("OPENQASM 3.1; qubit q;", "3.1"),
    ("\ufeffOPENQASM 3.1; qubit q;", "3.1"),
    ("// one\n/* two\n*/ OPENQASM 3.1; qubit q;", "3.1"),
    ("qubit q;", "3.0"),
    ("qreg q[1];", "2.0"),
    ("// c\nqreg q[1];", "2.0"),
    ('include "qelib1.inc";\nqreg q[1];', "2.0"),
]


@pytest.mark.parametrize(("text", "version"), _VERSIONS)
def test_the_version_is_read_from_the_text(text: str, version: str) -> None:
    assert compile_program(text, measure_all=True).version == version


_REFUSALS = [
    ("OPENQASM 4.0; qubit q;", Code.UNSUPPORTED_VERSION, 1, 10),
    ("OPENQASM 2.5; qreg q[1];", Code.UNSUPPORTED_VERSION, 1, 10),
    ("OPENQASM ; qubit q;", Code.PARSE_ERROR, 1, 10),
    ("OPENQASM 3.0\nqubit q;", Code.PARSE_ERROR, 1, 13),
    ("OPENQASM 2.0;\nqreg q[1];\nopaque g a;\ng q[0];", Code.UNSUPPORTED_FEATURE, 4, 1),
    ("OPENQASM 2.0;\nqreg q[1];\n foo q[0];", Code.UNKNOWN_GATE, 3, 2),
    ("OPENQASM 2.0;\nqreg q[1];\nh q[1];", Code.INDEX_OUT_OF_RANGE, 3, 3),
]


@pytest.mark.parametrize(("text", "code", "line", "column"), _REFUSALS)
def test_a_refusal_points_into_the_text(text: str, code: Code, line: int, column: int) -> None:
    assert place(text) == (code, line, column)

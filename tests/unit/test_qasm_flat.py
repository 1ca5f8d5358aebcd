"""The short cut for flat statements and the parser lead to the same circuit."""

import time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qiskit import qasm2

from infrastructure.quantum.qasm import ProgramError, ProgramLimits, compile_program
from infrastructure.quantum.qasm.compiler import NO_PARAMETERS, _compile

SPACE = st.sampled_from([" ", "  ", "\t", "\n", " // note\n", " /* note */ "])
ANGLE = st.one_of(
    st.floats(-10, 10).map(repr),
    st.sampled_from(["pi", "-pi/2", "3*pi/4", "(pi+1)/2", "1e-3", "2", "1/2", "1e400", "0/0", "n"]),
)
QUBIT = st.sampled_from(["q[0]", "q[1]", "q[2]", "p", "p[0]", "q", "q[3]", "r[0]", "a", "a[1]"])
BIT = st.sampled_from(["c[0]", "c[1]", "c", "d", "d[0]", "c[2]", "e[0]", "q[0]"])


ONE = st.sampled_from(["x", "h", "foo", "cx", "mine", "id", "measure", "i"])
TWO = st.sampled_from(["cx", "cz", "swap", "cnot", "ccx", "two"])
TURNED = st.sampled_from(["rx", "rz", "p", "u1", "u2", "crz", "mine", "u0"])
OTHER = st.sampled_from(
    [
        "measure q;",
        "measure p;",
        "reset q;",
        "barrier q;",
        "gate mine b { h b; }",
        "gate h b { x b; }",
        "qubit s;",
        "bit[2] e;",
        "let a = q[1:2];",
        "int n = 2;",
        "float pi = 1;",
        "for int i in [0:1] { x q[i]; }",
        "if (c[0]) x q[0];",
        "if (c[0]) end;",
        "creg r[2];",
        "qreg s[2];",
        'include "stdgates.inc";',
        'include "other.inc";',
    ]
)


def pattern(text: str, *parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return the texts of a pattern with drawn parts in the place of its braces."""
    return st.tuples(*parts).map(lambda drawn: text.format(*drawn))


STATEMENTS = st.one_of(
    pattern("{}{}{};", ONE, SPACE, QUBIT),
    pattern("{} {},{}{};", TWO, QUBIT, SPACE, QUBIT),
    pattern("{}({}){}{};", TURNED, ANGLE, SPACE, QUBIT),
    pattern("u3({},{}{}, {}) {};", ANGLE, SPACE, ANGLE, ANGLE, QUBIT),
    pattern("measure {} -> {};", QUBIT, BIT),
    pattern("{} = measure {};", BIT, QUBIT),
    OTHER,
)
"""Statements that are flat, or nearly so, or wrong."""


def verdict(text: str, *, short_cut: bool) -> object:
    try:
        program = _compile(
            text, NO_PARAMETERS, ProgramLimits(), measure_all=True, short_cut=short_cut
        )
    except ProgramError as error:
        return error.code, error.line, error.column
    return (program.normalised, program.version, program.dynamic, program.clifford)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(["OPENQASM 3.0;", "", "OPENQASM 2.0;"]),
    st.lists(STATEMENTS, max_size=12),
    SPACE,
)
def test_both_ways_lead_to_the_same_circuit(head: str, body: list[str], space: str) -> None:
    registers = "qreg q[3]; qreg p[1]; creg c[2]; creg d[1];"
    if "2.0" not in head:
        registers = "qubit[3] q; qubit p; bit[2] c; bit d;"
    text = space.join([head, registers, *body])
    assert verdict(text, short_cut=True) == verdict(text, short_cut=False)


def test_ten_thousand_gates_take_at_most_three_times_what_qiskits_rust_parser_takes() -> None:
    gates = [
        f"h q[{n % 20}]; rz({n / 7}) q[{n % 19}]; cx q[{n % 20}],q[{(n + 1) % 20}];"
        for n in range(3_333)
    ]
    head = 'OPENQASM 2.0; include "qelib1.inc"; qreg q[20]; creg c[20];'
    text = "\n".join([head, *gates, "measure q -> c;"])

    def best(run: object) -> float:
        times = []
        for _ in range(5):
            begin = time.process_time()
            run(text)  # type: ignore[operator]
            times.append(time.process_time() - begin)
        return min(times)

    assert best(compile_program) < 3 * best(qasm2.loads)

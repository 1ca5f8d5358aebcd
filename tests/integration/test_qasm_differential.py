"""The OpenQASM front end against Qiskit's importers and an evaluation in plain Python."""

from dataclasses import dataclass

import qiskit_qasm3_import
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qiskit import qasm2
from qiskit.quantum_info import Operator

from tests.support.aer_runs import outcome
from tests.support.qasm_runs import unitary

_QUBITS = 3
_FEW = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
# Name, angles, qubits: gates that both versions and both importers know.
_GATES = [
    ("x", 0, 1), ("y", 0, 1), ("z", 0, 1), ("h", 0, 1), ("s", 0, 1), ("sdg", 0, 1), ("t", 0, 1),
    ("tdg", 0, 1), ("rx", 1, 1), ("ry", 1, 1), ("rz", 1, 1), ("u1", 1, 1), ("u2", 2, 1),
    ("u3", 3, 1), ("cx", 0, 2), ("cy", 0, 2), ("cz", 0, 2), ("ch", 0, 2), ("crz", 1, 2),
    ("ccx", 0, 3),
]  # fmt: skip
_ANGLES = st.one_of(
    st.floats(-7, 7, allow_nan=False).map(lambda angle: f"{angle:.6f}"),
    st.sampled_from(["pi", "-pi/2", "pi/4 + 0.25", "2*(pi - 1)", "1.5/4", "-(pi)/3"]),
)


@st.composite
def gate_calls(draw: st.DrawFn) -> str:
    """Return one gate call on the register `q`."""
    name, angles, qubits = draw(st.sampled_from(_GATES))
    given_angles = ", ".join(draw(_ANGLES) for _ in range(angles))
    places = draw(st.permutations(range(_QUBITS)))[:qubits]
    call = f"{name}({given_angles})" if angles else name
    return f"{call} {', '.join(f'q[{place}]' for place in places)};"


@st.composite
def modified_calls(draw: st.DrawFn) -> str:
    """Return one gate call of OpenQASM 3 with modifiers."""
    name = draw(st.sampled_from(["x", "h", "s", "t", "rx(0.7)", "rz(-1.1)", "p(0.4)"]))
    controls = draw(st.lists(st.sampled_from(["ctrl @ ", "negctrl @ "]), max_size=2))
    changes = draw(st.lists(st.sampled_from(["inv @ ", "pow(2) @ ", "pow(-3) @ "]), max_size=2))
    places = draw(st.permutations(range(_QUBITS)))[: len(controls) + 1]
    words = "".join([*controls, *changes])
    return f"{words}{name} {', '.join(f'q[{place}]' for place in places)};"


@_FEW
@given(st.lists(gate_calls(), min_size=1, max_size=12))
def test_openqasm_2_gates_do_what_qiskits_importer_makes_of_them(calls: list[str]) -> None:
    text = "\n".join(['OPENQASM 2.0;\ninclude "qelib1.inc";', f"qreg q[{_QUBITS}];", *calls])
    assert unitary(text).equiv(Operator(qasm2.loads(text)))


@_FEW
@given(st.lists(st.one_of(gate_calls(), modified_calls()), min_size=1, max_size=12))
def test_openqasm_3_gates_do_what_qiskits_importer_makes_of_them(calls: list[str]) -> None:
    text = "\n".join(['OPENQASM 3.0;\ninclude "stdgates.inc";', f"qubit[{_QUBITS}] q;", *calls])
    assert unitary(text).equiv(Operator(qiskit_qasm3_import.parse(text)))


@_FEW
@given(st.lists(gate_calls(), min_size=1, max_size=6))
def test_a_defined_gate_does_what_its_body_does(calls: list[str]) -> None:
    body = " ".join(calls).replace("q[0]", "a").replace("q[1]", "b").replace("q[2]", "c")
    head = f"gate mine a, b, c {{ {body} }} qubit[{_QUBITS}] q;"
    direct = unitary(f"qubit[{_QUBITS}] q; {' '.join(calls)}")
    assert unitary(f"{head} mine q[0], q[1], q[2];").equiv(direct)
    assert unitary(f"{head} inv @ mine q[0], q[1], q[2];").equiv(direct.adjoint())


@dataclass(frozen=True)
class Formula:
    """An expression of unsigned 8-bit numbers, in OpenQASM and its value."""

    text: str
    value: int


_LEAVES = st.one_of(
    st.integers(0, 255).map(lambda number: Formula(f"uint[8]({number})", number)),
    st.just(Formula("a", 0b1011)),
    st.just(Formula("b", 0b0110)),
)


def _combined(inner: st.SearchStrategy[Formula]) -> st.SearchStrategy[Formula]:
    def build(symbol: str, left: Formula, right: Formula) -> Formula:
        one, two = left.value, right.value
        results = {
            "+": one + two, "-": one - two, "*": one * two, "&": one & two, "|": one | two,
            "^": one ^ two,
        }  # fmt: skip
        return Formula(f"({left.text} {symbol} {right.text})", results[symbol] % 256)

    def shift(symbol: str, left: Formula, distance: int) -> Formula:
        moved = left.value << distance if symbol == "<<" else left.value >> distance
        return Formula(f"({left.text} {symbol} {distance})", moved % 256)

    def invert(operand: Formula) -> Formula:
        return Formula(f"(~{operand.text})", ~operand.value % 256)

    return st.one_of(
        st.builds(build, st.sampled_from("+-*&|^"), inner, inner),
        st.builds(shift, st.sampled_from(["<<", ">>"]), inner, st.integers(0, 7)),
        st.builds(invert, inner),
    )


_FORMULAS = st.recursive(_LEAVES, _combined, max_leaves=6)
_KNOWN = "uint[8] a = 11; uint[8] b = 6; qubit z;"
# The same numbers, as outcomes that the compiler cannot know.
_MEASURED = """
qubit[8] z; x z[0]; x z[1]; x z[3]; x z[5]; x z[6];
bit[4] m = measure z[0:3]; bit[4] n = measure z[4:7]; uint[8] a = m; uint[8] b = n;
"""


@_FEW
@given(_FORMULAS)
def test_an_expression_known_beforehand_has_its_value(formula: Formula) -> None:
    text = f"{_KNOWN} bit[8] r; bit d = measure z; uint[8] s = {formula.text}; r = bit[8](s);"
    assert outcome(text).split()[-1] == f"{formula.value:08b}"


@_FEW
@given(_FORMULAS)
def test_an_expression_of_outcomes_has_its_value(formula: Formula) -> None:
    text = f"{_MEASURED} bit[8] r; uint[8] s = {formula.text}; r = bit[8](s);"
    assert outcome(text).split()[0] == f"{formula.value:08b}"


@dataclass(frozen=True)
class Control:
    """A statement that flips bits of `r` as the outcomes `m` say, and the bits it flips."""

    text: str
    flips: int


_OUTCOMES = 0b1011
_FLIPS = st.integers(0, 3).map(lambda bit: Control(f"r[{bit}] = !r[{bit}];", 1 << bit))


def _steered(inner: st.SearchStrategy[Control]) -> st.SearchStrategy[Control]:
    def choose(bit: int, first: Control, second: Control) -> Control:
        text = f"if (m[{bit}]) {{ {first.text} }} else {{ {second.text} }}"
        return Control(text, (first if _OUTCOMES >> bit & 1 else second).flips)

    def guard(number: int, body: Control) -> Control:
        text = f"if (uint[4](m) >= {number}) {{ {body.text} }}"
        return Control(text, body.flips if number <= _OUTCOMES else 0)

    def follow(first: Control, second: Control) -> Control:
        return Control(f"{first.text} {second.text}", first.flips ^ second.flips)

    def repeat(count: int, body: Control) -> Control:
        text = f"for int i in [1:{count}] {{ {body.text} }}"
        return Control(text, body.flips if count % 2 else 0)

    def leave(bit: int, body: Control) -> Control:
        text = f"for int i in [1:3] {{ {body.text} if (m[{bit}]) {{ break; }} }}"
        return Control(text, body.flips)

    bits = st.integers(0, 3)
    return st.one_of(
        st.builds(choose, bits, inner, inner),
        st.builds(guard, st.integers(0, 15), inner),
        st.builds(follow, inner, inner),
        st.builds(repeat, st.integers(1, 4), inner),
        st.builds(leave, bits, inner),
    )


@_FEW
@given(st.recursive(_FLIPS, _steered, max_leaves=6))
def test_statements_steered_by_outcomes_do_what_python_does(control: Control) -> None:
    text = "qubit[4] q; bit[4] m; bit[4] r; x q[0]; x q[1]; x q[3]; m = measure q; "
    assert outcome(text + control.text).split() == [f"{control.flips:04b}", "1011"]

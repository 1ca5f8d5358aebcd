"""Control flow of the OpenQASM front end: unrolled where known, fed forward where measured."""

import pytest

from tests.support.aer_runs import outcome

_HEAD = "qubit[4] q; bit[4] c; "

_UNROLLED = [
    ("for int i in [0:3] { x q[i]; }", "1111"),
    ("for int i in [0:2:3] { x q[i]; }", "0101"),
    ("for int i in [3:-1:2] { x q[i]; }", "1100"),
    ("for int i in {0, 3} { x q[i]; }", "1001"),
    ("for uint i in [2:1] { x q[i]; }", "0000"),
    ("array[int, 2] v = {1, 2}; for int i in v { x q[i]; }", "0110"),
    ('int n = 0; for bit b in "0110" { if (b) { x q[n]; } n += 1; }', "0110"),
    ("for int i in [0:3] { if (i == 1) { continue; } if (i == 3) { break; } x q[i]; }", "0101"),
    ("for int i in [0:1] { for int j in [0:1] { if (j == 1) { break; } x q[2 * i]; } }", "0101"),
    ("for int i in [0:3] x q[i];", "1111"),
    ("int n = 0; while (n < 3) { x q[n]; n += 1; }", "0111"),
    ("int n = 0; while (true) { if (n == 2) { break; } x q[n]; n += 1; }", "0011"),
    ("if (true) x q[0]; else x q[1];", "0001"),
    ("if (1 > 2) { x q[0]; } else if (2 > 1) { x q[1]; } else { x q[2]; }", "0010"),
    (
        "int n = 2; switch (n) { case 0, 1 { x q[0]; } case 2 { x q[1]; } default { x q[2]; } }",
        "0010",
    ),
    ("int n = 5; switch (n) { case 0 { x q[0]; } default { x q[2]; } }", "0100"),
    ("int n = 5; switch (n) { case 0 { x q[0]; } }", "0000"),
    ("def f(qubit a) { x a; } f(q[2]);", "0100"),
    ("def f(qubit[2] a) { x a[1]; } f(q[1:2]);", "0100"),
    ("def f(qubit a, int n) { for int i in [1:n] { x a; } } f(q[0], 3); f(q[1], 2);", "0001"),
    ("def g(qubit a) { x a; } def f(qubit a) { g(a); } f(q[3]);", "1000"),
    ("int n = 1; { int n = 2; x q[n]; } x q[n];", "0110"),
]


@pytest.mark.parametrize(("body", "expected"), _UNROLLED, ids=[body for body, _ in _UNROLLED])
def test_what_is_known_is_unrolled(body: str, expected: str) -> None:
    assert outcome(f"{_HEAD}{body} c = measure q;") == expected


# `m` is measured as binary 01, so that the compiler cannot know it.
_MEASURED = "qubit[2] a; bit[2] m; x a[0]; m = measure a; "
_FED_FORWARD = [
    ("if (m[0]) { x q[0]; } else { x q[1]; }", "0001"),
    ("if (m[1]) { x q[0]; } else { x q[1]; }", "0010"),
    ("if (!m[0]) { x q[0]; }", "0000"),
    ("if (m == 1) { x q[0]; }", "0001"),
    ('if (m == "01") { x q[0]; }', "0001"),
    ("if (m[0] && !m[1]) { x q[0]; }", "0001"),
    ("if (m[0]) { if (m[1]) { x q[0]; } else { x q[3]; } }", "1000"),
    (
        "switch (uint[2](m)) { case 0 { x q[0]; } case 1, 2 { x q[1]; } default { x q[2]; } }",
        "0010",
    ),
    ("switch (uint[2](m)) { case 0 { x q[0]; } case 3 { x q[1]; } default { x q[2]; } }", "0100"),
    ("int[4] n = 0; if (m[0]) { n = 3; } if (n == 3) { x q[2]; }", "0100"),
    ("for int i in [0:3] { if (m[0]) { break; } x q[i]; }", "0000"),
    ("for int i in [0:3] { if (i == 2 && m[0]) { break; } x q[i]; }", "0011"),
    ("for int i in [0:3] { if (i == 2 && m[0]) { continue; } x q[i]; }", "1011"),
    ("while (m[0]) { x q[1]; x a[0]; m[0] = measure a[0]; }", "0010"),
    ("bit b = 1; while (b) { x q[0]; x a[0]; b = measure a[0]; }", "0001"),
    (
        "def f(bit b) -> bit { if (b) { return 0; } return 1; } bit r = f(m[1]); if (r) x q[3];",
        "1000",
    ),
    ("def f(qubit p) -> bit { return measure p; } bit r = f(a[0]); if (r) { x q[0]; }", "0001"),
    ("bool t = m[0]; if (t) { x q[2]; }", "0100"),
    ("reset a[0]; m[0] = measure a[0]; if (m[0]) { x q[0]; }", "0000"),
]


@pytest.mark.parametrize(("body", "expected"), _FED_FORWARD, ids=[body for body, _ in _FED_FORWARD])
def test_an_outcome_steers_what_follows(body: str, expected: str) -> None:
    keys = outcome(f"{_HEAD}{_MEASURED}{body} c = measure q;").split()
    assert keys[-1] == expected


def test_nothing_runs_after_end() -> None:
    assert outcome("qubit q; bit c; x q; c = measure q; end; x q; c = measure q;") == "1"


def test_an_end_in_a_branch_ends_the_program_where_it_is_taken() -> None:
    program = "qubit[2] q; bit[2] c; x q[0]; c[0] = measure q[0];"
    assert outcome(f"{program} if (c[0]) {{ end; }} x q[1]; c[1] = measure q[1];") == "01"
    assert outcome(f"{program} if (!c[0]) {{ end; }} x q[1]; c[1] = measure q[1];") == "11"


@pytest.mark.parametrize("pragma", ["pragma vendor something", "#pragma vendor something"])
def test_a_pragma_that_changes_no_outcome_is_ignored(pragma: str) -> None:
    assert outcome(f"{pragma}\nqubit q; bit c; x q; c = measure q;") == "1"

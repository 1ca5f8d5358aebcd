"""Feeds the OpenQASM front end with mutated programs for some minutes.

    python -m tests.fuzz.fuzz_qasm --minutes 10 --seed 1

Every text has to give a program or a `ProgramError` within the time limit. Anything else is
printed with the text that caused it, and the exit status is 1.
"""

import argparse
import random
import signal
import sys
import time
from collections import Counter
from types import FrameType

from infrastructure.quantum.qasm import ProgramError, ProgramLimits, compile_program

_TIME_LIMIT_SECONDS = 5
_LIMITS = ProgramLimits(max_steps=50_000, max_operations=20_000)
_HEADS = [
    "OPENQASM 3.0;", "OPENQASM 3.1;", "OPENQASM 2.0;", "", 'include "stdgates.inc";',
    'OPENQASM 2.0; include "qelib1.inc";', "\ufeffOPENQASM 3;",
]  # fmt: skip
_DECLARATIONS = [
    "qubit[3] q;", "qubit p;", "bit[3] c;", "bit d;", "qreg q[3];", "creg c[3];", "int n = 3;",
    "uint[4] u = 9;", "float f = 0.5;", "angle[8] a = pi;", "const int k = 2;", "bool t = true;",
    "array[int, 2, 2] v = {{1, 2}, {3, 4}};", "let s = q[0:1];", "complex z = 1 + 2im;",
    "duration w = 10ns;", "stretch g1;", "input float x0;", "output bit o;",
    "gate g(x) a, b { rx(x) a; cx a, b; }", "opaque o2 a;",
    "def h1(qubit a, int m) -> bit { x a; return measure a; }",
    "def h2(mutable array[int, #dim = 1] b) { b[0] = 1; }",
]  # fmt: skip
_STATEMENTS = [
    "x q;", "cx q[0], q[1];", "rx(pi / 2) q[0];", "g(0.5) q[0], q[1];", "measure q -> c;",
    "c = measure q;", "d = measure q[0];", "measure p;", "reset q;", "barrier q;", "delay[5ns] q;",
    "ctrl @ x q[0], q[1];", "negctrl(2) @ h q[0], q[1], q[2];", "inv @ pow(0.5) @ s q[0];",
    "pow(3) @ g(1) q[0], q[1];", "gphase(pi);", "ctrl @ gphase(1) q[0];", "box { x q; }",
    "if (c[0]) { x q[0]; } else { y q; }", "if (c == 2) x q[0];", "while (d) { d = measure q[0]; }",
    "for int i in [0:2] { x q[i]; if (c[i]) { break; } }", "for uint i in {0, 1} { continue; }",
    "switch (n) { case 1, 2 { x q; } default { z q; } }", "n += u; n <<= 1;", "u[1] = c[0];",
    "v[0][1] = n;", "v[0] = v[1];", "c[0:1] = measure q[1:2];", "u = uint[4](c);", "h1(q[0], 2);",
    "h2(v[0]);", "end;", "@note\nx q[0];", "pragma some thing\n", "t = c[0] && !d || n < 3;",
    "f = sin(f) ** 2 / n;", 'c = "101" ^ c << 1;', "n = popcount(c) + sizeof(v, 1);",
    "x $3;", "extern e(int);", "return 1;", "{ int n = 1; }", "d = c[n];", "n = n / u % 3;",
]  # fmt: skip
# Declarations that go together, so that the statements after them mean something.
_PRELUDE = [
    text for text in _DECLARATIONS if not text.startswith(("qreg", "creg", "input", "opaque"))
]
_SENSIBLE = 0.7
_WORDS = [
    "(", ")", "[", "]", "{", "}", ";", ",", "=", "==", "@", "->", "++", "-", "~", "!", "**", ":",
    "0", "1", "2", "-1", "1e400", "1e-400", "99999999999999999999", "0x", "1000000000", "1im", "pi",
    "q", "c", "n", "v", "measure", "ctrl", "inv", "pow", "for", "in", "if", "else", "while", "\0",
    "/*", "*/", "//", "\n", '"', "'", "#", "$", "π", "é", "\ud800", "\u2028", "int[4]", "uint",
    "bit[2]", "array[int, 2]", "true", "1ns", "2dt", "a.b", "gate", "def", "return", "let", "<<",
]  # fmt: skip


class TooLong(BaseException):
    """A text took longer than the time limit; no handler of errors may swallow it."""


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise TooLong


def program(rng: random.Random) -> str:
    """Return fragments of the grammar in a mostly sensible order."""
    acting = rng.choices(_STATEMENTS, k=rng.randint(0, 12))
    if rng.random() < _SENSIBLE:
        return " ".join([rng.choice(_HEADS), *_PRELUDE, *acting])
    declared = rng.sample(_DECLARATIONS, rng.randint(0, 12))
    return " ".join([rng.choice(_HEADS), *declared, *acting])


def mutated(text: str, rng: random.Random) -> str:
    """Return a text after a few random changes."""
    for _ in range(rng.choice([0, 1, 1, 2, 6])):
        start = rng.randint(0, len(text))
        end = min(len(text), start + rng.choice([0, 1, 1, 3, 10, 40]))
        change = rng.randrange(5)
        if change == 0:
            text = text[:start] + text[end:]
        elif change == 1:
            text = text[:start] + text[start:end] * rng.choice([2, 3, 100]) + text[end:]
        elif change == 2:
            text = text[:start] + rng.choice(_STATEMENTS) + text[end:]
        elif change == 3:
            text = (
                text[:start]
                + chr(rng.choice([rng.randrange(128), rng.randrange(0x11000)]))
                + text[end:]
            )
        else:
            text = text[:start] + f" {rng.choice(_WORDS)} " + text[end:]
    return text


def verdict(text: str) -> str:
    """Compile a text; return "compiled" or the code of its refusal.

    Raises:
        TooLong: the text took longer than the time limit.
        Exception: whatever else the front end raised, which is a defect.
    """
    given = {"x0": 0.5} if "input float x0;" in text else {}
    signal.setitimer(signal.ITIMER_REAL, _TIME_LIMIT_SECONDS)
    try:
        compile_program(text, parameters=given, measure_all=True, limits=_LIMITS)
    except ProgramError as error:
        return str(error.code)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return "compiled"


def main() -> int:
    """Run until the time is up; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    signal.signal(signal.SIGALRM, _interrupt)
    rng = random.Random(options.seed)
    until = time.monotonic() + 60 * options.minutes
    verdicts: Counter[str] = Counter()
    failures: dict[str, str] = {}
    while time.monotonic() < until:
        text = mutated(program(rng), rng)
        try:
            verdicts[verdict(text)] += 1
        except (Exception, TooLong) as error:  # noqa: BLE001 - every kind is a finding
            verdicts["DEFECT"] += 1
            failures.setdefault(f"{type(error).__name__}: {str(error)[:60]}", text)
    sys.stdout.write("".join(f"{count:8} {name}\n" for name, count in verdicts.most_common()))
    for reason, text in failures.items():
        sys.stdout.write(f"\n{reason}\n{text!r}\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

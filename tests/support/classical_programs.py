"""Random classical programs, as OpenQASM 3 over measured bits and as Python over known ones.

Both texts are made statement by statement from the same choices, so that Python's interpreter is
an independent evaluation of what the circuit has to compute. Every qubit is measured in a definite
state: the outcomes are known to the test but not to the compiler.
"""

from dataclasses import dataclass, field

from hypothesis import strategies as st

WIDTH = 4
MASK: int = 2**WIDTH - 1
VARIABLES = ("a", "b", "d")
MAX_DEPTH = 3


@dataclass
class Texts:
    """One program in both languages."""

    qasm: list[str] = field(default_factory=list)
    python: list[str] = field(default_factory=list)

    def line(self, depth: int, qasm: str, python: str | None = None) -> None:
        """Add a line to both."""
        self.qasm.append("  " * depth + qasm)
        if python is not None:
            self.python.append("  " * depth + python)


def signed(number: int) -> int:
    """Return a number of `WIDTH` bits as a signed one."""
    return number - 2**WIDTH if number >> (WIDTH - 1) else number


@st.composite
def numbers(draw: st.DrawFn, depth: int = 2) -> tuple[str, str]:
    """Draw an expression of type `uint[WIDTH]`."""
    kind = draw(st.integers(0, 7 if depth else 1))
    if kind == 0:
        return (
            (f"uint[{WIDTH}]({value})", str(value))
            if (value := draw(st.integers(0, MASK)))
            else (
                f"uint[{WIDTH}](0)",
                "0",
            )
        )
    if kind == 1:
        name = draw(st.sampled_from(VARIABLES))
        return name, name
    left, right = draw(numbers(depth=depth - 1)), draw(numbers(depth=depth - 1))
    if kind == 7:
        distance = draw(st.integers(0, WIDTH))
        symbol = draw(st.sampled_from(("<<", ">>")))
        return (
            f"({left[0]} {symbol} {distance})",
            f"(({left[1]} {symbol} {distance}) & {MASK})",
        )
    if kind == 6:
        return f"(~{left[0]})", f"(~{left[1]} & {MASK})"
    symbol = draw(st.sampled_from(("+", "-", "*", "&", "|", "^")))
    return (
        f"uint[{WIDTH}]({left[0]} {symbol} {right[0]})",
        f"(({left[1]} {symbol} {right[1]}) & {MASK})",
    )


@st.composite
def conditions(draw: st.DrawFn, depth: int = 1) -> tuple[str, str]:
    """Draw an expression of type `bool`."""
    kind = draw(st.integers(0, 4 if depth else 2))
    if kind == 0:
        name, place = draw(st.sampled_from(VARIABLES)), draw(st.integers(0, WIDTH - 1))
        return f"bool({name}[{place}])", f"bool({name} >> {place} & 1)"
    if kind in (1, 2):
        symbol = draw(st.sampled_from(("==", "!=", "<", "<=", ">", ">=")))
        left, right = draw(numbers(depth=1)), draw(numbers(depth=1))
        if kind == 1:
            return f"({left[0]} {symbol} {right[0]})", f"({left[1]} {symbol} {right[1]})"
        return (
            f"(int[{WIDTH}]({left[0]}) {symbol} int[{WIDTH}]({right[0]}))",
            f"(signed({left[1]}) {symbol} signed({right[1]}))",
        )
    left, right = draw(conditions(depth=depth - 1)), draw(conditions(depth=depth - 1))
    if kind == 3:
        return f"!{left[0]}", f"(not {left[1]})"
    symbol, word = draw(st.sampled_from((("&&", "and"), ("||", "or"))))
    return f"({left[0]} {symbol} {right[0]})", f"({left[1]} {word} {right[1]})"


class _Writer:
    """Draws statements and writes them down in both languages."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.texts = Texts()
        self.loops = 0

    def block(self, depth: int, *, in_loop: bool, size: int = 3) -> None:
        count = self.draw(st.integers(1, size))
        for _ in range(count):
            self.statement(depth, in_loop=in_loop)

    def statement(self, depth: int, *, in_loop: bool) -> None:
        kinds = ["assign", "assign", "add", "bit"]
        if depth < MAX_DEPTH:
            kinds += ["if", "if", "for", "while", "switch", "call"]
        if in_loop:
            kinds += ["break", "continue"]
        getattr(self, "_" + self.draw(st.sampled_from(kinds)))(depth, in_loop)

    def _assign(self, depth: int, _: bool) -> None:
        name, value = self.draw(st.sampled_from(VARIABLES)), self.draw(numbers())
        self.texts.line(depth, f"{name} = {value[0]};", f"{name} = {value[1]}")

    def _add(self, depth: int, _: bool) -> None:
        name, amount = self.draw(st.sampled_from(VARIABLES)), self.draw(st.integers(0, MASK))
        self.texts.line(depth, f"{name} += {amount};", f"{name} = ({name} + {amount}) & {MASK}")

    def _bit(self, depth: int, _: bool) -> None:
        name, place = self.draw(st.sampled_from(VARIABLES)), self.draw(st.integers(0, WIDTH - 1))
        value = self.draw(conditions())
        self.texts.line(
            depth,
            f"{name}[{place}] = {value[0]};",
            f"{name} = {name} & ~(1 << {place}) | (({value[1]}) << {place})",
        )

    def _call(self, depth: int, _: bool) -> None:
        name, value = self.draw(st.sampled_from(VARIABLES)), self.draw(numbers(depth=1))
        self.texts.line(depth, f"{name} = f({value[0]});", f"{name} = f({value[1]})")

    def _if(self, depth: int, in_loop: bool) -> None:
        condition = self.draw(conditions())
        self.texts.line(depth, f"if ({condition[0]}) {{", f"if {condition[1]}:")
        self.block(depth + 1, in_loop=in_loop)
        if self.draw(st.booleans()):
            self.texts.line(depth, "} else {", "else:")
            self.block(depth + 1, in_loop=in_loop)
        self.texts.line(depth, "}")

    def _for(self, depth: int, _: bool) -> None:
        last = self.draw(st.integers(0, 3))
        self.texts.line(depth, f"for uint i in [0:{last}] {{", f"for i in range({last + 1}):")
        self.block(depth + 1, in_loop=True)
        self.texts.line(depth, "}")

    def _while(self, depth: int, _: bool) -> None:
        self.loops += 1
        counter, rounds = f"n{self.loops}", self.draw(st.integers(1, 4))
        condition = self.draw(conditions())
        self.texts.line(depth, f"uint[{WIDTH}] {counter} = 0;", f"{counter} = 0")
        self.texts.line(
            depth,
            f"while ({counter} < {rounds} && {condition[0]}) {{",
            f"while {counter} < {rounds} and {condition[1]}:",
        )
        self.texts.line(depth + 1, f"{counter} += 1;", f"{counter} += 1")
        self.block(depth + 1, in_loop=True)
        self.texts.line(depth, "}")

    def _switch(self, depth: int, in_loop: bool) -> None:
        target = self.draw(numbers(depth=1))
        self.loops += 1
        chosen = f"s{self.loops}"
        self.texts.line(depth, f"switch ({target[0]}) {{", f"{chosen} = {target[1]}")
        self.texts.line(depth, "case 0, 3 {", f"if {chosen} in (0, 3):")
        self.block(depth + 1, in_loop=in_loop, size=2)
        self.texts.line(depth, "} case 5 {", f"elif {chosen} == 5:")
        self.block(depth + 1, in_loop=in_loop, size=2)
        self.texts.line(depth, "} default {", "else:")
        self.block(depth + 1, in_loop=in_loop, size=2)
        self.texts.line(depth, "} }")

    def _break(self, depth: int, _: bool) -> None:
        self.texts.line(depth, "break;", "break")

    def _continue(self, depth: int, _: bool) -> None:
        self.texts.line(depth, "continue;", "continue")


@dataclass(frozen=True)
class ClassicalProgram:
    """A program and what it has to yield.

    Attributes:
        qasm: OpenQASM 3 text, with registers ra, rb and rd for the results.
        expected: the key of its only outcome.
    """

    qasm: str
    expected: str


@st.composite
def classical_programs(draw: st.DrawFn) -> ClassicalProgram:
    """Draw a program and evaluate it."""
    outcomes = [draw(st.integers(0, MASK)) for _ in VARIABLES]
    writer = _Writer(draw)
    writer.block(0, in_loop=False, size=5)
    head = [
        "OPENQASM 3.0;",
        f"def f(uint[{WIDTH}] x) -> uint[{WIDTH}] {{",
        f"  if (x > 9) {{ return uint[{WIDTH}](x - 3); }}",
        f"  for uint i in [0:2] {{ if (x[i]) {{ return uint[{WIDTH}](x + i); }} x = x + 2; }}",
        "  return ~x;",
        "}",
        f"qubit[{WIDTH * len(VARIABLES)}] q;",
    ]
    for place, outcome in enumerate(outcomes):
        head += [f"x q[{place * WIDTH + bit}];" for bit in range(WIDTH) if outcome >> bit & 1]
    tail = []
    for place, name in enumerate(VARIABLES):
        qubits = f"q[{place * WIDTH}:{place * WIDTH + WIDTH - 1}]"
        head += [f"bit[{WIDTH}] r{name};", f"r{name} = measure {qubits};"]
        head += [f"uint[{WIDTH}] {name} = r{name};"]
        tail.append(f"r{name} = {name};")
    results = _evaluated(writer.texts.python, outcomes)
    key = " ".join(f"{results[name]:0{WIDTH}b}" for name in reversed(VARIABLES))
    return ClassicalProgram("\n".join([*head, *writer.texts.qasm, *tail]), key)


def f(x: int) -> int:
    """Return what the subroutine `f` of every program returns."""
    if x > 9:
        return x - 3
    for i in range(3):
        if x >> i & 1:
            return x + i & MASK
        x = x + 2 & MASK
    return ~x & MASK


def _evaluated(lines: list[str], outcomes: list[int]) -> dict[str, int]:
    names: dict[str, object] = dict(zip(VARIABLES, outcomes, strict=True))
    names |= {"signed": signed, "f": f}
    exec("\n".join(lines), names)
    return {name: int(names[name]) for name in VARIABLES}  # type: ignore[call-overload]

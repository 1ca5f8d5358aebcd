"""A short cut for the statements that make up most of all programs.

A gate or measurement of single qubits with plain angles needs no tokens and no tree: one regular
expression reads it, and what its words mean is remembered. Plain declarations of registers are read
in the same way. Everything else is left to the parser, and both ways lead to the same circuit.
"""

import re

from openqasm3 import ast
from qiskit._accelerate.circuit import StandardGate

from infrastructure.quantum.qasm.errors import ProgramError
from infrastructure.quantum.qasm.gate_library import LIBRARY, LibraryGate
from infrastructure.quantum.qasm.interpreter import Interpreter
from infrastructure.quantum.qasm.source import SKIP, Source
from infrastructure.quantum.qasm.state import Qubits, Variable
from infrastructure.quantum.qasm.statement_parser import StatementParser
from infrastructure.quantum.qasm.tokens import keywords
from infrastructure.quantum.qasm.types import BIT

_NAME = r"[A-Za-z_][A-Za-z0-9_]*+"
_ARGUMENTS = r"(?:[^()\[\]{};\"]|\([^()\[\]{};\"]*+\)){1,200}?"
_ONE = rf"{_NAME}(?:\[[0-9]+\])?"
_OPERANDS = rf"{_ONE}(?:[ \t]*,\s*{_ONE})*+"
_GATE = re.compile(rf"{SKIP}({_NAME})(?:[ \t]*\(({_ARGUMENTS})\))?[ \t]+({_OPERANDS})[ \t]*;")
_OPERAND = re.compile(rf"({_NAME})(?:\[([0-9]{{1,9}})\])?")
_MEASURE = re.compile(
    rf"{SKIP}(?:({_ONE})[ \t]*=[ \t]*)?measure[ \t]+({_ONE})(?:[ \t]*->[ \t]*({_ONE}))?[ \t]*;"
)
_DECLARATION = re.compile(
    rf"{SKIP}(?:include[ \t]*\"([a-z0-9]+\.inc)\"|(qubit|bit)(?:\[([0-9]{{1,9}})\])?[ \t]+({_NAME})"
    rf"|(qreg|creg)[ \t]+({_NAME})\[([0-9]{{1,9}})\])[ \t]*;"
)
_CONSTANT = re.compile(r"[0-9eEpi.+\-*/()\s]*+")
_MAX_REMEMBERED = 100_000


class FlatReader:
    """Runs the flat statements at an offset of the program, as far as they reach."""

    def __init__(self, source: Source, interpreter: Interpreter) -> None:
        self._source = source
        self._interpreter = interpreter
        self._gates: dict[str, tuple[StandardGate, int, int] | None] = {}
        self._operands: dict[str, tuple[int, ...] | None] = {}
        self._angles: dict[str, list[float] | None] = {}
        self._keywords = keywords(source)

    def run(self, start: int) -> int:
        """Run flat statements from an offset on and return where they end."""
        match_gate, text = _GATE.match, self._source.text
        gates, operands = self._gates, self._operands
        apply = self._interpreter.builder.standard
        while True:
            match = match_gate(text, start)
            gate = None
            if match is not None:
                name, arguments, words = match.groups()
                gate = gates[name] if name in gates else self._find_gate(name)
            if match is None or gate is None:
                end = self._measure(start) or self._declare(start)
                if end is None:
                    return start
                start = end
                continue
            qubits = operands[words] if words in operands else self._find_qubits(words)
            if qubits is None or len(qubits) != gate[2]:
                return start
            angles = self._find_angles(arguments) if arguments else []
            if angles is None or len(angles) != gate[1]:
                return start
            apply(gate[0], angles, qubits)
            start = match.end()

    def forget(self) -> None:
        """Look names up again, after a declaration."""
        self._gates.clear()
        self._operands.clear()

    def _find_gate(self, name: str) -> tuple[StandardGate, int, int] | None:
        found = None
        gate = LIBRARY.get(name)
        if self._interpreter.lookup(name) is None and gate is not None:
            found = _plain(gate)
        self._gates[name] = found
        return found

    def _find_qubits(self, words: str) -> tuple[int, ...] | None:
        indices = [self._qubit(match[1], match[2]) for match in _OPERAND.finditer(words)]
        known = [index for index in indices if index is not None]
        found = tuple(known) if len(set(known)) == len(indices) else None
        if len(self._operands) < _MAX_REMEMBERED:
            self._operands[words] = found
        return found

    def _qubit(self, name: str, index: str | None) -> int | None:
        symbol = self._interpreter.lookup(name)
        if not isinstance(symbol, Qubits) or symbol.scalar is (index is not None):
            return None
        place = int(index or 0)
        return symbol.indices[place] if place < len(symbol.indices) else None

    def _find_angles(self, text: str) -> list[float] | None:
        angles = self._angles
        if text in angles:
            return angles[text]
        found = self._evaluated(text) if _CONSTANT.fullmatch(text.replace(",", " ")) else None
        if len(angles) < _MAX_REMEMBERED:
            angles[text] = found
        return found

    def _evaluated(self, text: str) -> list[float] | None:
        values = []
        for part in text.split(","):
            try:
                value = float(part)
            except ValueError:
                parsed = self._expression(part)
                if parsed is None:
                    return None
                value = parsed
            if not abs(value) < 1e300:  # noqa: PLR2004 - left to the parser, which refuses it
                return None
            values.append(value)
        return values

    def _expression(self, text: str) -> float | None:
        if self._interpreter.lookup("pi") is not None:
            return None
        try:
            source = Source(text, len(text) * 4)
            source.version = self._source.version
            parser = StatementParser(source, 0, self._interpreter.limits.max_nesting)
            value = self._interpreter.radians(parser.expression())
        except ProgramError:
            return None
        return value if parser.token.kind == "end" else None

    def _declare(self, start: int) -> int | None:
        """Run a declaration of a register, or an include, and return where it ends."""
        match = _DECLARATION.match(self._source.text, start)
        if match is None:
            return None
        library, new, new_size, new_name, old, old_name, old_size = match.groups()
        name = new_name or old_name
        if name in self._keywords or (new and self._source.is_version_2):
            return None
        node: ast.Statement
        size = new_size or old_size
        literal = None if size is None else ast.IntegerLiteral(int(size))
        if library is not None:
            node = ast.Include(library)
        elif (new or old) in ("qubit", "qreg"):
            node = ast.QubitDeclaration(ast.Identifier(name), literal)
        else:
            node = ast.ClassicalDeclaration(ast.BitType(literal), ast.Identifier(name))
        place = next(number for number in (1, 2, 5) if match[number])
        line, column = self._source.place(match.start(place))
        node.span = ast.Span(line, column - 1, line, column - 1)
        self._interpreter.run_global(node)
        self.forget()
        return match.end()

    def _measure(self, start: int) -> int | None:
        """Run a measurement into bits or the implicit register, and return where it ends."""
        match = _MEASURE.match(self._source.text, start)
        if match is None or (match[1] and match[3]):
            return None
        qubits, target = self._measured(match[2]), match[1] or match[3]
        if not qubits:
            return None
        if target is None:
            for qubit in qubits:
                self._interpreter.measure_into(qubit, self._interpreter.builder.implicit_clbit())
            return match.end()
        clbits = self._clbits(target)
        if len(clbits) != len(qubits):
            return None
        for qubit, clbit in zip(qubits, clbits, strict=True):
            self._interpreter.measure_into(qubit, clbit)
        return match.end()

    def _measured(self, text: str) -> tuple[int, ...]:
        name, index = _parts(text)
        symbol = self._interpreter.lookup(name)
        if not isinstance(symbol, Qubits) or (symbol.scalar and index is not None):
            return ()
        return symbol.indices if index is None else symbol.indices[index : index + 1]

    def _clbits(self, text: str) -> tuple[int, ...]:
        name, index = _parts(text)
        symbol = self._interpreter.lookup(name)
        if not isinstance(symbol, Variable) or symbol.storage is None:
            return ()
        if index is None:
            return symbol.storage
        return symbol.storage[index : index + 1] if symbol.type != BIT else ()


def _plain(gate: LibraryGate) -> tuple[StandardGate, int, int] | None:
    if gate.controls or gate.base.num_params != gate.parameters:
        return None
    return gate.base, gate.parameters, gate.qubits


def _parts(text: str) -> tuple[str, int | None]:
    name, _, index = text.partition("[")
    return name, int(index[:-1]) if index else None

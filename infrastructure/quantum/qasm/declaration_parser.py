"""Statements that declare: registers, variables, gates, subroutines; and the scopes they open."""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Never

from openqasm3 import ast

from infrastructure.quantum.qasm.errors import Code
from infrastructure.quantum.qasm.expression_parser import SCALAR_TYPES, ExpressionParser
from infrastructure.quantum.qasm.source import Source
from infrastructure.quantum.qasm.tokens import Token

_PULSE_LEVEL = ("cal", "defcal", "defcalgrammar")


class DeclarationParser(ExpressionParser):
    """Parses declarations, and knows in what kind of body it is."""

    def __init__(self, source: Source, start: int, max_nesting: int) -> None:
        super().__init__(source, start, max_nesting)
        self.is_global = True
        self.in_gate = False
        self.in_subroutine = False
        self.in_loop = False

    @abstractmethod
    def inner_statement(self) -> ast.Statement:
        """Parse one statement of a body."""

    def refuse_in_gate(self, what: str, offset: int) -> None:
        """Refuse what has no place in the body of a gate."""
        if self.in_gate:
            self.fail(f"{what} has no place in the body of a gate", offset)

    def _require_global(self, what: str) -> None:
        if not self.is_global:
            self.fail(f"{what} must be global")

    def scope(self) -> list[ast.Statement]:
        """Parse `{ ... }` into its statements."""
        self.expect("{")
        statements = []
        with self.nested(), self._inside(is_global=False):
            while not self.at("}"):
                statements.append(self.inner_statement())
        self.expect("}")
        return statements

    @contextmanager
    def _inside(self, **context: bool) -> Iterator[None]:
        outer = {name: getattr(self, name) for name in context}
        self.__dict__.update(context)
        yield
        self.__dict__.update(outer)

    def compound_statement(self) -> ast.CompoundStatement:
        """Parse `{ ... }` as a statement of its own."""
        start = self.token.start
        return self.located(ast.CompoundStatement(self.scope()), start)

    def block(self, *, loop: bool = False) -> list[ast.Statement]:
        """Parse the body of control flow: a scope or one statement."""
        with self._inside(in_loop=loop or self.in_loop, is_global=False):
            if self.at("{"):
                return self.scope()
            with self.nested():
                return [self.inner_statement()]

    def measurement(self) -> ast.QuantumMeasurement:
        """Parse `measure` and its operand."""
        start = self.expect("measure").start
        self.refuse_in_gate("'measure'", start)
        return self.located(ast.QuantumMeasurement(self.operand()), start)

    def operand(self) -> ast.Identifier | ast.IndexedIdentifier:
        """Parse a qubit, a register, or a part of one."""
        token = self.token
        if token.kind == "physical":
            self.advance()
            return self.located(ast.Identifier(token.text), token.start)
        return self.indexed_identifier()

    def operands(self) -> list[ast.Identifier | ast.IndexedIdentifier]:
        """Parse the operands of a gate."""
        operands = [self.operand()]
        while self.accept(",") and not self.at(";"):
            operands.append(self.operand())
        return operands

    def indexed_identifier(self) -> ast.Identifier | ast.IndexedIdentifier:
        """Parse a name and the indices after it."""
        name = self.identifier()
        start = self.token.start
        indices = []
        while self.at("["):
            indices.append(self.index_operator())
            if len(indices) > self._max_nesting:
                self.fail("too many indices", start)
        if not indices:
            return name
        node = ast.IndexedIdentifier(name, indices)
        node.span = name.span
        return node

    def _duration_of(self) -> ast.Expression:
        start = self.expect("durationof").start
        self.expect("(")
        body = self.scope()
        self.expect(")")
        return self.located(ast.DurationOf(body), start)

    def misplaced_version(self, _: Token) -> Never:
        """Refuse a version statement that is not the first."""
        self.fail("the version statement must come first")

    def include(self, _: Token) -> ast.Statement:
        """Parse `include`."""
        self._require_global("'include'")
        self.advance()
        if self.token.kind not in ("string", "bits"):
            self.unexpected("a file name in quotes")
        name = self.advance()
        self.expect(";")
        return self.located(ast.Include(name.text[1:-1]), name.start + 1)

    def old_register(self, keyword: Token) -> ast.Statement:
        """Parse `qreg` or `creg`."""
        if keyword.text == "qreg":
            self._require_global("qubits")
        else:
            self.refuse_in_gate("a declaration", keyword.start)
        self.advance()
        name = self.identifier()
        size = self.designator()
        if self.source.is_version_2 and size is None:
            self.unexpected("the size of the register in brackets")
        self.expect(";")
        if keyword.text == "qreg":
            return ast.QubitDeclaration(name, size)
        bits = self.located(ast.BitType(size), keyword.start)
        return ast.ClassicalDeclaration(bits, name)

    def qubits(self, _: Token) -> ast.Statement:
        """Parse `qubit`."""
        self._require_global("qubits")
        self.advance()
        size = self.designator()
        name = self.identifier()
        self.expect(";")
        return ast.QubitDeclaration(name, size)

    def variable(self, keyword: Token) -> ast.Statement:
        """Parse the declaration of a variable."""
        self.refuse_in_gate("a declaration", keyword.start)
        return self._classical(self.scalar_type())

    def _classical(self, declared: ast.ClassicalType) -> ast.Statement:
        name = self.identifier()
        value = self._initial_value() if self.accept("=") else None
        self.expect(";")
        return ast.ClassicalDeclaration(declared, name, value)

    def array(self, _: Token) -> ast.Statement:
        """Parse the declaration of an array."""
        self._require_global("arrays")
        return self._classical(self.array_type())

    def _initial_value(self) -> ast.Expression | ast.QuantumMeasurement:
        if self.at("{"):
            return self.array_literal()
        return self.measurement() if self.at("measure") else self.expression()

    def constant(self, _: Token) -> ast.Statement:
        """Parse `const`."""
        self.advance()
        declared = self.scalar_type()
        name = self.identifier()
        self.expect("=")
        value = self._initial_value()
        self.expect(";")
        return ast.ConstantDeclaration(declared, name, value)  # type: ignore[arg-type]

    def interface(self, keyword: Token) -> ast.Statement:
        """Parse `input` or `output`."""
        self._require_global(f"'{keyword.text}'")
        self.advance()
        declared = self.array_type() if self.at("array") else self.scalar_type()
        name = self.identifier()
        self.expect(";")
        return ast.IODeclaration(ast.IOKeyword[keyword.text], declared, name)

    def gate(self, _: Token) -> ast.Statement:
        """Parse the definition of a gate."""
        self._require_global("gate definitions")
        self.advance()
        name, parameters, qubits = self._gate_signature()
        with self._inside(in_gate=True, in_loop=False):
            body = self.scope()
        return ast.QuantumGateDefinition(name, parameters, qubits, body)  # type: ignore[arg-type]

    def _gate_signature(
        self,
    ) -> tuple[ast.Identifier, list[ast.Identifier], list[ast.Identifier]]:
        name = self.identifier()
        parameters: list[ast.Identifier] = []
        if self.accept("("):
            parameters = [] if self.at(")") else self._names(")")
            self.expect(")")
        return name, parameters, self._names("{")

    def _names(self, closing: str) -> list[ast.Identifier]:
        names = [self.identifier()]
        while self.accept(",") and not self.at(closing):
            names.append(self.identifier())
        return names

    def opaque(self, _: Token) -> ast.Statement:
        """Parse the declaration of an opaque gate."""
        self.advance()
        name, parameters, qubits = self._gate_signature()
        self.expect(";")
        return OpaqueGateDeclaration(name, parameters, qubits, [])

    def subroutine(self, _: Token) -> ast.Statement:
        """Parse `def`."""
        self._require_global("subroutine definitions")
        self.advance()
        name = self.identifier()
        self.expect("(")
        arguments: list[ast.ClassicalArgument | ast.QuantumArgument] = []
        while not self.at(")"):
            arguments.append(self._argument())
            if not self.accept(","):
                break
        self.expect(")")
        returned = self.scalar_type() if self.accept("->") else None
        with self._inside(in_subroutine=True, in_loop=False):
            body = self.scope()
        return ast.SubroutineDefinition(name, arguments, body, returned)

    def _argument(self) -> ast.ClassicalArgument | ast.QuantumArgument:
        start = self.token.start
        if self.accept("qubit"):
            size = self.designator()
            return self.located(ast.QuantumArgument(self.identifier(), size), start)
        if self.accept("qreg"):
            name = self.identifier()
            return self.located(ast.QuantumArgument(name, self.designator()), start)
        if self.accept("creg"):
            name = self.identifier()
            bits = self.located(ast.BitType(self.designator()), start)
            return self.located(ast.ClassicalArgument(bits, name), start)
        if self.at("readonly") or self.at("mutable"):
            access = ast.AccessControl[self.advance().text]
            reference = self._array_reference(start)
            return self.located(ast.ClassicalArgument(reference, self.identifier(), access), start)
        declared = self.scalar_type()
        return self.located(ast.ClassicalArgument(declared, self.identifier()), start)

    def _array_reference(self, start: int) -> ast.ArrayReferenceType:
        self.expect("array")
        self.expect("[")
        base = self.array_element_type()
        self.expect(",")
        dimensions: ast.Expression | list[ast.Expression]
        if self._accept_dimension_count():
            dimensions = self.expression()
        else:
            dimensions = [self.expression()]
            while self.accept(",") and not self.at("]"):
                dimensions.append(self.expression())
        self.expect("]")
        node = ast.ArrayReferenceType(base, dimensions)  # type: ignore[arg-type]
        return self.located(node, start)

    def _accept_dimension_count(self) -> bool:
        if not self.accept("#"):
            return False
        if self.token.text != "dim":
            self.unexpected("'#dim'")
        self.advance()
        self.expect("=")
        return True

    def extern(self, keyword: Token) -> Never:
        """Refuse `extern`."""
        raise self.source.error(
            Code.UNSUPPORTED_FEATURE,
            "'extern' functions are not supported: there is no host to call",
            keyword.start,
        )

    def pulse(self, keyword: Token) -> Never:
        """Refuse pulse-level statements."""
        raise self.source.error(
            Code.UNSUPPORTED_FEATURE,
            f"pulse-level '{keyword.text}' is not supported: gates are simulated as ideal",
            keyword.start,
        )


DECLARATIONS: dict[str, Callable[[DeclarationParser, Token], ast.Statement]] = {
    "OPENQASM": DeclarationParser.misplaced_version,
    "include": DeclarationParser.include,
    "qreg": DeclarationParser.old_register,
    "creg": DeclarationParser.old_register,
    "qubit": DeclarationParser.qubits,
    "const": DeclarationParser.constant,
    "input": DeclarationParser.interface,
    "output": DeclarationParser.interface,
    "gate": DeclarationParser.gate,
    "opaque": DeclarationParser.opaque,
    "def": DeclarationParser.subroutine,
    "extern": DeclarationParser.extern,
    "array": DeclarationParser.array,
    **dict.fromkeys(_PULSE_LEVEL, DeclarationParser.pulse),
    **dict.fromkeys(SCALAR_TYPES, DeclarationParser.variable),
}
"""The parser of each kind of declaration, by its first keyword."""


class OpaqueGateDeclaration(ast.QuantumGateDefinition):
    """A gate of OpenQASM 2 that is declared without saying what it does."""

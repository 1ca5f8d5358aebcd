"""Runs declarations: registers, variables, constants, aliases, input and output."""

import math
from collections.abc import Mapping

from openqasm3 import ast

from domain.execution import ParameterValue
from infrastructure.quantum.qasm.assignments import Assignments
from infrastructure.quantum.qasm.declaration_parser import OpaqueGateDeclaration
from infrastructure.quantum.qasm.errors import Code, ProgramError
from infrastructure.quantum.qasm.gate_library import INCLUDES
from infrastructure.quantum.qasm.indexing import indices_of
from infrastructure.quantum.qasm.program import ProgramLimits
from infrastructure.quantum.qasm.source import Source
from infrastructure.quantum.qasm.state import Qubits, Subroutine, Variable
from infrastructure.quantum.qasm.types import (
    BIT,
    BOOL,
    FLOAT,
    INT,
    ArrayOf,
    Data,
    Kind,
    Scalar,
    Type,
    Unknown,
    Value,
)
from infrastructure.quantum.qasm.values import convert, zero


class Declarations(Assignments):
    """Declares names. Global bit registers become classical registers of the circuit."""

    def __init__(
        self, source: Source, limits: ProgramLimits, parameters: Mapping[str, ParameterValue]
    ) -> None:
        super().__init__(source, limits)
        self.parameters = parameters
        self._supplied: set[str] = set()

    def include(self, node: ast.Include) -> None:
        """Accept a standard library, which is built in; open no file."""
        if node.filename not in INCLUDES:
            raise self.error(
                Code.UNSUPPORTED_FEATURE,
                "only 'stdgates.inc' and 'qelib1.inc' can be included, and their gates are known"
                " without; put other definitions into the program",
                node,
            )

    def declare_qubits(self, node: ast.QubitDeclaration) -> None:
        """Declare a qubit or a quantum register."""
        name = node.qubit.name
        size = 1 if node.size is None else self.plain_integer(node.size)
        if size < 0:
            raise self.error(
                Code.INVALID_VALUE, f"a register of {size} qubits has no meaning", node
            )
        try:
            self._add_qubits(name, size, scalar=node.size is None, node=node)
        except ProgramError as error:
            raise self.error(error.code, error.message, node) from None

    def _add_qubits(self, name: str, size: int, *, scalar: bool, node: ast.QASMNode) -> None:
        if name in self.scopes[-1]:
            raise self.error(Code.DUPLICATE_NAME, f"'{name}' is declared twice", node)
        qubits = self.builder.add_qubits(name, size)
        self.declare(name, Qubits(tuple(qubits), scalar), node)

    def declare_variable(self, node: ast.ClassicalDeclaration) -> None:
        """Declare a variable or a classical register."""
        kind = self.resolve_type(node.type)
        initial = node.init_expression
        if isinstance(kind, Scalar) and kind.kind is Kind.BIT and len(self.scopes) == 1:
            self._declare_bits(node, kind)
            return
        data = zero(kind)
        if initial is not None:
            data = self.initial_data(initial, kind)
        self.define(node.identifier, kind, data)

    def define(
        self, name: ast.Identifier, kind: Type, data: Data, *, constant: bool = False
    ) -> Variable:
        """Declare a variable that holds data of its type."""
        variable = self.variable(name.name, kind, zero(kind), constant=constant)
        self.declare(name.name, variable, name)
        self.assign(variable, data)
        return variable

    def _declare_bits(self, node: ast.ClassicalDeclaration, kind: Scalar) -> None:
        name, initial = node.identifier.name, node.init_expression
        if name in self.scopes[-1]:
            raise self.error(Code.DUPLICATE_NAME, f"'{name}' is declared twice", node)
        value = None
        if initial is not None and not isinstance(initial, ast.QuantumMeasurement):
            value = self.evaluate(initial)
        try:
            bits = self.builder.add_clbits(name, kind.width or 1)
        except ProgramError as error:
            raise self.error(error.code, error.message, node) from None
        variable = self.variable(name, kind, 0)
        variable.storage = tuple(bits)
        self.declare(name, variable, node)
        if isinstance(initial, ast.QuantumMeasurement):
            statement = ast.QuantumMeasurementStatement(initial, node.identifier)
            statement.span = node.span
            self.run_measurement(statement)
        elif value is not None:
            self.assign(variable, self.convert(value, kind, node))

    def initial_data(self, node: ast.Expression | ast.QuantumMeasurement, kind: Type) -> Data:
        """Return what an initial value is for a variable of a type."""
        if isinstance(node, ast.QuantumMeasurement):
            value = self.measured(self.qubits(node.qubit))
            return self.convert(value, kind, node)
        if isinstance(node, ast.ArrayLiteral):
            if not isinstance(kind, ArrayOf):
                raise self.error(Code.TYPE_ERROR, f"an array cannot be used as {kind}", node)
            return self._array_data(node, kind)
        return self.convert(self.evaluate(node), kind, node)

    def _array_data(self, node: ast.ArrayLiteral, kind: ArrayOf) -> list[Data]:
        if len(node.values) != kind.shape[0]:
            raise self.error(
                Code.TYPE_ERROR, f"{len(node.values)} values are given for {kind.shape[0]}", node
            )
        return [self.initial_data(value, kind.inner) for value in node.values]

    def declare_constant(self, node: ast.ConstantDeclaration) -> None:
        """Declare a constant."""
        kind = self.resolve_type(node.type)
        data = self.initial_data(node.init_expression, kind)
        if isinstance(data, (tuple, Unknown)):
            raise self.error(
                Code.TYPE_ERROR, "a constant cannot depend on measurement outcomes", node
            )
        self.define(node.identifier, kind, data, constant=True)

    def declare_interface(self, node: ast.IODeclaration) -> None:
        """Declare an `input`, which takes its value from the request, or an `output`."""
        name = node.identifier
        if node.io_identifier is ast.IOKeyword.output:
            self.declare_variable(_as_variable(node))
            return
        kind = self.resolve_type(node.type)
        if name.name not in self.parameters:
            raise self.error(
                Code.MISSING_PARAMETER,
                f"input '{name.name}' has no value; send it as \"parameters\":"
                f' {{"{name.name}": ...}}',
                name,
            )
        self._supplied.add(name.name)
        given = self.parameters[name.name]
        self.define(name, kind, self._given_data(given, kind, name))

    def _given_data(self, given: ParameterValue, kind: Type, node: ast.Identifier) -> Data:
        refusal = self.error(
            Code.TYPE_ERROR, f"the value given for input '{node.name}' is not of type {kind}", node
        )
        if isinstance(kind, ArrayOf):
            if not isinstance(given, list) or len(given) != kind.shape[0]:
                raise refusal
            return [self._given_data(element, kind.inner, node) for element in given]
        if isinstance(given, bool):
            value = Value(BOOL, given)
        elif isinstance(given, int):
            value = Value(INT, given)
        elif isinstance(given, float) and math.isfinite(given) and not kind.is_integer:
            value = Value(FLOAT, given)
        else:
            raise refusal
        try:
            return convert(value, kind)
        except ProgramError:
            raise refusal from None

    def check_parameters(self) -> None:
        """Refuse parameters that no input asks for."""
        for name in self.parameters:
            if name not in self._supplied:
                raise ProgramError(
                    Code.UNKNOWN_PARAMETER,
                    f"parameter '{name[:80]}' has no 'input' declaration in the program",
                )

    def declare_alias(self, node: ast.AliasStatement) -> None:
        """Give qubits or bits another name."""
        first: ast.Expression = node.value
        while isinstance(first, (ast.Concatenation, ast.IndexExpression)):
            first = first.lhs if isinstance(first, ast.Concatenation) else first.collection
        name = first.name if isinstance(first, ast.Identifier) else ""
        if isinstance(self.lookup(name), Variable):
            self._alias_bits(node)
            return
        self.declare(node.target.name, self._aliased_qubits(node.value), node)

    def _aliased_qubits(self, node: ast.Expression) -> Qubits:
        if not isinstance(node, ast.Concatenation):
            return self.qubits(node)
        indices: tuple[int, ...] = ()
        for part in _parts(node):
            indices += self.qubits(part).indices
        if len(set(indices)) < len(indices):
            raise self.error(Code.INVALID_VALUE, "a qubit stands twice in the alias", node)
        return Qubits(indices)

    def _alias_bits(self, node: ast.AliasStatement) -> None:
        parts = [self._aliased_bits(part) for part in _parts(node.value)]
        storage = tuple(index for bits, _ in parts for index in bits)
        is_bit = len(parts) == 1 and parts[0][1]
        kind = BIT if is_bit else Scalar(Kind.BIT, len(storage))
        alias = self.variable(node.target.name, kind, 0)
        alias.storage = storage
        self.declare(node.target.name, alias, node)

    def _aliased_bits(self, node: ast.Expression) -> tuple[tuple[int, ...], bool]:
        if isinstance(node, ast.IndexExpression):
            bits, _ = self._aliased_bits(node.collection)
            places, is_bit = self._places(indices_of([node.index]), len(bits), node)
            return tuple(bits[place] for place in places), is_bit
        symbol = self.lookup(node.name) if isinstance(node, ast.Identifier) else None
        if not isinstance(symbol, Variable) or symbol.storage is None:
            raise self.error(
                Code.UNSUPPORTED_FEATURE, "aliases stand for qubits and global bits only", node
            )
        return symbol.storage, symbol.type == BIT

    def define_subroutine(self, node: ast.SubroutineDefinition) -> None:
        """Define a subroutine."""
        self.declare(node.name.name, Subroutine(node), node.name)

    def declare_gate(self, node: ast.QuantumGateDefinition) -> None:
        """Define a gate."""
        self.define_gate(node, opaque=isinstance(node, OpaqueGateDeclaration))


def _as_variable(node: ast.IODeclaration) -> ast.ClassicalDeclaration:
    declaration = ast.ClassicalDeclaration(node.type, node.identifier)
    declaration.span = node.span
    return declaration


def _parts(node: ast.Expression) -> list[ast.Expression]:
    parts: list[ast.Expression] = []
    while isinstance(node, ast.Concatenation):
        parts.append(node.rhs)
        node = node.lhs
    parts.append(node)
    return parts[::-1]

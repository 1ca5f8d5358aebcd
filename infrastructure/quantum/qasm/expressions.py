"""Evaluates expressions while a program is unrolled."""

from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any

from openqasm3 import ast

from infrastructure.quantum.qasm import bit_arithmetic, functions, operators
from infrastructure.quantum.qasm.errors import Code, ProgramError
from infrastructure.quantum.qasm.indexing import Indexing
from infrastructure.quantum.qasm.state import Variable
from infrastructure.quantum.qasm.types import (
    BOOL,
    COMPLEX,
    DURATION,
    FLOAT,
    INT,
    UINT,
    ArrayOf,
    Data,
    Duration,
    Kind,
    Scalar,
    Type,
    Unknown,
    Value,
)
from infrastructure.quantum.qasm.values import (
    bits_of,
    convert,
    from_bits,
    real,
    resized,
    scalar,
    undecided,
    whole,
)

_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_SIZED = {
    ast.IntType: Kind.INT,
    ast.UintType: Kind.UINT,
    ast.FloatType: Kind.FLOAT,
    ast.AngleType: Kind.ANGLE,
    ast.BitType: Kind.BIT,
}
_UNSIZED = {
    ast.BoolType: BOOL,
    ast.ComplexType: COMPLEX,
    ast.DurationType: DURATION,
    ast.StretchType: DURATION,
}
_MAX_WIDTH = 4096


class Expressions(Indexing):
    """Evaluates expressions to typed values; what depends on outcomes becomes bits on wires."""

    @abstractmethod
    def call_subroutine(self, node: ast.FunctionCall) -> Value | None:
        """Run a subroutine and return its result."""

    def evaluate(self, node: ast.Expression) -> Value:
        """Return the value of an expression."""
        self.step()
        evaluator = _EVALUATORS.get(type(node))
        if evaluator is None:
            raise self.error(
                Code.TYPE_ERROR, f"{type(node).__name__} has no value in this place", node
            )
        try:
            return evaluator(self, node)
        except ProgramError as error:
            if error.line is None and node.span is not None:
                raise self.error(error.code, error.message, node) from None
            raise

    def convert(self, value: Value, wanted: Type, node: ast.QASMNode | None) -> Data:
        """Return the data of a value as a type holds it; see `values.convert`."""
        try:
            return convert(value, wanted)
        except ProgramError as error:
            raise self.error(error.code, error.message, node) from None

    def radians(self, node: ast.Expression) -> float:
        """Return the value of an expression that has to be a finite angle known now."""
        value = self.evaluate(node)
        if isinstance(value.data, tuple):
            raise undecided(value.data)
        if isinstance(value.type, Scalar) and value.type.kind in (Kind.COMPLEX, Kind.DURATION):
            raise self.error(Code.TYPE_ERROR, f"expected an angle, not {value.type}", node)
        try:
            angle = real(value)
        except ProgramError as error:
            raise self.error(error.code, error.message, node) from None
        if not -1e300 < angle < 1e300:  # noqa: PLR2004 - beyond, sums of angles overflow
            raise self.error(Code.INVALID_VALUE, f"{angle} is not a finite angle", node)
        return angle

    def resolve_type(self, node: ast.ClassicalType) -> Type:
        """Return the type that a declaration names."""
        if isinstance(node, ast.ArrayType):
            return self._array_type(node)
        if (unsized := _UNSIZED.get(type(node))) is not None:
            return unsized
        kind = _SIZED[type(node)]
        size: ast.Expression | None = node.size  # type: ignore[attr-defined]
        if size is None:
            return Scalar(kind)
        width = self.plain_integer(size)
        limit = self.limits.max_clbits if kind is Kind.BIT else _MAX_WIDTH
        if width < 1:
            raise self.error(Code.INVALID_VALUE, f"a size of {width} bits has no meaning", size)
        if width > limit:
            code = Code.TOO_MANY_CLBITS if kind is Kind.BIT else Code.UNSUPPORTED_FEATURE
            raise self.error(code, f"{kind.value}[{width}] is wider than {limit} bits", size)
        return FLOAT if kind is Kind.FLOAT else Scalar(kind, width)

    def _array_type(self, node: ast.ArrayType) -> Type:
        element = scalar(self.resolve_type(node.base_type))
        shape = tuple(self.plain_integer(dimension) for dimension in node.dimensions)
        total = 1
        for size in shape:
            total *= max(size, 1)
            if size < 0:
                raise self.error(Code.INVALID_VALUE, f"a dimension of {size} has no meaning", node)
            if total > self.limits.max_array_elements:
                raise self.error(
                    Code.TOO_MANY_STEPS,
                    f"the array has more than {self.limits.max_array_elements} elements",
                    node,
                )
        return ArrayOf(element, shape)

    def duration_literal(self, node: ast.DurationLiteral) -> Value:
        """Return a duration."""
        unit = node.unit.name
        if unit == "dt":
            return Value(DURATION, Duration(samples=node.value))
        return Value(DURATION, Duration(seconds=node.value * _SECONDS[unit]))

    def name(self, node: ast.Identifier) -> Value:
        """Return a name."""
        symbol = self.lookup(node.name)
        if isinstance(symbol, Variable):
            return self.read(symbol, node)
        if symbol is None and node.name in functions.CONSTANTS:
            return Value(FLOAT, functions.CONSTANTS[node.name])
        if symbol is None:
            raise self.error(Code.UNDEFINED_NAME, f"'{node.name}' is not defined", node)
        raise self.error(
            Code.TYPE_ERROR, f"'{node.name}' is no classical value, but {describe(symbol)}", node
        )

    def read(self, variable: Variable, node: ast.QASMNode) -> Value:
        """Return the value of a variable, which has to be known or held in bits."""
        data = self.data(variable)
        if isinstance(data, Unknown):
            raise self.error(
                Code.UNSUPPORTED_FEATURE,
                f"'{variable.name}' depends on measurement outcomes, which is supported for bit,"
                " bool, int, uint and sized angle variables only",
                node,
            )
        return Value(variable.type, data)

    def unary(self, node: ast.UnaryExpression) -> Value:
        """Return a unary operator's result."""
        operand = self.evaluate(node.expression)
        self._require_scalars(node, operand)
        if isinstance(operand.data, tuple):
            return bit_arithmetic.unary(self, node.op.name, operand)
        return operators.plain_unary(node.op.name, operand)

    def binary(self, node: ast.BinaryExpression) -> Value:
        """Return a binary operator's result; long chains are no recursion."""
        chain = [node]
        while isinstance(chain[-1].lhs, ast.BinaryExpression):
            chain.append(chain[-1].lhs)
        left = self.evaluate(chain[-1].lhs)
        for link in reversed(chain):
            right = self.evaluate(link.rhs)
            self._require_scalars(link, left, right)
            try:
                left = self._combine(link.op.name, left, right)
            except ProgramError as error:
                raise self.error(error.code, error.message, link) from None
        return left

    def _combine(self, symbol: str, left: Value, right: Value) -> Value:
        if left.is_static and right.is_static:
            return operators.plain_binary(symbol, left, right, exact=self.source.is_version_2)
        return bit_arithmetic.binary(self, symbol, left, right)

    def _require_scalars(self, node: ast.QASMNode, *values: Value) -> None:
        for value in values:
            if not isinstance(value.type, Scalar):
                raise self.error(Code.TYPE_ERROR, f"no operator works on {value.type}", node)

    def combine(self, symbol: str, left: Value, right: Value, node: ast.QASMNode) -> Value:
        """Return `left symbol right`."""
        self._require_scalars(node, left, right)
        try:
            return self._combine(symbol, left, right)
        except ProgramError as error:
            raise self.error(error.code, error.message, node) from None

    def cast(self, node: ast.Cast) -> Value:
        """Return a value in another type."""
        value = self.evaluate(node.argument)
        wanted = self.resolve_type(node.type)
        source = value.type
        if not isinstance(wanted, Scalar) or not isinstance(source, Scalar):
            return Value(wanted, convert(value, wanted))
        is_reinterpreted = wanted.kind is Kind.BIT and source.kind is not Kind.BIT
        if is_reinterpreted and wanted.width is not None and source.bits is not None:
            bits = resized(source, bits_of(source, value.data), wanted.width)
            return Value(wanted, from_bits(wanted, bits))
        return Value(wanted, convert(value, wanted))

    def call(self, node: ast.FunctionCall) -> Value:
        """Return the result of a function."""
        name = node.name.name
        if self.lookup(name) is None and functions.is_builtin(name):
            functions.check_arity(name, len(node.arguments))
            return self._builtin(name, [self.evaluate(argument) for argument in node.arguments])
        result = self.call_subroutine(node)
        if result is None:
            raise self.error(Code.TYPE_ERROR, f"'{name}' returns nothing", node)
        return result

    def _builtin(self, name: str, arguments: list[Value]) -> Value:
        if name == "popcount":
            return functions.popcount(arguments[0], partial(bit_arithmetic.add, self))
        for value in arguments[1:] if name in functions.BIT_FUNCTIONS else arguments:
            if isinstance(value.data, tuple):
                raise undecided(value.data)
        if name in ("rotl", "rotr"):
            return functions.rotate(name, arguments[0], whole(arguments[1]))
        if name in ("mod", "pow"):
            symbol = "%" if name == "mod" else "**"
            self._require_scalars(ast.QASMNode(), *arguments)
            return self._combine(symbol, arguments[0], arguments[1])
        return functions.plain_call(name, arguments)

    def size_of(self, node: ast.SizeOf) -> Value:
        """Return the size of an array or register."""
        kind = self.evaluate(node.target).type
        shape = kind.shape if isinstance(kind, ArrayOf) else (kind.width or 1,)
        dimension = 0 if node.index is None else self.plain_integer(node.index)
        if not 0 <= dimension < len(shape):
            raise self.error(
                Code.INDEX_OUT_OF_RANGE, f"there is no dimension {dimension} in {kind}", node
            )
        return Value(UINT, shape[dimension])

    def indexed(self, node: ast.IndexExpression) -> Value:
        """Return an indexed value."""
        value = self.evaluate(node.collection)
        return self.element(value, node.index, node)


_EVALUATORS: dict[type, Callable[[Any, Any], Value]] = {
    ast.IntegerLiteral: lambda _, node: Value(INT, node.value),
    ast.FloatLiteral: lambda _, node: Value(FLOAT, node.value),
    ast.ImaginaryLiteral: lambda _, node: Value(COMPLEX, complex(0, node.value)),
    ast.BooleanLiteral: lambda _, node: Value(BOOL, node.value),
    ast.BitstringLiteral: lambda _, node: Value(Scalar(Kind.BIT, node.width), node.value),
    ast.DurationLiteral: Expressions.duration_literal,
    ast.Identifier: Expressions.name,
    ast.IndexExpression: Expressions.indexed,
    ast.UnaryExpression: Expressions.unary,
    ast.BinaryExpression: Expressions.binary,
    ast.Cast: Expressions.cast,
    ast.FunctionCall: Expressions.call,
    ast.SizeOf: Expressions.size_of,
    ast.DurationOf: lambda _, node: Value(DURATION, Duration(known=False)),  # noqa: ARG005
}


def describe(symbol: object) -> str:
    """Return what kind of thing a name stands for, for a message."""
    return {"Qubits": "qubits", "Subroutine": "a subroutine"}.get(type(symbol).__name__, "a gate")

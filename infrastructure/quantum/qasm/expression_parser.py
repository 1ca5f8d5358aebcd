"""Expressions and classical types, parsed by operator precedence into the reference tree."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from openqasm3 import ast

from infrastructure.quantum.qasm.errors import Code
from infrastructure.quantum.qasm.source import Source
from infrastructure.quantum.qasm.tokens import Token, TokenStream

N = TypeVar("N", bound=ast.QASMNode)

_BINDING = {
    "||": 1,
    "&&": 2,
    "|": 3,
    "^": 4,
    "&": 5,
    **dict.fromkeys(("==", "!="), 6),
    **dict.fromkeys((">", "<", ">=", "<="), 7),
    **dict.fromkeys(("<<", ">>"), 8),
    **dict.fromkeys(("+", "-"), 9),
    **dict.fromkeys(("*", "/", "%"), 10),
    "**": 12,
}
_UNARY_BINDING = 11
_POWER_BINDING = 12
_BINDING_2 = {
    **{operator: _BINDING[operator] for operator in ("+", "-", "*", "/")},
    "^": _POWER_BINDING,
}

_SIZED_TYPES = {
    "int": ast.IntType,
    "uint": ast.UintType,
    "float": ast.FloatType,
    "angle": ast.AngleType,
    "bit": ast.BitType,
}
_PLAIN_TYPES = {
    "bool": ast.BoolType,
    "duration": ast.DurationType,
    "stretch": ast.StretchType,
}
SCALAR_TYPES = frozenset({*_SIZED_TYPES, *_PLAIN_TYPES, "complex"})
_ARRAY_ELEMENTS = SCALAR_TYPES - {"stretch"}


class ExpressionParser(TokenStream, ABC):
    """Parses what stands inside statements. Nesting is counted, so recursion is bounded."""

    def __init__(self, source: Source, start: int, max_nesting: int) -> None:
        super().__init__(source, start)
        self._max_nesting = max_nesting
        self._nesting = 0
        self._binding = _BINDING_2 if source.is_version_2 else _BINDING

    @contextmanager
    def nested(self) -> Iterator[None]:
        """Count one level of nesting and refuse too many."""
        self._deepen()
        yield
        self._nesting -= 1

    def _deepen(self) -> None:
        self._nesting += 1
        if self._nesting > self._max_nesting:
            raise self.source.error(
                Code.TOO_DEEPLY_NESTED,
                f"nesting is deeper than the limit of {self._max_nesting} levels",
                self.token.start,
            )

    def located(self, node: N, start: int) -> N:
        """Return the node with the place in the text where it starts."""
        line, column = self.source.place(start)
        node.span = ast.Span(line, column - 1, line, column - 1)
        return node

    def identifier(self) -> ast.Identifier:
        """Parse a name."""
        token = self.expect_kind("name", "a name")
        return self.located(ast.Identifier(token.text), token.start)

    def expression(self, binding: int = 0) -> ast.Expression:
        """Parse an expression whose operators bind tighter than `binding`."""
        start = self.token.start
        self._deepen()
        left = self._prefix()
        left = self.continued(left, start, binding)
        self._nesting -= 1
        return left

    def continued(self, left: ast.Expression, start: int, binding: int = 0) -> ast.Expression:
        """Parse the binary operators that follow an operand."""
        while self.token.kind == "operator":
            operator = self.token.text
            strength = self._binding.get(operator, 0)
            if strength <= binding:
                break
            self.advance()
            is_power = strength == _POWER_BINDING
            right = self.expression(strength - 1 if is_power else strength)
            name = "**" if is_power else operator
            left = self.located(ast.BinaryExpression(ast.BinaryOperator[name], left, right), start)
        return left

    def _prefix(self) -> ast.Expression:
        token = self.token
        if token.kind == "operator" and token.text in ("-", "!", "~"):
            self.advance()
            operand = self.expression(_UNARY_BINDING - 1)
            return self.located(
                ast.UnaryExpression(ast.UnaryOperator[token.text], operand), token.start
            )
        return self.indexed(self._primary(), token.start)

    def indexed(self, node: ast.Expression, start: int) -> ast.Expression:
        """Parse the index operators that follow an operand."""
        levels = self._nesting
        while self.at("["):
            self._deepen()
            node = self.located(ast.IndexExpression(node, self.index_operator()), start)
        self._nesting = levels
        return node

    def _primary(self) -> ast.Expression:
        token = self.token
        if token.kind == "name":
            return self._name_or_call()
        if token.kind == "keyword":
            return self._keyword_expression(token)
        if self.accept("("):
            inner = self.expression()
            self.expect(")")
            return inner
        return self._literal(token)

    def _name_or_call(self) -> ast.Expression:
        name = self.identifier()
        if not self.at("("):
            return name
        return self.call(name, self.arguments())

    def call(self, name: ast.Identifier, arguments: list[ast.Expression]) -> ast.Expression:
        """Return the tree of a call of a function."""
        if name.name != "sizeof":
            node: ast.Expression = ast.FunctionCall(name, arguments)
        elif len(arguments) in (1, 2):
            node = ast.SizeOf(arguments[0], arguments[1] if len(arguments) > 1 else None)
        else:
            self.fail("sizeof takes an array and, if wanted, a dimension")
        node.span = name.span
        return node

    def arguments(self) -> list[ast.Expression]:
        """Parse a parenthesised list of expressions, possibly empty."""
        self.expect("(")
        arguments: list[ast.Expression] = []
        while not self.at(")"):
            arguments.append(self.expression())
            if not self.accept(","):
                break
        self.expect(")")
        return arguments

    def _keyword_expression(self, token: Token) -> ast.Expression:
        if token.text in ("true", "false"):
            self.advance()
            return self.located(ast.BooleanLiteral(token.text == "true"), token.start)
        if token.text in SCALAR_TYPES or token.text == "array":
            target = self.array_type() if token.text == "array" else self.scalar_type()
            self.expect("(")
            argument = self.expression()
            self.expect(")")
            return self.located(ast.Cast(target, argument), token.start)
        if token.text == "pow":
            self.advance()
            name = self.located(ast.Identifier(token.text), token.start)
            return self.call(name, self.arguments())
        if token.text != "durationof":
            self.unexpected("an expression")
        return self._duration_of()

    @abstractmethod
    def _duration_of(self) -> ast.Expression:
        """Parse what follows `durationof`: it has statements in it."""

    def _literal(self, token: Token) -> ast.Expression:
        node: ast.Expression
        text = token.text.replace("_", "")
        match token.kind:
            case "integer":
                node = ast.IntegerLiteral(int(text, 10 if text.isdigit() else 0))
            case "float":
                node = ast.FloatLiteral(float(text))
            case "imaginary":
                node = ast.ImaginaryLiteral(float(text[:-2]))
            case "bits":
                node = ast.BitstringLiteral(int(text[1:-1], 2), len(text) - 2)
            case "timing":
                node = _duration_literal(text)
            case "physical":
                node = ast.Identifier(token.text)
            case _:
                self.unexpected("an expression")
        self.advance()
        return self.located(node, token.start)

    def index_operator(self) -> ast.DiscreteSet | list[ast.Expression | ast.RangeDefinition]:
        """Parse one `[...]`: a set, or one index or range per dimension."""
        self.expect("[")
        if self.at("{"):
            index_set = self.discrete_set()
            self.expect("]")
            return index_set
        elements = [self.index_element()]
        while self.accept(",") and not self.at("]"):
            elements.append(self.index_element())
        self.expect("]")
        return elements

    def index_element(self) -> ast.Expression | ast.RangeDefinition:
        """Parse an index, or a range `start:end` or `start:step:end` with parts left out."""
        begin = self.token.start
        parts: list[ast.Expression | None] = [self._range_part()]
        while self.accept(":"):
            parts.append(self._range_part())
        if len(parts) == 1:
            if parts[0] is None:
                self.unexpected("an index")
            return parts[0]
        if len(parts) > 3:  # noqa: PLR2004
            self.fail("a range has at most a start, a step and an end", begin)
        step = parts[1] if len(parts) == 3 else None  # noqa: PLR2004
        return self.located(ast.RangeDefinition(parts[0], parts[-1], step), begin)

    def _range_part(self) -> ast.Expression | None:
        if self.at(":") or self.at("]") or self.at(","):
            return None
        return self.expression()

    def discrete_set(self) -> ast.DiscreteSet:
        """Parse `{a, b, ...}`."""
        start = self.expect("{").start
        values: list[ast.Expression] = []
        while not self.at("}"):
            values.append(self.expression())
            if not self.accept(","):
                break
        self.expect("}")
        return self.located(ast.DiscreteSet(values), start)

    def designator(self) -> ast.Expression | None:
        """Parse `[size]` if it is there."""
        if not self.accept("["):
            return None
        size = self.expression()
        self.expect("]")
        return size

    def scalar_type(self) -> ast.ClassicalType:
        """Parse a classical type other than an array."""
        token = self.token
        if token.kind != "keyword" or token.text not in SCALAR_TYPES:
            self.unexpected("a classical type")
        self.advance()
        node: ast.ClassicalType
        if token.text in _PLAIN_TYPES:
            node = _PLAIN_TYPES[token.text]()
        elif token.text == "complex":
            node = ast.ComplexType(self._complex_base())
        else:
            node = _SIZED_TYPES[token.text](self.designator())
        return self.located(node, token.start)

    def _complex_base(self) -> ast.FloatType | None:
        if not self.accept("["):
            return None
        base = self.scalar_type()
        if not isinstance(base, ast.FloatType):
            self.fail("the components of a complex number are floats")
        self.expect("]")
        return base

    def array_type(self) -> ast.ArrayType:
        """Parse `array[base, dimension, ...]`."""
        start = self.expect("array").start
        self.expect("[")
        base = self.array_element_type()
        dimensions: list[ast.Expression] = []
        while self.accept(",") and not self.at("]"):
            dimensions.append(self.expression())
        self.expect("]")
        if not dimensions:
            self.fail("an array has at least one dimension", start)
        return self.located(ast.ArrayType(base, dimensions), start)  # type: ignore[arg-type]

    def array_element_type(self) -> ast.ClassicalType:
        """Parse a type that elements of arrays may have."""
        if self.token.text not in _ARRAY_ELEMENTS:
            self.unexpected("the type of an array's elements")
        return self.scalar_type()

    def array_literal(self) -> ast.ArrayLiteral:
        """Parse `{a, b, ...}` with nested braces for further dimensions."""
        with self.nested():
            start = self.expect("{").start
            values: list[ast.Expression] = []
            while not self.at("}"):
                values.append(self.array_literal() if self.at("{") else self.expression())
                if not self.accept(","):
                    break
            self.expect("}")
        return self.located(ast.ArrayLiteral(values), start)


def _duration_literal(text: str) -> ast.DurationLiteral:
    number = text.rstrip("dtnuµμms")
    unit = text[len(number) :].replace("µ", "u").replace("μ", "u")
    return ast.DurationLiteral(float(number), ast.TimeUnit[unit])

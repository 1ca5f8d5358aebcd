"""Parts of values: bits of registers and integers, elements of arrays."""

from abc import ABC, abstractmethod
from typing import TypeAlias

from openqasm3 import ast

from infrastructure.quantum.qasm.errors import Code
from infrastructure.quantum.qasm.joining import Joining
from infrastructure.quantum.qasm.types import (
    BIT,
    BOOL,
    ArrayOf,
    Data,
    Kind,
    Scalar,
    Unknown,
    Value,
    rows,
)
from infrastructure.quantum.qasm.values import bits_of, from_bits, mismatch, undecided

Index: TypeAlias = ast.DiscreteSet | ast.Expression | ast.RangeDefinition
"""One index: a place, a set of places, or a range of places."""

IndexOperator: TypeAlias = ast.DiscreteSet | list[ast.Expression | ast.RangeDefinition]
"""What stands in brackets: a set, or an index for each dimension."""


def indices_of(operators: list[IndexOperator]) -> list[Index]:
    """Return the indices of several bracketed operators, one after another."""
    indices: list[Index] = []
    for operator in operators:
        indices.extend([operator] if isinstance(operator, ast.DiscreteSet) else operator)
    return indices


class Indexing(Joining, ABC):
    """Selects parts of values; every index has to be known while the program is unrolled."""

    @abstractmethod
    def evaluate(self, node: ast.Expression) -> Value:
        """Return the value of an expression."""

    def plain_integer(self, node: ast.Expression) -> int:
        """Return the value of an expression that has to be an integer known now."""
        kind, data = self.evaluate(node)
        is_whole = isinstance(kind, Scalar) and (
            kind.is_integer or kind.kind in (Kind.BIT, Kind.BOOL)
        )
        if is_whole and isinstance(data, tuple):
            raise undecided(data)
        if not is_whole or not isinstance(data, int):
            raise self.error(Code.TYPE_ERROR, f"expected an integer, not {kind}", node)
        return int(data)

    def element(
        self,
        value: Value,
        index: IndexOperator,
        node: ast.QASMNode,
    ) -> Value:
        """Return the part of a value that one index operator selects."""
        for element in indices_of([index]):
            value = self._selected(value, element, node)
        return value

    def _selected(
        self,
        value: Value,
        index: Index,
        node: ast.QASMNode,
    ) -> Value:
        kind = value.type
        if isinstance(kind, ArrayOf):
            return self._array_part(kind, value.data, index, node)
        if kind.bits is None or (kind.kind is Kind.BIT and kind.width is None) or kind == BOOL:
            raise mismatch(kind, "something with indices")
        bits = bits_of(kind, value.data)
        if isinstance(index, (ast.DiscreteSet, ast.RangeDefinition)):
            chosen = tuple(bits[place] for place in self.positions(index, len(bits), node))
            part = Scalar(Kind.BIT, len(chosen))
            return Value(part, from_bits(part, chosen))
        place = self.position(index, len(bits), node)
        return Value(BIT, from_bits(BIT, (bits[place],)))

    def _array_part(
        self,
        kind: ArrayOf,
        data: Data,
        index: Index,
        node: ast.QASMNode,
    ) -> Value:
        elements = rows(kind, data)
        if isinstance(index, (ast.DiscreteSet, ast.RangeDefinition)):
            chosen = [elements[place] for place in self.positions(index, kind.shape[0], node)]
            return Value(ArrayOf(kind.element, (len(chosen), *kind.shape[1:])), chosen)
        part = elements[self.position(index, kind.shape[0], node)]
        if len(kind.shape) > 1:
            return Value(kind.inner, part)
        if isinstance(part, Unknown):
            raise self.error(
                Code.UNSUPPORTED_FEATURE, "the element depends on measurement outcomes", node
            )
        if isinstance(part, tuple):
            part = from_bits(kind.element, self.refreshed(part))
        return Value(kind.element, part)

    def position(self, index: ast.Expression, size: int, node: ast.QASMNode) -> int:
        """Return the place that an index names; negative ones count from the end."""
        place = self.plain_integer(index)
        if not -size <= place < size:
            raise self.error(
                Code.INDEX_OUT_OF_RANGE, f"index {place} is outside of 0 to {size - 1}", node
            )
        return place % size

    def positions(
        self, index: ast.DiscreteSet | ast.RangeDefinition, size: int, node: ast.QASMNode
    ) -> list[int]:
        """Return the places that a set or a range of indices names."""
        if isinstance(index, ast.DiscreteSet):
            return [self.position(value, size, node) for value in index.values]
        places = []
        for place in self.range_of(index, size):
            if not -size <= place < size:
                raise self.error(
                    Code.INDEX_OUT_OF_RANGE, f"index {place} is outside of 0 to {size - 1}", node
                )
            places.append(place % size)
        return places

    def range_of(self, node: ast.RangeDefinition, size: int) -> range:
        """Return the integers of a range, whose end is included, over `size` places."""
        step = 1 if node.step is None else self.plain_integer(node.step)
        if step == 0:
            raise self.error(Code.INVALID_VALUE, "a range with step 0 has no end", node)
        first, last = (0, size - 1) if step > 0 else (size - 1, 0)
        start = first if node.start is None else self._bound(node.start, size)
        end = last if node.end is None else self._bound(node.end, size)
        return range(start, end + (1 if step > 0 else -1), step)

    def _bound(self, node: ast.Expression, size: int) -> int:
        bound = self.plain_integer(node)
        return bound + size if bound < 0 else bound

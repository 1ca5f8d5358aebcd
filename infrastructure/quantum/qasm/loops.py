"""Runs loops: unrolled where the number of rounds is known, else as loops of the circuit."""

from collections.abc import Iterator
from contextlib import contextmanager

from openqasm3 import ast

from infrastructure.quantum.qasm.circuit_loops import CircuitLoops
from infrastructure.quantum.qasm.errors import Code
from infrastructure.quantum.qasm.state import Variable
from infrastructure.quantum.qasm.types import BIT, INT, ArrayOf, Data, Kind, Scalar, Value
from infrastructure.quantum.qasm.values import bits_of, from_bits, zero
from infrastructure.quantum.qasm.wires import Bit, Wire, both


class Loops(CircuitLoops):
    """Runs `for` and `while`."""

    @contextmanager
    def loop(self) -> Iterator[Variable]:
        """Open a loop for jumps; return the flag of its `continue`."""
        with self.flag() as broken, self.flag() as skipped:
            self.loops.append((broken, skipped))
            try:
                yield skipped
            finally:
                self.loops.pop()

    def run_for(self, node: ast.ForInLoop) -> None:
        """Run `for`, once for each value."""
        kind = self.resolve_type(node.type)
        with self.scope(), self.loop() as skipped:
            variable = self.define(node.identifier, kind, zero(kind))
            jumps = self._jumps
            for value in self._values(node.set_declaration):
                self.step()
                data = self.convert(value, kind, node)
                going = self.going_on() if jumps != self._jumps else True
                if going is False:
                    break
                self.when_going(going, lambda: self._round(node, variable, data, skipped))  # noqa: B023

    def _round(
        self, node: ast.ForInLoop, variable: Variable, data: Data, skipped: Variable
    ) -> None:
        self.assign(variable, data)
        self.run_block(node.block)
        self._land(skipped)

    def _land(self, skipped: Variable) -> None:
        """Let a `continue` lead no further."""
        if self.data(skipped) is not False:
            self.assign(skipped, False)

    def _values(
        self, node: ast.Expression | ast.DiscreteSet | ast.RangeDefinition
    ) -> Iterator[Value]:
        if isinstance(node, ast.RangeDefinition):
            if node.start is None or node.end is None:
                raise self.error(
                    Code.TYPE_ERROR, "the range of a loop has a start and an end", node
                )
            yield from self._range_values(node.start, node.step, node.end)
        elif isinstance(node, ast.DiscreteSet):
            for element in node.values:
                yield self.evaluate(element)
        else:
            yield from self._elements(node)

    def _range_values(
        self, first: ast.Expression, interval: ast.Expression | None, last: ast.Expression
    ) -> Iterator[Value]:
        start, end = self.plain_integer(first), self.plain_integer(last)
        step = 1 if interval is None else self.plain_integer(interval)
        if step == 0:
            raise self.error(Code.INVALID_VALUE, "a range with step 0 has no end", first)
        for number in range(start, end + (1 if step > 0 else -1), step):
            yield Value(INT, number)

    def _elements(self, node: ast.Expression) -> Iterator[Value]:
        value = self.evaluate(node)
        kind = value.type
        if isinstance(kind, ArrayOf) and isinstance(value.data, list) and len(kind.shape) == 1:
            for element in value.data:
                yield Value(kind.element, element)
        elif isinstance(kind, Scalar) and kind.kind is Kind.BIT and kind.width is not None:
            for bit in bits_of(kind, value.data):
                yield Value(BIT, from_bits(BIT, (bit,)))
        else:
            raise self.error(Code.TYPE_ERROR, f"a loop cannot run over {kind}", node)

    def run_while(self, node: ast.WhileLoop) -> None:
        """Run `while`: unrolled as long as the condition is known, then in the circuit."""
        with self.loop() as skipped:
            while True:
                self.step()
                condition = both(self.going_on(), self.condition(node.while_condition))
                if condition is True:
                    self.run_block(node.block)
                    self._land(skipped)
                    continue
                if isinstance(condition, Wire):
                    self.loop_in_circuit(condition, lambda: self._while_round(node, skipped))
                break

    def _while_round(self, node: ast.WhileLoop, skipped: Variable) -> Bit:
        self.run_block(node.block)
        self._land(skipped)
        return both(self.going_on(), self.condition(node.while_condition))

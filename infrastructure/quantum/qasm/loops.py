"""Runs loops: unrolled where the number of rounds is known, else as loops of the circuit."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from openqasm3 import ast

from infrastructure.quantum.qasm.branching import Branching
from infrastructure.quantum.qasm.errors import Code
from infrastructure.quantum.qasm.state import Branch, Variable
from infrastructure.quantum.qasm.types import (
    BIT,
    INT,
    ArrayOf,
    Data,
    Kind,
    Scalar,
    Type,
    Unknown,
    Value,
)
from infrastructure.quantum.qasm.values import bits_of, from_bits, zero
from infrastructure.quantum.qasm.wires import Bit, Wire, both, same

_PATIENCE = 3


class Loops(Branching):
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
            self.assign(skipped, False)  # noqa: FBT003 - the flag's value

    def _values(
        self, node: ast.Expression | ast.DiscreteSet | ast.RangeDefinition
    ) -> Iterator[Value]:
        if isinstance(node, ast.RangeDefinition):
            if node.start is None or node.end is None:
                raise self.error(Code.TYPE_ERROR, "the range of a loop has a start and an end", node)
            yield from self._range_values(node)
        elif isinstance(node, ast.DiscreteSet):
            for element in node.values:
                yield self.evaluate(element)
        else:
            yield from self._elements(node)

    def _range_values(self, node: ast.RangeDefinition) -> Iterator[Value]:
        assert node.start is not None and node.end is not None
        bounds = [self.evaluate(node.start), self.evaluate(node.end)]
        if any(isinstance(b.type, Scalar) and b.type.kind is Kind.FLOAT for b in bounds):
            raise self.error(Code.TYPE_ERROR, "the range of a loop consists of integers", node)
        start, end = self.plain_integer(node.start), self.plain_integer(node.end)
        step = 1 if node.step is None else self.plain_integer(node.step)
        if step == 0:
            raise self.error(Code.INVALID_VALUE, "a range with step 0 has no end", node)
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
                    self._loop_in_circuit(node, condition, skipped)
                break

    def _loop_in_circuit(self, node: ast.WhileLoop, condition: Wire, skipped: Variable) -> None:
        """Run a loop whose condition depends on outcomes.

        Whatever differs from one round to the next has to be in classical bits. Which variables
        these are is found by rehearsing the body until nothing new changes.
        """
        carried: dict[Variable, Data] = {}
        again = self.settle(condition)
        assert isinstance(again, Wire) and again.clbit is not None
        target = again.clbit

        def body() -> None:
            self.know(target, True)  # noqa: FBT003 - the loop's condition
            self.run_block(node.block)
            self._land(skipped)
            next_round = both(self.going_on(), self.condition(node.while_condition))
            self.store(target, next_round)

        attempts = 0
        while self._carry(self._rehearse(body), carried, widen=attempts >= _PATIENCE):
            attempts += 1
        branch = self.unroll_branch(lambda: self._full_round(body, carried))
        self._forget_differences(branch)
        self.builder.loop(again, branch.block)
        self.know(target, False)  # noqa: FBT003 - the loop's condition

    def _rehearse(self, body: Callable[[], None]) -> Branch:
        with self.builder.rehearsal():
            return self.unroll_branch(body)

    def _carry(self, branch: Branch, carried: dict[Variable, Data], *, widen: bool) -> bool:
        """Put what the body changes into bits that survive a round; return whether more was."""
        more = False
        for key, after in branch.changes.items():
            if isinstance(key, Variable):
                more |= self._carry_variable(key, after, carried, widen=widen)
            elif not self.builder.is_scratch(key) and self._known[key] not in (None, after):
                self.know(key, None)
                more = True
        return more

    def _carry_variable(
        self, variable: Variable, after: object, carried: dict[Variable, Data], *, widen: bool
    ) -> bool:
        before = self.data(variable)
        if _unchanged(variable.type, before, after):
            return False
        merged = self._widened(variable, variable.type, before, after, widen=widen)
        is_new = variable not in carried or not _unchanged(variable.type, before, merged)
        self._set_data(variable, merged)
        carried[variable] = merged
        return is_new

    def _widened(
        self, owner: Variable, kind: Type, before: Data, after: object, *, widen: bool
    ) -> Data:
        if isinstance(before, list):
            assert isinstance(kind, ArrayOf) and isinstance(after, list)
            inner = kind.element if len(kind.shape) == 1 else ArrayOf(kind.element, kind.shape[1:])
            return [
                self._widened(owner, inner, one, two, widen=widen)
                for one, two in zip(before, after, strict=True)
            ]
        if _unchanged(kind, before, after):
            return before
        if isinstance(after, Unknown) or not isinstance(kind, Scalar) or kind.bits is None:
            return Unknown()
        one, two = bits_of(kind, before), bits_of(kind, after)
        return tuple(
            self._carried_bit(owner, a, b, widen=widen) for a, b in zip(one, two, strict=True)
        )

    def _carried_bit(self, owner: Variable, before: Bit, after: Bit, *, widen: bool) -> Bit:
        if isinstance(before, Wire) and before.clbit in owner.owned:
            return before
        if same(before, after) and not widen:
            return before
        index = self.builder.scratch_clbit()
        owner.owned.append(index)
        self.builder.store(index, before)
        self.know(index, None)
        return self.bit(index)

    def _full_round(self, body: Callable[[], None], carried: dict[Variable, Data]) -> None:
        """Run the body, then move what it has changed to where the next round looks for it."""
        body()
        moves: list[tuple[int, Bit]] = []
        for variable, places in carried.items():
            self._moves(variable.type, places, variable.data, moves)
        settled = [(index, self.settle(bit)) for index, bit in moves]
        for index, bit in settled:
            self.builder.store(index, bit)
            self.know(index, None)
        for variable, places in carried.items():
            self._set_data(variable, places)

    def _moves(
        self, kind: Type, places: Data, data: Data, moves: list[tuple[int, Bit]]
    ) -> None:
        if isinstance(places, list):
            assert isinstance(kind, ArrayOf) and isinstance(data, list)
            inner = kind.element if len(kind.shape) == 1 else ArrayOf(kind.element, kind.shape[1:])
            for place, element in zip(places, data, strict=True):
                self._moves(inner, place, element, moves)
        elif isinstance(places, tuple):
            for place, bit in zip(places, self.refreshed(bits_of(kind, data)), strict=True):
                if isinstance(place, Wire) and not same(place, bit):
                    assert place.clbit is not None
                    moves.append((place.clbit, bit))

    def _forget_differences(self, branch: Branch) -> None:
        for key, after in branch.changes.items():
            if not isinstance(key, Variable) and self._known[key] is not after:
                self.know(key, None)


def _unchanged(kind: Type, before: Data, after: object) -> bool:
    if isinstance(before, list):
        assert isinstance(kind, ArrayOf) and isinstance(after, list)
        inner = kind.element if len(kind.shape) == 1 else ArrayOf(kind.element, kind.shape[1:])
        return all(_unchanged(inner, one, two) for one, two in zip(before, after, strict=True))
    if isinstance(before, tuple) or isinstance(after, tuple):
        if isinstance(before, Unknown) or isinstance(after, Unknown):
            return False
        pairs = zip(bits_of(kind, before), bits_of(kind, after), strict=True)
        return all(same(one, two) for one, two in pairs)
    if isinstance(before, Unknown) or isinstance(after, Unknown):
        return isinstance(before, Unknown)
    return type(before) is type(after) and before == after

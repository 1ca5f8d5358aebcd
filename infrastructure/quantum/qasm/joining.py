"""Branches of which an outcome decides one: unrolled apart, then joined."""

from collections.abc import Callable
from dataclasses import dataclass

from infrastructure.quantum.qasm.circuit_builder import Block
from infrastructure.quantum.qasm.state import Changes, State, Variable
from infrastructure.quantum.qasm.types import ArrayOf, Data, Type, Unknown, rows
from infrastructure.quantum.qasm.values import bits_of, from_bits
from infrastructure.quantum.qasm.wires import Bit, same


@dataclass(slots=True)
class Branch:
    """One of several ways through the program: its operations and what differs after them."""

    block: Block
    after: Changes


class Joining(State):
    """Unrolls branches and keeps what is true after either of them.

    Where the branches leave a variable with different values, each branch stores its own in the
    same scratch bits. Only bits that differ are stored.
    """

    def unroll_branch(self, action: Callable[[], None]) -> Branch:
        """Unroll one way through the program and undo what it has changed in the state."""
        before = Changes()
        self._journals.append(before)
        try:
            with self.builder.block() as block:
                action()
        finally:
            self._journals.pop()
        after = Changes()
        for variable, data in before.data.items():
            if variable.birth <= len(self._journals):
                after.data[variable] = variable.data
            variable.data = data
        for index, bit in before.bits.items():
            after.bits[index] = self._known[index]
            self._known[index] = bit
        return Branch(block, after)

    def join(self, first: Branch, second: Branch) -> None:
        """Continue with what is true after either branch, both of which began here."""
        for variable in {**first.after.data, **second.after.data}:
            one = first.after.data.get(variable, variable.data)
            two = second.after.data.get(variable, variable.data)
            pair = _Pair(variable, first.block, second.block)
            self.set_data(variable, self._joined(pair, variable.type, one, two))
        for index in {**first.after.bits, **second.after.bits}:
            before = self._known[index]
            one_bit = first.after.bits.get(index, before)
            two_bit = second.after.bits.get(index, before)
            self.know(index, one_bit if one_bit is two_bit else None)

    def _joined(self, pair: "_Pair", kind: Type, one: Data, two: Data) -> Data:
        if one is two:
            return one
        if isinstance(kind, ArrayOf):
            both = zip(rows(kind, one), rows(kind, two), strict=True)
            return [self._joined(pair, kind.inner, left, right) for left, right in both]
        if type(one) is type(two) and not isinstance(one, (tuple, Unknown)) and one == two:
            return one
        if isinstance(one, Unknown) or isinstance(two, Unknown) or kind.bits is None:
            return Unknown()
        bits = zip(bits_of(kind, one), bits_of(kind, two), strict=True)
        return from_bits(kind, tuple([self._joined_bit(pair, left, right) for left, right in bits]))

    def _joined_bit(self, pair: "_Pair", one: Bit, two: Bit) -> Bit:
        if same(one, two):
            return one
        index = self.builder.scratch_clbit()
        pair.owner.owned.append(index)
        for bit, block in ((one, pair.first), (two, pair.second)):
            with self.builder.block(block):
                self.builder.store(index, bit)
        self.know(index, None)
        return self.bit(index)


@dataclass(frozen=True, slots=True)
class _Pair:
    """A variable and the ends of the two branches that give it its value."""

    owner: Variable
    first: Block
    second: Block

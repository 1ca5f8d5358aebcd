"""What a program knows while it is unrolled: names, values, and what each branch changes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from openqasm3 import ast

from infrastructure.quantum.qasm.circuit_builder import Block, CircuitBuilder
from infrastructure.quantum.qasm.errors import Code, ProgramError
from infrastructure.quantum.qasm.gate_library import Gate
from infrastructure.quantum.qasm.program import ProgramLimits
from infrastructure.quantum.qasm.source import Source
from infrastructure.quantum.qasm.types import BOOL, ArrayOf, Bits, Data, Scalar, Type, Unknown
from infrastructure.quantum.qasm.values import bits_of, from_bits
from infrastructure.quantum.qasm.wires import Bit, Wire, read, same


@dataclass(eq=False, slots=True)
class Variable:
    """A classical variable, constant, bit register, or a part of one under another name.

    Attributes:
        name: as declared.
        type: declared type.
        data: what it holds; not used if it has storage.
        storage: indices of the classical bits that are the variable, for bit registers.
        constant: it cannot be assigned to.
        birth: number of branches and loops around the declaration whose outcome is open.
        owned: scratch bits that hold its data.
    """

    name: str
    type: Type
    data: Data = 0
    storage: tuple[int, ...] | None = None
    constant: bool = False
    birth: int = 0
    owned: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Qubits:
    """A qubit, a quantum register, or a part of one.

    Attributes:
        indices: indices of the qubits in the circuit.
        scalar: it is one qubit, not a register of one.
    """

    indices: tuple[int, ...]
    scalar: bool = False


@dataclass(frozen=True, slots=True)
class Subroutine:
    """A subroutine as defined."""

    definition: ast.SubroutineDefinition


Symbol: TypeAlias = Variable | Qubits | Gate | Subroutine
Change: TypeAlias = Data | bool | None


@dataclass(slots=True)
class Branch:
    """One of several ways through the program: its operations and what differs after them."""

    block: Block
    changes: dict[Variable | int, Change]


class State:
    """Names in scope, values of variables, and knowledge about classical bits.

    All knowledge is recorded in a journal while a branch is unrolled whose condition is only known
    at run time, so that it can be undone and joined with that of the other branch.
    """

    def __init__(self, source: Source, limits: ProgramLimits) -> None:
        self.source = source
        self.limits = limits
        self.builder = CircuitBuilder(limits)
        self.steps = 0
        self.scopes: list[dict[str, Symbol]] = [{}]
        self.frame = 0
        self._known: list[bool | None] = []
        self._journals: list[dict[Variable | int, Change]] = []
        self._temporary: list[int] = []
        self._origins: dict[int, frozenset[int]] = {}
        self.flags = [Variable("end", BOOL, False)]
        self.loops: list[tuple[Variable, Variable]] = []

    # Errors and limits

    def error(self, code: Code, message: str, node: ast.QASMNode | None) -> ProgramError:
        """Return an error at the place of a node."""
        if node is None or node.span is None:
            return ProgramError(code, message)
        return ProgramError(code, message, node.span.start_line, node.span.start_column + 1)

    def step(self, count: int = 1) -> None:
        """Count evaluation steps and refuse too many."""
        self.steps += count
        if self.steps > self.limits.max_steps:
            raise ProgramError(
                Code.TOO_MANY_STEPS,
                f"unrolling the program takes more than {self.limits.max_steps} steps;"
                " use fewer or shorter loops",
            )

    # Names

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Open a scope for names and close it."""
        names: dict[str, Symbol] = {}
        self.scopes.append(names)
        try:
            yield
        finally:
            self.scopes.pop()
        for symbol in names.values():
            if isinstance(symbol, Variable) and symbol.owned:
                self.builder.release(symbol.owned)

    def lookup(self, name: str) -> Symbol | None:
        """Return what a name means here: in the scopes of this frame, or globally."""
        for index in range(len(self.scopes) - 1, self.frame - 1, -1):
            if name in self.scopes[index]:
                return self.scopes[index][name]
        return self.scopes[0].get(name)

    def declare(self, name: str, symbol: Symbol, node: ast.QASMNode | None) -> None:
        """Give a name a meaning in the innermost scope."""
        if name in self.scopes[-1]:
            raise self.error(Code.DUPLICATE_NAME, f"'{name}' is declared twice", node)
        self.scopes[-1][name] = symbol

    def variable(self, name: str, declared: Type, data: Data, *, constant: bool = False) -> Variable:
        """Return a new variable of the current branch."""
        return Variable(name, declared, data, None, constant, len(self._journals))

    # Classical bits

    def bit(self, index: int) -> Bit:
        """Return what is known about a classical bit: its value, or the wire it is."""
        known = self._known[index] if index < len(self._known) else False
        return read(index, self.builder.clbits[index]) if known is None else known

    def know(self, index: int, value: bool | None) -> None:
        """Record the value of a classical bit; `None` means that it depends on an outcome."""
        known = self._known
        if index >= len(known):
            known.extend([False] * (index + 1 - len(known)))
        if self._journals:
            self._journals[-1].setdefault(index, known[index])
        known[index] = value

    def store(self, index: int, bit: Bit) -> None:
        """Set a classical bit of the circuit."""
        if isinstance(bit, Wire):
            if bit.clbit != index:
                self.builder.store(index, bit)
                self.know(index, None)
        elif self.bit(index) is not bit:
            self.builder.store(index, bit)
            self.know(index, bit)

    def settle(self, bit: Bit, owned: list[int] | None = None) -> Bit:
        """Return a bit whose value no later assignment changes, in a scratch bit if need be.

        The scratch bit serves until the end of the statement, or as long as its owner lives.
        """
        if not isinstance(bit, Wire):
            return bit
        index = self.builder.scratch_clbit()
        if owned is None:
            self._temporary.append(index)
            self._origins[index] = self.origins(bit)
        else:
            owned.append(index)
            self._origins.pop(index, None)
        self.builder.store(index, bit)
        self.know(index, None)
        return self.bit(index)

    def origins(self, wire: Wire) -> frozenset[int]:
        """Return the lasting classical bits on which a wire depends."""
        known = self._origins
        return frozenset().union(*(known.get(index, (index,)) for index in wire.reads))

    def compact(self, bit: Bit) -> Bit:
        """Return the bit in a form that may be read many times."""
        return self.settle(bit) if isinstance(bit, Wire) and bit.size > 1 else bit

    def release_temporaries(self, kept: int) -> None:
        """Give back the scratch bits of a statement; so many are older than it."""
        self.builder.release(self._temporary[kept:])
        del self._temporary[kept:]

    # Variables

    def data(self, variable: Variable) -> Data:
        """Return what a variable holds, with all that is known about its bits."""
        if variable.storage is not None:
            assert isinstance(variable.type, Scalar)
            return from_bits(variable.type, tuple(self.bit(index) for index in variable.storage))
        data = variable.data
        if isinstance(data, tuple):
            assert isinstance(variable.type, Scalar)
            return from_bits(variable.type, self.refreshed(data))
        return data

    def refreshed(self, bits: Bits) -> Bits:
        """Return bits with what is known about them by now."""
        return tuple(
            self.bit(bit.clbit) if isinstance(bit, Wire) and bit.clbit is not None else bit
            for bit in bits
        )

    def assign(self, variable: Variable, data: Data) -> None:
        """Let a variable hold data of its type."""
        if variable.storage is not None:
            assert isinstance(variable.type, Scalar)
            self._assign_bits(variable.storage, bits_of(variable.type, data))
            return
        fresh: list[int] = []
        if isinstance(data, tuple):
            data = tuple(self.settle(bit, fresh) for bit in data)
        elif isinstance(data, list):
            data = [self._settled_element(element, variable.owned) for element in data]
        self._set_data(variable, data)
        if variable.birth == len(self._journals) and not isinstance(data, list):
            self.builder.release(variable.owned)
            variable.owned = fresh
        else:
            variable.owned.extend(fresh)

    def _settled_element(self, element: Data, owned: list[int]) -> Data:
        if isinstance(element, list):
            return [self._settled_element(part, owned) for part in element]
        if not isinstance(element, tuple):
            return element
        return tuple(
            bit if not isinstance(bit, Wire) or bit.clbit in owned else self.settle(bit, owned)
            for bit in element
        )

    def _set_data(self, variable: Variable, data: Data) -> None:
        if self._journals:
            self._journals[-1].setdefault(variable, variable.data)
        variable.data = data

    def _assign_bits(self, storage: tuple[int, ...], bits: Bits) -> None:
        targets = set(storage)
        for index, bit in zip(storage, bits, strict=True):
            if isinstance(bit, Wire) and not targets.isdisjoint(bit.reads) and bit.clbit != index:
                bits = tuple(self.settle(each) for each in bits)
                break
        for index, bit in zip(storage, bits, strict=True):
            self.store(index, bit)

    # Branches

    @property
    def is_certain(self) -> bool:
        """Whether what is unrolled now runs in every shot."""
        return not self._journals

    def unroll_branch(self, action: Callable[[], None]) -> Branch:
        """Unroll one way through the program and undo what it has changed in the state."""
        journal: dict[Variable | int, Change] = {}
        self._journals.append(journal)
        try:
            with self.builder.block() as block:
                action()
        finally:
            self._journals.pop()
        changes: dict[Variable | int, Change] = {}
        for key, before in journal.items():
            if isinstance(key, Variable):
                if key.birth <= len(self._journals):
                    changes[key] = key.data
                key.data = before  # type: ignore[assignment]
            else:
                changes[key] = self._known[key]
                self._known[key] = before  # type: ignore[call-overload]
        return Branch(block, changes)

    def join(self, first: Branch, second: Branch) -> None:
        """Continue with what is true after either branch, both of which began here."""
        for key in {**first.changes, **second.changes}:
            if isinstance(key, Variable):
                one = first.changes.get(key, key.data)
                two = second.changes.get(key, key.data)
                self._set_data(key, self._merged(key, key.type, (one, first), (two, second)))
            else:
                before = self._known[key]
                values = {first.changes.get(key, before), second.changes.get(key, before)}
                self.know(key, values.pop() if len(values) == 1 else None)  # type: ignore[arg-type]

    def _merged(
        self,
        owner: Variable,
        kind: Type,
        first: tuple[Change, Branch],
        second: tuple[Change, Branch],
    ) -> Data:
        one, two = first[0], second[0]
        if one is two or (not isinstance(one, (list, tuple)) and _equal(one, two)):
            return one  # type: ignore[return-value]
        if isinstance(kind, ArrayOf):
            assert isinstance(one, list) and isinstance(two, list)
            return [
                self._merged(owner, kind.element, (left, first[1]), (right, second[1]))
                for left, right in zip(one, two, strict=True)
            ]
        if isinstance(one, Unknown) or isinstance(two, Unknown) or kind.bits is None:
            return Unknown()
        return from_bits(
            kind,
            tuple(
                self._merged_bit(owner, (left, first[1]), (right, second[1]))
                for left, right in zip(bits_of(kind, one), bits_of(kind, two), strict=True)
            ),
        )

    def _merged_bit(
        self, owner: Variable, first: tuple[Bit, Branch], second: tuple[Bit, Branch]
    ) -> Bit:
        if same(first[0], second[0]):
            return first[0]
        index = self.builder.scratch_clbit()
        owner.owned.append(index)
        for bit, branch in (first, second):
            with self.builder.block(branch.block):
                self.builder.store(index, bit)
        self.know(index, None)
        return self.bit(index)


def _equal(one: Change, two: Change) -> bool:
    return type(one) is type(two) and one == two

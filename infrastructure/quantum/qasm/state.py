"""What a program knows while it is unrolled: names, values, and what each branch changes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from openqasm3 import ast

from infrastructure.quantum.qasm.circuit_builder import CircuitBuilder
from infrastructure.quantum.qasm.errors import Code, ProgramError
from infrastructure.quantum.qasm.gate_library import Gate
from infrastructure.quantum.qasm.program import ProgramLimits
from infrastructure.quantum.qasm.source import Source
from infrastructure.quantum.qasm.types import BOOL, Bits, Data, Type
from infrastructure.quantum.qasm.values import bits_of, from_bits, scalar
from infrastructure.quantum.qasm.wires import Bit, Tap, Wire, read


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


@dataclass(slots=True)
class Changes:
    """Values before or after a stretch of the program, of what it changes.

    Attributes:
        data: of variables.
        bits: of classical bits, by index; `None` where the value depends on an outcome.
    """

    data: dict[Variable, Data] = field(default_factory=dict)
    bits: dict[int, bool | None] = field(default_factory=dict)


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
        self._journals: list[Changes] = []
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

    def variable(
        self, name: str, declared: Type, data: Data, *, constant: bool = False
    ) -> Variable:
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
            self._journals[-1].bits.setdefault(index, known[index])
        known[index] = value

    def store(self, index: int, bit: Bit) -> None:
        """Set a classical bit of the circuit."""
        if isinstance(bit, Wire):
            if not isinstance(bit, Tap) or bit.clbit != index:
                self.builder.store(index, bit)
                self.know(index, None)
        elif self.bit(index) is not bit:
            self.builder.store(index, bit)
            self.know(index, bit)

    def settle(self, bit: Wire, owned: list[int] | None = None) -> Tap:
        """Return the value of a wire in a scratch bit, which no later assignment changes.

        The scratch bit serves until the end of the statement, or as long as its owner lives.
        """
        index = self.builder.scratch_clbit()
        if owned is None:
            self._temporary.append(index)
            self._origins[index] = self.origins(bit)
        else:
            owned.append(index)
            self._origins.pop(index, None)
        self.builder.store(index, bit)
        self.know(index, None)
        return read(index, self.builder.clbits[index])

    def settled(self, bit: Bit, owned: list[int] | None = None) -> Bit:
        """Return a bit whose value no later assignment changes."""
        return self.settle(bit, owned) if isinstance(bit, Wire) else bit

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
            bits = tuple([self.bit(index) for index in variable.storage])
            return from_bits(scalar(variable.type), bits)
        data = variable.data
        if isinstance(data, tuple):
            return from_bits(scalar(variable.type), self.refreshed(data))
        return data

    def refreshed(self, bits: Bits) -> Bits:
        """Return bits with what is known about them by now."""
        return tuple(self.bit(bit.clbit) if isinstance(bit, Tap) else bit for bit in bits)

    def assign(self, variable: Variable, data: Data) -> None:
        """Let a variable hold data of its type."""
        if variable.storage is not None:
            self._assign_bits(variable.storage, bits_of(variable.type, data))
            return
        fresh: list[int] = []
        if isinstance(data, tuple):
            data = tuple([self.settled(bit, fresh) for bit in data])
        elif isinstance(data, list):
            data = [self._settled_element(element, variable.owned) for element in data]
        self.set_data(variable, data)
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
            [
                bit if isinstance(bit, Tap) and bit.clbit in owned else self.settled(bit, owned)
                for bit in element
            ]
        )

    def set_data(self, variable: Variable, data: Data) -> None:
        if self._journals:
            self._journals[-1].data.setdefault(variable, variable.data)
        variable.data = data

    def _assign_bits(self, storage: tuple[int, ...], bits: Bits) -> None:
        targets = set(storage)
        for index, bit in zip(storage, bits, strict=True):
            is_itself = isinstance(bit, Tap) and bit.clbit == index
            if isinstance(bit, Wire) and not is_itself and not targets.isdisjoint(bit.reads):
                bits = tuple([self.settled(each) for each in bits])
                break
        for index, bit in zip(storage, bits, strict=True):
            self.store(index, bit)

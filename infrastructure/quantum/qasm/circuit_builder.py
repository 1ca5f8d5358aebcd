"""Collects the operations of an unrolled program and turns them into a Qiskit circuit."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit._accelerate.circuit import StandardGate
from qiskit.circuit import (
    CircuitInstruction,
    Clbit,
    Gate,
    IfElseOp,
    Operation,
    Qubit,
    Store,
    WhileLoopOp,
)
from qiskit.circuit.classical import expr, types
from qiskit.circuit.library import Barrier, Measure, Reset

from infrastructure.quantum.qasm.errors import Code, ProgramError
from infrastructure.quantum.qasm.program import ProgramLimits
from infrastructure.quantum.qasm.wires import Bit, Wire

IMPLICIT_REGISTER = "meas"
SCRATCH_REGISTER = "scratch"

_MEASURE = Measure()
_RESET = Reset()
_CLIFFORD = frozenset(
    {"id", "x", "y", "z", "h", "s", "sdg", "sx", "sxdg", "cx", "cy", "cz", "swap", "ecr", "iswap"}
    | {"dcx", "measure", "reset", "barrier", "delay", "store", "if_else", "while_loop"}
)


@dataclass(slots=True)
class Block:
    """The body of a branch or loop: its instructions, and the bits that they touch, by index."""

    instructions: list[CircuitInstruction] = field(default_factory=list)
    qubits: set[int] = field(default_factory=set)
    clbits: set[int] = field(default_factory=set)


class CircuitBuilder:
    """The circuit so far. Qubits and classical bits are named by index.

    Classical bits belong to the program's registers, to the implicit register of target-less
    measurements, or to the scratch register that holds intermediate classical values.
    """

    def __init__(self, limits: ProgramLimits) -> None:
        self.limits = limits
        self.circuit = QuantumCircuit()
        self.qubits: list[Qubit] = []
        self.clbits: list[Clbit] = []
        self.operations = 0
        self.measures = False
        self.effects = 0
        self.names: set[str] = set()
        self.reused = False
        self._used: set[int] = set()
        self._finished: set[int] = set()
        self._implicit: list[Clbit] = []
        self._implicit_indices: list[int] = []
        self._implicit_used = 0
        self._scratch: list[Clbit] = []
        self._scratch_indices: set[int] = set()
        self._free: list[int] = []
        self._blocks: list[Block] = []
        self._append: Callable[[CircuitInstruction], object] = self._append_to_circuit

    def _append_to_circuit(self, instruction: CircuitInstruction) -> None:
        self.circuit._append(instruction)  # noqa: SLF001 - checked here, and 3 times as fast

    def count(self, operations: int) -> None:
        """Count operations and refuse too many."""
        self.operations += operations
        self.effects += 1
        if self.operations > self.limits.max_operations:
            raise ProgramError(
                Code.TOO_MANY_OPERATIONS,
                f"the unrolled circuit has more than {self.limits.max_operations} operations",
            )

    def add_qubits(self, name: str, size: int) -> range:
        """Add a quantum register and return the indices of its qubits."""
        first = len(self.qubits)
        if first + size > self.limits.max_qubits:
            raise ProgramError(
                Code.TOO_MANY_QUBITS,
                f"the program needs more than {self.limits.max_qubits} qubits",
            )
        register = QuantumRegister(size, name)
        self.circuit.add_register(register)
        self.qubits.extend(register)
        return range(first, first + size)

    def _check_clbits(self, more: int) -> None:
        if len(self.clbits) + more > self.limits.max_clbits:
            raise ProgramError(
                Code.TOO_MANY_CLBITS,
                f"the program needs more than {self.limits.max_clbits} classical bits",
            )

    def add_clbits(self, name: str, size: int) -> range:
        """Add a classical register and return the indices of its bits."""
        self._check_clbits(size)
        register = ClassicalRegister(size, name)
        self.circuit.add_register(register)
        first = len(self.clbits)
        self.clbits.extend(register)
        return range(first, first + size)

    def _loose_clbit(self, group: list[Clbit]) -> int:
        self._check_clbits(1)
        bit = Clbit()
        group.append(bit)
        self.clbits.append(bit)
        self.circuit.add_bits([bit])
        return len(self.clbits) - 1

    def implicit_clbit(self) -> int:
        """Return the next bit of the register that target-less measurements fill."""
        self._implicit_used += 1
        if self._implicit_used > len(self._implicit):
            self._implicit_indices.append(self._loose_clbit(self._implicit))
        return self._implicit_indices[self._implicit_used - 1]

    def mark(self) -> tuple[int, int]:
        """Return the present end of the operations, for `forget`."""
        size = len(self._blocks[-1].instructions) if self._blocks else len(self.circuit.data)
        return size, self.effects

    def forget(self, mark: tuple[int, int]) -> bool:
        """Drop the operations since a mark if they only stored intermediate values."""
        size, effects = mark
        if effects != self.effects:
            return False
        instructions = self._blocks[-1].instructions if self._blocks else self.circuit.data
        del instructions[size:]
        return True

    @contextmanager
    def rehearsal(self) -> Iterator[None]:
        """Collect operations only to see what they change, and forget them."""
        used = self._implicit_used
        operations = self.operations
        with self.block():
            yield
        self._implicit_used = used
        self.operations = operations

    def scratch_clbit(self) -> int:
        """Return a bit for an intermediate value."""
        if self._free:
            return self._free.pop()
        index = self._loose_clbit(self._scratch)
        self._scratch_indices.add(index)
        return index

    def is_scratch(self, clbit: int) -> bool:
        """Whether a classical bit only holds intermediate values."""
        return clbit in self._scratch_indices

    def release(self, scratch: Iterable[int]) -> None:
        """Give scratch bits back."""
        self._free.extend(scratch)

    def standard(self, gate: StandardGate, params: Sequence[float], qubits: Sequence[int]) -> None:
        """Apply a gate of the standard library to different qubits."""
        self.count(1)
        self.names.add(gate.name)
        self._use(qubits)
        all_qubits = self.qubits
        operands = [all_qubits[index] for index in qubits]
        self._append(CircuitInstruction.from_standard(gate, operands, params))

    def apply(
        self, operation: Operation, qubits: Sequence[int], clbits: Sequence[int] = ()
    ) -> None:
        """Apply an operation to different qubits and classical bits."""
        self.count(1)
        self.names.add(operation.name)
        self._instruct(operation, qubits, clbits)

    def _instruct(self, operation: Operation, qubits: Sequence[int], clbits: Iterable[int]) -> None:
        all_qubits, all_clbits = self.qubits, self.clbits
        if self._blocks:
            self._blocks[-1].qubits.update(qubits)
            self._blocks[-1].clbits.update(clbits)
        self._append(
            CircuitInstruction(
                operation,
                [all_qubits[index] for index in qubits],
                [all_clbits[index] for index in clbits],
            )
        )

    def _use(self, qubits: Sequence[int]) -> None:
        self._used.update(qubits)
        if self._blocks:
            self._blocks[-1].qubits.update(qubits)
        if self._finished and not self._finished.isdisjoint(qubits):
            self.reused = True

    def gate(
        self, gate: StandardGate | Gate, params: Sequence[float], qubits: Sequence[int]
    ) -> None:
        """Apply a gate to different qubits."""
        if not isinstance(gate, StandardGate):
            self._use(qubits)
            self.apply(gate, qubits)
        elif gate is not StandardGate.GlobalPhase:
            self.standard(gate, params, qubits)
        elif not self._blocks:
            self.circuit.global_phase += params[0]

    def measure(self, qubit: int, clbit: int) -> None:
        """Measure a qubit into a classical bit."""
        self._use((qubit,))
        self._finished.add(qubit)
        self.measures = True
        self.apply(_MEASURE, (qubit,), (clbit,))

    def reset(self, qubit: int) -> None:
        """Reset a qubit; nothing happens to one that is still in its initial state."""
        if qubit not in self._used and not self._blocks:
            return
        self._use((qubit,))
        self.apply(_RESET, (qubit,))
        self.reused = True

    def barrier(self, qubits: Sequence[int]) -> None:
        """Keep operations before and after apart; it counts as one per qubit."""
        self.count(len(qubits))
        self.names.add("barrier")
        self._instruct(Barrier(len(qubits)), qubits, ())

    def store(self, clbit: int, bit: Bit) -> None:
        """Set a classical bit to a known value or to the value of a formula."""
        self.count(1)
        self.effects -= clbit in self._scratch_indices
        self.names.add("store")
        touched = (clbit, *bit.reads) if isinstance(bit, Wire) else (clbit,)
        if self._blocks:
            self._blocks[-1].clbits.update(touched)
        value = bit.formula if isinstance(bit, Wire) else bit
        assignment = Store(expr.Var(self.clbits[clbit], types.Bool()), expr.lift(value))
        self._append(CircuitInstruction(assignment, (), ()))

    @contextmanager
    def block(self, block: Block | None = None) -> Iterator[Block]:
        """Collect what follows as the body of a branch or loop, or add to such a body."""
        block = block or Block()
        outer = self._append
        self._blocks.append(block)
        self._append = block.instructions.append
        try:
            yield block
        finally:
            self._append = outer
            self._blocks.pop()

    def branch(self, condition: Wire, body: Block, otherwise: Block) -> None:
        """Run one of two bodies, as an outcome decides."""
        if not body.instructions and not otherwise.instructions:
            return
        bodies = [body, otherwise] if otherwise.instructions else [body]
        qubits, clbits, circuits = self._bodies(condition, bodies)
        otherwise_circuit = circuits[1] if len(circuits) > 1 else None
        self.apply(IfElseOp(condition.formula, circuits[0], otherwise_circuit), qubits, clbits)

    def loop(self, condition: Wire, body: Block) -> None:
        """Run a body as long as a condition holds."""
        qubits, clbits, circuits = self._bodies(condition, [body])
        self.apply(WhileLoopOp(condition.formula, circuits[0]), qubits, clbits)

    def _bodies(
        self, condition: Wire, blocks: list[Block]
    ) -> tuple[list[int], list[int], list[QuantumCircuit]]:
        # Aer drops branches that touch no qubit at all, so that one at least is named.
        qubits = sorted(set().union(*(block.qubits for block in blocks))) or [0]
        clbits = sorted(condition.reads.union(*(block.clbits for block in blocks)))
        wires = [self.qubits[index] for index in qubits]
        bits = [self.clbits[index] for index in clbits]
        circuits = []
        for block in blocks:
            circuit = QuantumCircuit(wires, bits)
            for instruction in block.instructions:
                circuit._append(instruction)  # noqa: SLF001 - its bits are those gathered above
            circuits.append(circuit)
        return qubits, clbits, circuits

    def measure_all(self) -> None:
        """Measure every qubit into one new register."""
        clbits = self.add_clbits(self._free_name(IMPLICIT_REGISTER), len(self.qubits))
        for qubit, clbit in enumerate(clbits):
            self.measure(qubit, clbit)

    @property
    def is_dynamic(self) -> bool:
        """Whether shots cannot be sampled from one final state."""
        return self.reused or not self.names.isdisjoint(("if_else", "while_loop", "store"))

    @property
    def is_clifford(self) -> bool:
        """Whether every gate is a Clifford gate by name."""
        return self.names <= _CLIFFORD

    @property
    def scratch_bits(self) -> int:
        """How many classical bits hold intermediate values."""
        return len(self._scratch)

    def finish(self) -> QuantumCircuit:
        """Return the circuit with all its registers; those of loose bits come last."""
        circuit = self.circuit
        loose = self._implicit + self._scratch
        if circuit.clbits[len(circuit.clbits) - len(loose) :] != loose:
            circuit = QuantumCircuit(*self.circuit.qregs, *self.circuit.cregs, loose)
            for instruction in self.circuit.data:
                circuit._append(instruction)  # noqa: SLF001 - the same bits in another order
        for name, bits in ((IMPLICIT_REGISTER, self._implicit), (SCRATCH_REGISTER, self._scratch)):
            if bits:
                circuit.add_register(ClassicalRegister(name=self._free_name(name), bits=bits))
        return circuit

    def _free_name(self, name: str) -> str:
        taken = {register.name for register in (*self.circuit.cregs, *self.circuit.qregs)}
        while name in taken:
            name += "_"
        return name

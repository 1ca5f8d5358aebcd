"""Circuits whose measurements all come last: what they measure, and nothing they do not need."""

from collections.abc import Mapping
from dataclasses import dataclass

from qiskit import QuantumCircuit
from qiskit.circuit import CircuitInstruction, Clbit, Qubit

SHOT_BY_SHOT = frozenset(
    {"if_else", "while_loop", "for_loop", "switch_case", "box", "store", "break_loop",
     "continue_loop", "initialize", "if_test"}
)  # fmt: skip
_WITHOUT_EFFECT = frozenset({"barrier", "delay", "id"})


@dataclass(frozen=True, slots=True)
class TerminalCircuit:
    """One final state that all shots are drawn from.

    Attributes:
        gates: the gates that can influence an outcome, on the qubits they touch, with a classical
            bit for each outcome bit.
        qubits: index in `gates` of each measured qubit; outcome bit j is that of `qubits[j]`.
        sources: for each classical bit of the program the outcome bit it takes; bits that are
            missing stay 0.
    """

    gates: QuantumCircuit
    qubits: tuple[int, ...]
    sources: Mapping[int, int]


def terminal_circuit(circuit: QuantumCircuit) -> TerminalCircuit | None:
    """Split a circuit into its final state and its measurements.

    Gates outside the light cone of the measurements are left out, and so are resets of qubits
    that are still untouched.

    Returns:
        None if an outcome steers the rest of the circuit or a qubit is used again after it was
        measured or reset; such a circuit has to be run shot by shot.
    """
    if not SHOT_BY_SHOT.isdisjoint(circuit.count_ops()):
        return None
    measured_by: dict[int, Qubit] = {}
    touched: set[Qubit] = set()
    reset: set[Qubit] = set()
    cone: set[Qubit] = set()
    kept: list[CircuitInstruction] = []
    clbit_indices = {bit: index for index, bit in enumerate(circuit.clbits)}
    for instruction in reversed(circuit.data):
        name, qubits = instruction.name, instruction.qubits
        if name in _WITHOUT_EFFECT:
            continue
        if not reset.isdisjoint(qubits):
            return None
        if name == "measure":
            (qubit,) = qubits
            if qubit in touched:
                return None
            clbit = clbit_indices[instruction.clbits[0]]
            if clbit not in measured_by:
                measured_by[clbit] = qubit
                cone.add(qubit)
        elif name == "reset":
            reset.update(qubits)
        else:
            touched.update(qubits)
            if not cone.isdisjoint(qubits):
                cone.update(qubits)
                kept.append(instruction)
    return _assemble(circuit, kept, cone, measured_by)


def _assemble(
    circuit: QuantumCircuit,
    kept: list[CircuitInstruction],
    cone: set[Qubit],
    measured_by: Mapping[int, Qubit],
) -> TerminalCircuit:
    active = [qubit for qubit in circuit.qubits if qubit in cone]
    places = {qubit: index for index, qubit in enumerate(active)}
    sources: dict[int, int] = {}
    bits: dict[Qubit, int] = {}
    for clbit in sorted(measured_by):
        sources[clbit] = bits.setdefault(measured_by[clbit], len(bits))
    reduced = QuantumCircuit(active, [Clbit() for _ in bits], global_phase=circuit.global_phase)
    append = reduced._append  # noqa: SLF001 - the public way checks again what holds already
    for instruction in reversed(kept):
        append(instruction)
    return TerminalCircuit(reduced, tuple(places[qubit] for qubit in bits), sources)

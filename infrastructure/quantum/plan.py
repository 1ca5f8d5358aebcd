"""From a compiled program to what exactly will be simulated, and how shots are drawn from it."""

from dataclasses import dataclass, replace
from typing import Literal

from qiskit import QuantumCircuit
from qiskit.circuit import CircuitInstruction, Measure
from qiskit_aer.library import SaveProbabilities

from domain.execution import MAX_SEED, Method
from infrastructure.quantum.bonds import bond_exponent
from infrastructure.quantum.limits import EngineLimits
from infrastructure.quantum.method import Choice, Workload, choose_method
from infrastructure.quantum.qasm import Program
from infrastructure.quantum.terminal import TerminalCircuit, terminal_circuit
from infrastructure.quantum.translation import operation_names, translate

Sampler = Literal["exact_probabilities", "stabilizer_support", "final_state", "shot_by_shot"]

_WIDEST_EXACT = {"statevector": 18, "density_matrix": 13}
_NARROW = 20
_NOT_BRANCHING = frozenset(
    {"store", "while_loop", "for_loop", "switch_case", "break_loop", "continue_loop"}
)
_MOST_BRANCHES = 2048
_BRANCH_BYTES = 256 * 1024 * 1024
_AMPLITUDE_BYTES = 16


@dataclass(frozen=True, slots=True)
class Plan:
    """What to hand to the simulator.

    Attributes:
        circuit: in the gates of the method; it ends with measurements of the outcome bits in
            their order, or with an instruction that saves their probabilities.
        choice: the method and why.
        sampler: where shots come from: our draw from exact probabilities, our draw from the
            support of a stabilizer state, Aer's draw from the final state, or one simulation for
            each shot.
        terminal: the measurements of a circuit that has one final state, else None.
        branching: shots share a state until a measurement tells them apart.
        batch: shots that are simulated together.
        loops: outcomes decide how often something is repeated, so that it may have no end.
    """

    circuit: QuantumCircuit
    choice: Choice
    sampler: Sampler
    terminal: TerminalCircuit | None
    branching: bool = False
    batch: int = MAX_SEED
    loops: bool = False


def make_plan(program: Program, requested: Method, limits: EngineLimits) -> Plan:
    """Decide how to simulate a program.

    Raises:
        Refused: no method can do it, or not the requested one.
    """
    terminal = terminal_circuit(program.circuit)
    if terminal is None:
        return _shot_by_shot(program, requested, limits)
    bits = len(terminal.qubits)
    work = Workload(
        qubits=terminal.gates.num_qubits,
        clifford=program.clifford,
        bond_exponent=_bond_exponent(terminal.gates),
    )
    choice = choose_method(requested, work, limits)
    circuit = translate(terminal.gates, choice.method)
    if choice.method == "stabilizer":
        gates = replace(terminal, gates=circuit)
        return Plan(_measured(circuit, terminal), choice, "stabilizer_support", gates)
    if bits <= _WIDEST_EXACT.get(choice.method, 0):
        return Plan(_saving(circuit, terminal), choice, "exact_probabilities", terminal)
    return Plan(_measured(circuit, terminal), choice, "final_state", terminal)


def _bond_exponent(gates: QuantumCircuit) -> int:
    """The bound matters only where a statevector might not fit."""
    half = gates.num_qubits // 2
    return bond_exponent(gates) if gates.num_qubits > _NARROW else half


def _shot_by_shot(program: Program, requested: Method, limits: EngineLimits) -> Plan:
    circuit = program.circuit
    used = {qubit for instruction in circuit.data for qubit in instruction.qubits}
    work = Workload(
        qubits=len(used),
        clifford=program.clifford,
        bond_exponent=len(used) // 2,
    )
    choice = choose_method(requested, work, limits)
    translated = translate(circuit, choice.method)
    batch = _branches(choice.method, work.qubits) if _can_branch(translated) else None
    return Plan(
        translated,
        choice,
        "shot_by_shot",
        terminal=None,
        branching=batch is not None,
        batch=batch or MAX_SEED,
        loops="while_loop" in operation_names(translated),
    )


def _can_branch(circuit: QuantumCircuit) -> bool:
    """Whether Aer can share states between shots: it crashes on assignments, as loops have them."""
    return _NOT_BRANCHING.isdisjoint(operation_names(circuit))


def _branches(method: Method, qubits: int) -> int | None:
    """How many states may be held at once, for shots to branch; None if they cannot.

    The bound depends on nothing but the circuit, so that the same seed gives the same counts
    whatever the limits are.
    """
    exponents = {"statevector": qubits, "density_matrix": 2 * qubits}
    if method not in exponents:
        return None
    states = min(_MOST_BRANCHES, _BRANCH_BYTES // (_AMPLITUDE_BYTES << exponents[method]))
    return states if states > 1 else None


def _saving(circuit: QuantumCircuit, terminal: TerminalCircuit) -> QuantumCircuit:
    """Save the probabilities of the outcomes at the end of a circuit."""
    saving = circuit.copy()
    saving.append(SaveProbabilities(len(terminal.qubits)), list(terminal.qubits))
    return saving


def _measured(circuit: QuantumCircuit, terminal: TerminalCircuit) -> QuantumCircuit:
    """Measure the outcome bits, in their own order, at the end of a circuit."""
    measured = circuit.copy()
    qubits, clbits = circuit.qubits, circuit.clbits
    for clbit, qubit in enumerate(terminal.qubits):
        measured._append(CircuitInstruction(Measure(), (qubits[qubit],), (clbits[clbit],)))  # noqa: SLF001
    return measured

"""From a compiled program to what exactly will be simulated, and how shots are drawn from it."""

from dataclasses import dataclass
from typing import Literal

from qiskit import QuantumCircuit

from domain.execution import Method
from infrastructure.quantum.bonds import bond_exponent
from infrastructure.quantum.limits import EngineLimits
from infrastructure.quantum.method import Choice, Workload, choose_method
from infrastructure.quantum.qasm import Program
from infrastructure.quantum.terminal import TerminalCircuit, terminal_circuit
from infrastructure.quantum.translation import translate

Sampler = Literal["exact_probabilities", "final_state", "shot_by_shot"]

_WIDEST_EXACT = {"statevector": 18, "density_matrix": 13, "stabilizer": 8}


@dataclass(frozen=True, slots=True)
class Plan:
    """What to hand to the simulator.

    Attributes:
        circuit: in the gates of the method; without measurements if the sampler is
            `exact_probabilities`.
        choice: the method and why.
        sampler: where shots come from: our draw from exact probabilities, Aer's draw from the
            final state, or one simulation for each shot.
        terminal: the measurements of a circuit that has one final state, else None.
    """

    circuit: QuantumCircuit
    choice: Choice
    sampler: Sampler
    terminal: TerminalCircuit | None


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
        qubits=terminal.circuit.num_qubits,
        clifford=program.clifford,
        dynamic=False,
        probabilities=0,
        bond_exponent=bond_exponent(terminal.circuit),
    )
    choice = choose_method(requested, work, limits)
    circuit = translate(terminal.circuit, choice.method)
    if bits <= _WIDEST_EXACT.get(choice.method, 0):
        return Plan(circuit, choice, "exact_probabilities", terminal)
    return Plan(_measured(circuit, terminal), choice, "final_state", terminal)


def _shot_by_shot(program: Program, requested: Method, limits: EngineLimits) -> Plan:
    circuit = program.circuit
    used = {qubit for instruction in circuit.data for qubit in instruction.qubits}
    work = Workload(
        qubits=len(used),
        clifford=program.clifford,
        dynamic=True,
        probabilities=0,
        bond_exponent=len(used) // 2,
    )
    choice = choose_method(requested, work, limits)
    return Plan(translate(circuit, choice.method), choice, "shot_by_shot", None)


def _measured(circuit: QuantumCircuit, terminal: TerminalCircuit) -> QuantumCircuit:
    """Measure the outcome bits, in their own order, at the end of a circuit."""
    bits = len(terminal.qubits)
    measured = QuantumCircuit(circuit.num_qubits, bits, global_phase=circuit.global_phase)
    measured.compose(circuit, inplace=True, copy=False)
    measured.measure(list(terminal.qubits), range(bits))
    return measured

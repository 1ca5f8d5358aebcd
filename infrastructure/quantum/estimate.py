"""How long a run will take: a simple model of what the engine was measured to take.

A gate costs a fixed time, for handing it over, and one for each amplitude of the state; shots, and
what is measured, cost more on top. `docs/execution.md` has the formulas and how well they hold. The
constants are processor seconds on one machine; `slowness` compares another with it.
"""

import time
from dataclasses import dataclass

from qiskit import QuantumCircuit
from qiskit_aer.library import SaveProbabilities

from domain.execution import RunOptions
from infrastructure.quantum.aer import Aer
from infrastructure.quantum.bonds import bond_exponent
from infrastructure.quantum.limits import EngineLimits
from infrastructure.quantum.plan import Plan
from infrastructure.quantum.preparation import Prepared
from infrastructure.quantum.stabilizer import support

_BASE = 0.8e-3
_GATE = 20e-6
_AMPLITUDE = 3.2e-9
_DENSITY_AMPLITUDE = 7e-9
_OVERHEAD_GATES = 8
"""Making a state and reading probabilities from it takes about as long as so many gates."""
_EXACT_SHOT = 0.12e-6
_FINAL_SHOT = 4e-6
_TABLEAU_BIT = 50e-9
_BRANCH_GATE = 8e-6
_PRODUCT_SHOT = 3e-6
_PRODUCT_AMPLITUDE = 8e-9
_EXTENDED_SHOT = (0.02, 0.4)
_LOW, _HIGH = 0.35, 3.0
"""A run takes so many times what the model says; the machine's other work is part of that."""

_PROBE_QUBITS = 14
_PROBE_GATES = 40
_PROBE_TURNS = 3
_MOST_DOUBLINGS = 64


@dataclass(frozen=True, slots=True)
class Seconds:
    """A range of time."""

    low: float
    high: float


def slowness(aer: Aer) -> float:
    """Return how many times as long as the machine of the constants this one takes.

    Processor time is compared, so that other processes matter little.
    """
    circuit = QuantumCircuit(_PROBE_QUBITS)
    for gate in range(_PROBE_GATES):
        qubit = gate % _PROBE_QUBITS
        circuit.rx(0.1 + gate, qubit)
        circuit.cx(qubit, (qubit + 5) % _PROBE_QUBITS)
    circuit.append(SaveProbabilities(_PROBE_QUBITS), list(circuit.qubits))
    taken = []
    for turn in range(_PROBE_TURNS):
        begun = time.process_time()
        aer.probabilities(circuit, "statevector", turn)
        taken.append(time.process_time() - begun)
    return min(taken) / _state_seconds(2 * _PROBE_GATES, _PROBE_QUBITS, _AMPLITUDE)


def expected_seconds(
    prepared: Prepared, options: RunOptions, limits: EngineLimits, slower: float
) -> Seconds:
    """Return how long a run will take, reading and compiling included.

    Neither bound is above the time at which the run would be stopped.

    Args:
        slower: see `slowness`.
    """
    front = prepared.parse_seconds + prepared.compile_seconds
    work = _work(prepared.plan, options.shots)
    stopped = limits.timeout(options.timeout_seconds)
    return Seconds(
        low=min(stopped, _LOW * (front + slower * work.low)),
        high=min(stopped, _HIGH * (front + slower * work.high)),
    )


def _work(plan: Plan, shots: int) -> Seconds:
    """Return the processor time of a simulation on the machine of the constants."""
    circuit, method = plan.circuit, plan.choice.method
    gates, qubits = len(circuit.data), circuit.num_qubits
    if plan.sampler == "shot_by_shot":
        return _shot_by_shot(plan, shots)
    if method == "matrix_product_state":
        return _matrix_products(plan, shots)
    if method == "extended_stabilizer":
        fewest, most = _EXTENDED_SHOT
        return Seconds(_BASE + shots * fewest, _BASE + gates * _GATE + shots * most)
    if plan.sampler == "stabilizer_support":
        rows = qubits + _distinct(plan, shots)
        seconds = _BASE + gates * _GATE + qubits * rows * _TABLEAU_BIT
    elif method == "density_matrix":
        seconds = _state_seconds(gates, 2 * qubits, _DENSITY_AMPLITUDE) + shots * _EXACT_SHOT
    else:
        shot = _EXACT_SHOT if plan.sampler == "exact_probabilities" else _FINAL_SHOT
        seconds = _state_seconds(gates, qubits, _AMPLITUDE) + shots * shot
    return Seconds(seconds, seconds)


def _state_seconds(gates: int, doublings: int, amplitude: float) -> float:
    """Return what gates on a state of 2^doublings amplitudes take."""
    amplitudes = 1 << min(doublings, _MOST_DOUBLINGS)
    return _BASE + gates * _GATE + (gates + _OVERHEAD_GATES) * amplitudes * amplitude


def _distinct(plan: Plan, shots: int) -> int:
    """Return how many distinct outcomes a stabilizer state can give in so many shots."""
    if plan.terminal is None:
        return shots
    dimension = support(plan.terminal.gates, plan.terminal.qubits).dimension
    return min(shots, 1 << min(dimension, _MOST_DOUBLINGS))


def _matrix_products(plan: Plan, shots: int) -> Seconds:
    """Between a state with little entanglement and one with all that the gates could make."""
    gates, qubits = len(plan.circuit.data), plan.circuit.num_qubits
    least = _BASE + gates * _GATE + shots * qubits * _PRODUCT_SHOT
    bond = 1 << min(bond_exponent(plan.circuit), _MOST_DOUBLINGS)
    return Seconds(least, least + gates * float(bond) ** 3 * _PRODUCT_AMPLITUDE)


def _shot_by_shot(plan: Plan, shots: int) -> Seconds:
    """Between one state that all shots share and one for each shot; loops may take any time."""
    gates, qubits = len(plan.circuit.data), plan.circuit.num_qubits
    amplitudes = {"statevector": 1 << qubits, "density_matrix": 1 << (2 * qubits)}
    state = amplitudes.get(plan.choice.method, qubits) * _AMPLITUDE
    once = gates * (_BRANCH_GATE + state)
    if plan.loops:
        return Seconds(_BASE + gates * _GATE + once, float("inf"))
    states = shots
    if plan.branching:
        states = min(shots, 1 << min(_steering(plan.circuit), _MOST_DOUBLINGS))
    least = 1 if plan.branching else shots
    head = _BASE + gates * _GATE
    return Seconds(head + least * once / 4, head + shots * _FINAL_SHOT + states * once)


def _steering(circuit: QuantumCircuit) -> int:
    """Count what can tell shots apart."""
    counted = circuit.count_ops()
    return int(counted.get("measure", 0) + counted.get("reset", 0))

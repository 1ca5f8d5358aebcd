"""From library gates to the gates that a simulation method knows, and only where needed."""

import functools
from collections.abc import Set

from qiskit import QuantumCircuit
from qiskit.circuit import CircuitInstruction, ControlFlowOp, Instruction
from qiskit.circuit.equivalence_library import SessionEquivalenceLibrary
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import Clifford, Operator
from qiskit.transpiler import PassManager
from qiskit.transpiler.passes import BasisTranslator, HighLevelSynthesis, UnrollCustomDefinitions
from qiskit_aer.backends.backend_utils import BASIS_GATES

from infrastructure.quantum.refusal import Reason, Refused

_ALWAYS_NATIVE = frozenset(
    {"measure", "reset", "barrier", "delay", "id", "if_else", "while_loop", "for_loop",
     "switch_case", "break_loop", "continue_loop", "store", "box", "save_probabilities"}
)  # fmt: skip
_NESTING = frozenset({"if_else", "while_loop", "for_loop", "switch_case", "box"})
# Aer takes rz by any angle here and rounds it to a quarter turn.
_NOT_TRUSTED = {"stabilizer": {"rz", "pauli"}, "extended_stabilizer": {"rz", "pauli"}}

_CLIFFORD_CACHE_SIZE = 1024
_clifford_cache: dict[tuple[str | float, ...], QuantumCircuit] = {}


@functools.cache
def native_gates(method: str) -> frozenset[str]:
    """Names of the operations that a method runs as they are."""
    return frozenset(BASIS_GATES[method]) - _NOT_TRUSTED.get(method, set()) | _ALWAYS_NATIVE


def translate(circuit: QuantumCircuit, method: str) -> QuantumCircuit:
    """Rewrite the operations that `method` does not know; the same circuit if it knows all.

    Raises:
        Refused: the method cannot run the circuit (`unsuitable_method`).
    """
    native = native_gates(method)
    if native.issuperset(operation_names(circuit)):
        return circuit
    if method == "stabilizer":
        return _in_clifford_gates(circuit, native)
    try:
        return _pass_manager(method).run(circuit)
    except QiskitError as error:
        raise Refused(
            Reason.UNSUITABLE_METHOD,
            f"The {method.replace('_', ' ')} method cannot run this circuit:"
            f" {str(error).strip(chr(34)).splitlines()[0]}",
        ) from error


def operation_names(circuit: QuantumCircuit) -> Set[str]:
    """Names of all operations, those inside control flow included."""
    names = set(circuit.count_ops())
    if not names.isdisjoint(_NESTING):
        for instruction in circuit.data:
            if isinstance(instruction.operation, ControlFlowOp):
                for block in instruction.operation.blocks:
                    names.update(operation_names(block))
    return names


@functools.cache
def _pass_manager(method: str) -> PassManager:
    basis = sorted(native_gates(method))
    return PassManager(
        [
            HighLevelSynthesis(basis_gates=basis, equivalence_library=SessionEquivalenceLibrary),
            UnrollCustomDefinitions(SessionEquivalenceLibrary, basis_gates=basis),
            BasisTranslator(SessionEquivalenceLibrary, basis),
        ]
    )


def _in_clifford_gates(circuit: QuantumCircuit, native: frozenset[str]) -> QuantumCircuit:
    rewritten = circuit.copy_empty_like()
    append = rewritten._append  # noqa: SLF001 - the public way checks again what holds already
    for instruction in circuit.data:
        operation = instruction.operation
        if isinstance(operation, ControlFlowOp):
            blocks = [_in_clifford_gates(block, native) for block in operation.blocks]
            append(instruction.replace(operation=operation.replace_blocks(blocks)))
        elif instruction.name in native:
            append(instruction)
        else:
            for part in _clifford_parts(operation).data:
                qubits = [instruction.qubits[part_qubit._index] for part_qubit in part.qubits]  # noqa: SLF001
                append(CircuitInstruction(part.operation, qubits, ()))
    return rewritten


def _clifford_parts(operation: Instruction) -> QuantumCircuit:
    if not all(isinstance(param, int | float) for param in operation.params):
        return _synthesize(operation)
    key = (operation.name, *operation.params)
    if key not in _clifford_cache:
        if len(_clifford_cache) >= _CLIFFORD_CACHE_SIZE:
            _clifford_cache.clear()
        _clifford_cache[key] = _synthesize(operation)
    return _clifford_cache[key]


def _synthesize(operation: Instruction) -> QuantumCircuit:
    try:
        return Clifford.from_operator(Operator(operation)).to_circuit()
    except QiskitError as error:
        raise Refused(
            Reason.UNSUITABLE_METHOD,
            f"The stabilizer method cannot run the gate {operation.name}, which is no Clifford"
            " gate.",
        ) from error

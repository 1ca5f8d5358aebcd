"""A compiled circuit drawn with characters."""

from qiskit import QuantumCircuit
from qiskit.circuit import ControlFlowOp

from infrastructure.quantum.refusal import Reason, Refused

MOST_WIRES = 64
MOST_OPERATIONS = 1_000
_COLUMNS = 120


def draw(circuit: QuantumCircuit) -> str:
    """Return a circuit as lines of text, folded after some 120 columns.

    Raises:
        Refused: `too_large_to_draw`. The time grows with wires times operations, and nobody reads
            what has so many.
    """
    wires = circuit.num_qubits + len(circuit.cregs)
    if wires > MOST_WIRES:
        raise Refused(
            Reason.TOO_LARGE_TO_DRAW,
            f"The circuit has {wires} qubits and classical registers together, and at most"
            f" {MOST_WIRES} are drawn.",
        )
    operations = _operations(circuit)
    if operations > MOST_OPERATIONS:
        raise Refused(
            Reason.TOO_LARGE_TO_DRAW,
            f"The circuit has {operations} operations after unrolling, and at most"
            f" {MOST_OPERATIONS} are drawn.",
        )
    drawing: str = circuit.draw("text", fold=_COLUMNS).single_string()
    return drawing + "\n"


def _operations(circuit: QuantumCircuit) -> int:
    """Count the operations, those inside branches and loops too."""
    return sum(
        1 + sum(map(_operations, instruction.operation.blocks))
        if isinstance(instruction.operation, ControlFlowOp)
        else 1
        for instruction in circuit.data
    )

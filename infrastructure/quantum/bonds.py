"""How much entanglement a circuit can build up along the line of its qubits."""

from itertools import accumulate

from qiskit import QuantumCircuit

_OPERATOR_RANK_TWO = frozenset(
    {"cx", "cy", "cz", "ch", "cp", "crx", "cry", "crz", "cs", "csdg", "csx", "cu", "cu1", "cu3",
     "rxx", "ryy", "rzz", "rzx", "ecr", "ccx", "ccz", "mcx", "mcp", "mcphase"}
)  # fmt: skip


def bond_exponent(circuit: QuantumCircuit) -> int:
    """Bound the binary logarithm of the bond dimension over all cuts of the qubit line.

    A controlled gate or a two-qubit rotation at most doubles the bond of each cut it crosses,
    another gate multiplies it by four, and no cut needs more than its smaller side can hold.
    """
    qubits = circuit.num_qubits
    places = {qubit: index for index, qubit in enumerate(circuit.qubits)}
    crossings = [0] * (qubits + 1)
    for instruction in circuit.data:
        touched = [places[qubit] for qubit in instruction.qubits]
        if len(touched) > 1:
            weight = 1 if instruction.name in _OPERATOR_RANK_TWO else 2
            crossings[min(touched)] += weight
            crossings[max(touched)] -= weight
    cuts = enumerate(accumulate(crossings[:-2]), start=1)
    return max((min(bond, cut, qubits - cut) for cut, bond in cuts), default=0)

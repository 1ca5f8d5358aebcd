"""What the front end takes and gives: limits in, a circuit ready to simulate out."""

from dataclasses import dataclass

from qiskit import QuantumCircuit

from infrastructure.quantum.qasm.canonical import canonical_text


@dataclass(frozen=True, slots=True)
class ProgramLimits:
    """How much a program may ask for. Every excess is a `ProgramError` with a code of its own.

    Attributes:
        max_bytes: size of the text in bytes of UTF-8.
        max_nesting: depth of expressions, blocks, and calls of gates and subroutines.
        max_qubits: declared qubits.
        max_clbits: classical bits in registers, target-less measurements included.
        max_operations: operations of the circuit after unrolling.
        max_steps: statements executed and expressions evaluated while unrolling; a call of a
            subroutine counts as several.
        max_controls: control qubits of one gate.
        max_array_elements: elements of one classical array.
    """

    max_bytes: int = 1_048_576
    max_nesting: int = 64
    max_qubits: int = 10_000
    max_clbits: int = 65_536
    max_operations: int = 1_000_000
    max_steps: int = 500_000
    max_controls: int = 12
    max_array_elements: int = 65_536


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled program.

    Attributes:
        circuit: unrolled circuit of standard library gates, measurements, resets, barriers,
            delays and, where outcomes steer it, control flow. Its classical registers are the
            global bit registers in order of declaration, each scalar `bit` a register of one,
            followed by the implicit register of target-less measurements, if there are any.
        version: "2.0", "3.0" or "3.1", as stated or as detected.
        dynamic: outcomes of one shot steer the rest of it, or a qubit is used again after it was
            measured or reset, so that shots cannot be sampled from one final state.
        clifford: every gate is Clifford, so that the stabilizer method is exact at any width.
        implicit_measurement: the final measurement of all qubits was added on request.
        scratch_bits: size of the last classical register if it only holds intermediate values and
            is not part of the outcome; 0 if there is no such register.
    """

    circuit: QuantumCircuit
    version: str
    dynamic: bool
    clifford: bool
    implicit_measurement: bool
    scratch_bits: int = 0

    @property
    def normalised(self) -> str:
        """Canonical text of the circuit.

        It is equal for programs that differ only in layout, comments, includes, names or how the
        same operations are written down.
        """
        return canonical_text(self.circuit)

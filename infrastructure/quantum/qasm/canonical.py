"""A text that is the same for programs that unroll to the same circuit."""

from collections.abc import Iterator

from qiskit import QuantumCircuit
from qiskit.circuit import ControlFlowOp, Store
from qiskit.circuit.classical import expr


def canonical_text(circuit: QuantumCircuit) -> str:
    """Return the circuit line by line: sizes, then each operation with its angles and bits.

    Names of registers do not matter, their sizes and order do, because outcomes depend on them.
    Angles are written so that they can be read back exactly.
    """
    head = [f"qubits {circuit.num_qubits}", *(f"bits {r.size}" for r in circuit.cregs)]
    places: dict[object, int] = {bit: place for place, bit in enumerate(circuit.qubits)}
    places |= {bit: place for place, bit in enumerate(circuit.clbits)}
    return "\n".join([*head, *_lines(circuit, places)])


def _lines(circuit: QuantumCircuit, places: dict[object, int]) -> Iterator[str]:
    for instruction in circuit.data:
        operation = instruction.operation
        qubits = ",".join([str(places[qubit]) for qubit in instruction.qubits])
        clbits = ",".join([str(places[clbit]) for clbit in instruction.clbits])
        if isinstance(operation, ControlFlowOp):
            yield f"{operation.name} {_formula(operation.condition, places)}"
            for block in operation.blocks:
                yield "{"
                yield from _lines(block, places)
                yield "}"
        elif isinstance(operation, Store):
            yield f"store {_formula(operation.lvalue, places)} {_formula(operation.rvalue, places)}"
        else:
            params = ",".join([_parameter(param) for param in instruction.params])
            yield f"{instruction.name}({params}) {qubits}{' -> ' if clbits else ''}{clbits}"


def _parameter(value: object) -> str:
    tolist = getattr(value, "tolist", None)
    return repr(value if tolist is None else tolist())


def _formula(node: object, places: dict[object, int]) -> str:
    if isinstance(node, expr.Var):
        return f"c{places[node.var]}"
    if isinstance(node, expr.Value):
        return repr(node.value)
    if isinstance(node, expr.Unary):
        return f"{node.op.name}({_formula(node.operand, places)})"
    if isinstance(node, expr.Binary):
        left, right = _formula(node.left, places), _formula(node.right, places)
        return f"{node.op.name}({left},{right})"
    raise AssertionError(f"unexpected formula {node!r}")

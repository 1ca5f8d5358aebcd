"""Qubits as operands: registers, their parts, aliases, and physical qubits."""

from collections.abc import Iterable, Iterator

from openqasm3 import ast

from infrastructure.quantum.qasm.errors import Code
from infrastructure.quantum.qasm.expressions import Expressions
from infrastructure.quantum.qasm.indexing import IndexOperator, indices_of
from infrastructure.quantum.qasm.ops import Op
from infrastructure.quantum.qasm.state import Qubits


class QuantumOperands(Expressions):
    """Finds the qubits that operands name."""

    _collected: list[Op] | None = None
    """Operations of the gate whose body is being expanded, if that is so."""

    def qubits(self, node: ast.Expression | ast.IndexedIdentifier) -> Qubits:
        """Return the qubits of an operand."""
        if isinstance(node, ast.Identifier):
            return self._named_qubits(node)
        if isinstance(node, ast.IndexedIdentifier):
            qubits = self._named_qubits(node.name)
            for index in node.indices:
                qubits = self._part(qubits, index, node)
            return qubits
        if isinstance(node, ast.IndexExpression):
            return self._part(self.qubits(node.collection), node.index, node)
        raise self.error(Code.TYPE_ERROR, "expected qubits", node)

    def _named_qubits(self, node: ast.Identifier) -> Qubits:
        symbol = self.lookup(node.name)
        if isinstance(symbol, Qubits):
            return symbol
        if symbol is None and node.name.startswith("$") and self._collected is None:
            return self._physical_qubit(node)
        if symbol is None:
            raise self.error(Code.UNDEFINED_NAME, f"'{node.name}' is not defined", node)
        raise self.error(Code.TYPE_ERROR, f"'{node.name}' is not a qubit or quantum register", node)

    def _physical_qubit(self, node: ast.Identifier) -> Qubits:
        """Return a physical qubit; those with smaller numbers exist as well."""
        number = int(node.name[1:])
        if number >= self.limits.max_qubits:
            raise self.error(
                Code.TOO_MANY_QUBITS,
                f"{node.name[:20]} is beyond the limit of {self.limits.max_qubits} qubits",
                node,
            )
        first = sum(name.startswith("$") for name in self.scopes[0])
        for missing in range(first, number + 1):
            added = self.builder.add_qubits(f"${missing}", 1)
            qubit = Qubits(tuple(added), scalar=True)
            self.scopes[0][f"${missing}"] = qubit
        return qubit

    def _part(
        self,
        qubits: Qubits,
        index: IndexOperator,
        node: ast.QASMNode,
    ) -> Qubits:
        elements = indices_of([index])
        if len(elements) != 1 or qubits.scalar:
            raise self.error(
                Code.TYPE_ERROR, "a quantum register has one index, a single qubit none", node
            )
        size = len(qubits.indices)
        element = elements[0]
        if isinstance(element, (ast.DiscreteSet, ast.RangeDefinition)):
            places = self.positions(element, size, node)
            return Qubits(tuple(qubits.indices[place] for place in places))
        return Qubits((qubits.indices[self.position(element, size, node)],), scalar=True)

    def all_qubits(self, nodes: Iterable[ast.Expression | ast.IndexedIdentifier]) -> list[int]:
        """Return the qubits of several operands, each once; of none: all qubits."""
        operands = [self.qubits(node) for node in nodes]
        if not operands:
            return list(range(len(self.builder.qubits)))
        return list(dict.fromkeys(index for operand in operands for index in operand.indices))

    def broadcast(self, operands: list[Qubits], node: ast.QASMNode) -> Iterator[tuple[int, ...]]:
        """Yield the qubits of each single application of a gate to registers."""
        sizes = {len(operand.indices) for operand in operands if not operand.scalar}
        if len(sizes) > 1:
            raise self.error(
                Code.TYPE_ERROR,
                f"registers of sizes {', '.join(map(str, sorted(sizes)))} do not go together",
                node,
            )
        for place in range(sizes.pop() if sizes else 1):
            qubits = tuple(
                [
                    operand.indices[0] if operand.scalar else operand.indices[place]
                    for operand in operands
                ]
            )
            if len(set(qubits)) < len(qubits):
                raise self.error(
                    Code.INVALID_VALUE, "a gate cannot act on the same qubit twice", node
                )
            yield qubits

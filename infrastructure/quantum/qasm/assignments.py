"""Assigns to variables, registers and parts of them, and measures into them."""

from typing import TypeAlias

from openqasm3 import ast

from infrastructure.quantum.qasm.errors import Code
from infrastructure.quantum.qasm.gates import Gates
from infrastructure.quantum.qasm.indexing import Index, indices_of
from infrastructure.quantum.qasm.state import Qubits, Variable
from infrastructure.quantum.qasm.types import (
    BIT,
    BOOL,
    ArrayOf,
    Bits,
    Data,
    Kind,
    Scalar,
    Type,
    Value,
    rows,
)
from infrastructure.quantum.qasm.values import bits_of, from_bits, scalar
from infrastructure.quantum.qasm.wires import Bit

LValue: TypeAlias = ast.Identifier | ast.IndexedIdentifier


class Assignments(Gates):
    """Runs assignments and measurements."""

    def assign_to(self, target: LValue, value: Value, node: ast.QASMNode) -> None:
        """Assign a value to a variable or a part of one."""
        variable = self._assignable(target)
        if isinstance(target, ast.Identifier):
            self.assign(variable, self.convert(value, variable.type, node))
        elif isinstance(variable.type, ArrayOf):
            data = self.data(variable)
            indices = indices_of(target.indices)
            changed = self._with_part(variable.type, data, indices, value, node)
            self.assign(variable, changed)
        else:
            self._assign_bits_of(variable, target, value, node)

    def _assignable(self, target: LValue) -> Variable:
        name = target if isinstance(target, ast.Identifier) else target.name
        symbol = self.lookup(name.name)
        if symbol is None:
            raise self.error(Code.UNDEFINED_NAME, f"'{name.name}' is not defined", name)
        if not isinstance(symbol, Variable):
            raise self.error(Code.TYPE_ERROR, f"'{name.name}' is no classical variable", name)
        if symbol.constant:
            raise self.error(
                Code.TYPE_ERROR, f"'{name.name}' is constant and cannot be assigned to", name
            )
        return symbol

    def _with_part(
        self, kind: Type, data: Data, indices: list[Index], value: Value, node: ast.QASMNode
    ) -> Data:
        """Return data of an array or element with one part replaced."""
        if not indices:
            return self.convert(value, kind, node)
        if not isinstance(kind, ArrayOf):
            bits = list(bits_of(kind, data))
            self._replace_bits(bits, indices, value, node)
            return from_bits(kind, tuple(bits))
        index, *rest = indices
        changed = list(rows(kind, data))
        if isinstance(index, (ast.DiscreteSet, ast.RangeDefinition)):
            places = self.positions(index, kind.shape[0], node)
            for place, part in zip(places, self._parts_of(value, len(places), node), strict=True):
                changed[place] = self._with_part(kind.inner, changed[place], rest, part, node)
        else:
            place = self.position(index, kind.shape[0], node)
            changed[place] = self._with_part(kind.inner, changed[place], rest, value, node)
        return changed

    def _parts_of(self, value: Value, count: int, node: ast.QASMNode) -> list[Value]:
        kind, data = value
        if not isinstance(kind, ArrayOf) or kind.shape[0] != count:
            raise self.error(Code.TYPE_ERROR, f"{kind} does not fill {count} elements", node)
        return [Value(kind.inner, element) for element in rows(kind, data)]

    def _assign_bits_of(
        self, variable: Variable, target: ast.IndexedIdentifier, value: Value, node: ast.QASMNode
    ) -> None:
        kind = scalar(variable.type)
        if kind.bits is None or (kind.kind in (Kind.BIT, Kind.BOOL) and kind.width is None):
            raise self.error(Code.TYPE_ERROR, f"'{variable.name}' has no parts", target)
        bits = list(bits_of(kind, self.data(variable)))
        if variable.storage is None:
            self._replace_bits(bits, indices_of(target.indices), value, node)
            self.assign(variable, from_bits(kind, tuple(bits)))
            return
        places, is_bit = self._places(indices_of(target.indices), len(bits), node)
        part = self.variable(variable.name, _bits_type(len(places), scalar=is_bit), 0)
        part.storage = tuple(variable.storage[place] for place in places)
        self.assign(part, self.convert(value, part.type, node))

    def _replace_bits(
        self,
        bits: list[Bit],
        indices: list[Index],
        value: Value,
        node: ast.QASMNode,
    ) -> None:
        places, is_bit = self._places(indices, len(bits), node)
        kind = _bits_type(len(places), scalar=is_bit)
        new = bits_of(kind, self.convert(value, kind, node))
        for place, bit in zip(places, new, strict=True):
            bits[place] = bit

    def _places(
        self, indices: list[Index], size: int, node: ast.QASMNode
    ) -> tuple[list[int], bool]:
        if len(indices) != 1:
            raise self.error(Code.TYPE_ERROR, "bits have one index", node)
        index = indices[0]
        if isinstance(index, (ast.DiscreteSet, ast.RangeDefinition)):
            return self.positions(index, size, node), False
        return [self.position(index, size, node)], True

    def run_assignment(self, node: ast.ClassicalAssignment) -> None:
        """Run `=` or an operator with `=`."""
        value = self.evaluate(node.rvalue)
        if node.op.name != "=":
            old = self._old_value(node.lvalue)
            value = self.combine(node.op.name[:-1], old, value, node)
        self.assign_to(node.lvalue, value, node)

    def _old_value(self, target: LValue) -> Value:
        if isinstance(target, ast.Identifier):
            return self.evaluate(target)
        value = self.evaluate(target.name)
        for index in target.indices:
            value = self.element(value, index, target)
        return value

    def measured(self, qubits: Qubits) -> Value:
        """Measure qubits and return the outcome as a value."""
        kind = _bits_type(len(qubits.indices), scalar=qubits.scalar)
        bits: Bits = tuple(self._measured_bit(qubit) for qubit in qubits.indices)
        return Value(kind, from_bits(kind, bits))

    def _measured_bit(self, qubit: int) -> Bit:
        clbit = self.builder.scratch_clbit()
        self._temporary.append(clbit)
        self.measure_into(qubit, clbit)
        return self.bit(clbit)

    def measure_into(self, qubit: int, clbit: int) -> None:
        """Measure a qubit into a classical bit."""
        self.step()
        self.builder.measure(qubit, clbit)
        self.know(clbit, None)

    def run_measurement(self, node: ast.QuantumMeasurementStatement) -> None:
        """Run a measurement, into bits or into the implicit register."""
        qubits = self.qubits(node.measure.qubit)
        if node.target is None:
            for qubit in qubits.indices:
                self.measure_into(qubit, self.builder.implicit_clbit())
            return
        storage = self._stored_target(node.target)
        if storage is None:
            self.assign_to(node.target, self._fitting(self.measured(qubits), node.target), node)
            return
        if len(storage) != len(qubits.indices):
            raise self.error(
                Code.TYPE_ERROR,
                f"{len(qubits.indices)} qubits are measured into {len(storage)} bits",
                node,
            )
        for qubit, clbit in zip(qubits.indices, storage, strict=True):
            self.measure_into(qubit, clbit)

    def _stored_target(self, target: LValue) -> tuple[int, ...] | None:
        """Return the classical bits of the circuit that a target names, if it names such bits."""
        variable = self._assignable(target)
        if variable.storage is None or isinstance(target, ast.Identifier):
            return variable.storage
        if variable.type == BIT:
            raise self.error(Code.TYPE_ERROR, f"'{variable.name}' has no parts", target)
        storage = variable.storage
        for index in target.indices:
            places, _ = self._places(indices_of([index]), len(storage), target)
            storage = tuple(storage[place] for place in places)
        return storage

    def _fitting(self, outcome: Value, target: LValue) -> Value:
        """Return an outcome of one bit as a bit or as a register of one, as the target has it."""
        variable = self._assignable(target)
        bits = bits_of(outcome.type, outcome.data)
        if len(bits) > 1:
            return outcome
        scalar = isinstance(target, ast.IndexedIdentifier) or variable.type in (BIT, BOOL)
        kind = _bits_type(1, scalar=scalar)
        return Value(kind, from_bits(kind, bits))


def _bits_type(size: int, *, scalar: bool) -> Scalar:
    return BIT if scalar else Scalar(Kind.BIT, size)

"""Applies gates: standard and defined ones, with modifiers, to qubits and registers."""

import math
from abc import abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

from openqasm3 import ast

from infrastructure.quantum.qasm.controlled_gates import lower
from infrastructure.quantum.qasm.errors import Code, ProgramError
from infrastructure.quantum.qasm.gate_library import LIBRARY, DefinedGate, Gate, LibraryGate
from infrastructure.quantum.qasm.gate_powers import inverted, raised
from infrastructure.quantum.qasm.ops import Op, barrier, controlled, global_phase, placed
from infrastructure.quantum.qasm.program import ProgramLimits
from infrastructure.quantum.qasm.quantum_operands import QuantumOperands
from infrastructure.quantum.qasm.source import Source
from infrastructure.quantum.qasm.state import Qubits, Symbol, Variable
from infrastructure.quantum.qasm.types import ANGLE

_CACHED_LENGTH = 4096


class Modifiers(NamedTuple):
    """What stands before a gate call.

    Attributes:
        controls: for each control qubit, whether it acts on 1.
        exponents: powers to take, innermost first; -1 for `inv`.
    """

    controls: tuple[bool, ...]
    exponents: tuple[float, ...]


class Gates(QuantumOperands):
    """Turns gate calls into operations of the circuit, or of the gate that is being expanded."""

    def __init__(self, source: Source, limits: ProgramLimits) -> None:
        super().__init__(source, limits)
        self._depth = 0

    @abstractmethod
    def run_block(self, statements: list[ast.Statement]) -> None:
        """Run statements in a scope of their own."""

    def emit(self, op: Op) -> None:
        """Add an operation to the circuit, or to the gate that is being expanded."""
        if self._collected is not None:
            self._collected.append(op)
            self._check_length(len(self._collected))
        elif op.is_barrier:
            self.builder.barrier(op.qubits)
        else:
            for gate, params, qubits in lower(op):
                if not all(map(math.isfinite, params)):
                    raise ProgramError(Code.INVALID_VALUE, "an angle became infinite")
                self.builder.gate(gate, params, qubits)

    def _check_length(self, length: int) -> None:
        if length > self.limits.max_operations:
            raise ProgramError(
                Code.TOO_MANY_OPERATIONS,
                f"a gate expands to more than {self.limits.max_operations} operations",
            )

    def apply_gate(self, node: ast.QuantumGate) -> None:
        """Run a gate call."""
        gate = self.find_gate(node.name)
        self._check_parameters(gate, len(node.arguments), node)
        params = tuple([self.radians(argument) for argument in node.arguments])
        modifiers = self._modifiers(node.modifiers)
        operands = [self.qubits(qubit) for qubit in node.qubits]
        size = gate.qubits if isinstance(gate, LibraryGate) else len(gate.qubits)
        if len(operands) != size + len(modifiers.controls):
            raise self.error(
                Code.TYPE_ERROR,
                f"'{gate.name}' acts on {size + len(modifiers.controls)} qubits here,"
                f" not {len(operands)}",
                node,
            )
        try:
            ops = self._modified(self._expansion(gate, params), modifiers, size)
            self._spread(ops, operands, node)
        except ProgramError as error:
            if error.line is None:
                raise self.error(error.code, error.message, node) from None
            raise

    def _spread(
        self, ops: Iterator[Op] | list[Op], operands: list[Qubits], node: ast.QASMNode
    ) -> None:
        if all(operand.scalar for operand in operands):
            (qubits,) = self.broadcast(operands, node)
            self._emit_on(ops, qubits)
            return
        ops = list(ops)
        for qubits in self.broadcast(operands, node):
            self._emit_on(ops, qubits)

    def _emit_on(self, ops: Iterator[Op] | list[Op], qubits: tuple[int, ...]) -> None:
        for op in ops:
            self.step()
            self.emit(op._replace(qubits=tuple([qubits[place] for place in op.qubits])))

    def find_gate(self, name: ast.Identifier) -> Gate:
        """Return the gate of a name: the program's own, or a standard one."""
        symbol = self.lookup(name.name)
        if symbol is None:
            symbol = LIBRARY.get(name.name)
        if symbol is None:
            raise self.error(
                Code.UNKNOWN_GATE,
                f"gate '{name.name}' is neither standard nor defined; define it with 'gate'",
                name,
            )
        if not isinstance(symbol, (LibraryGate, DefinedGate)):
            raise self.error(Code.TYPE_ERROR, f"'{name.name}' is not a gate", name)
        return symbol

    def _check_parameters(self, gate: Gate, given: int, node: ast.QASMNode) -> None:
        wanted = gate.parameters if isinstance(gate, LibraryGate) else len(gate.parameters)
        if wanted != given:
            raise self.error(
                Code.TYPE_ERROR, f"'{gate.name}' takes {wanted} angles, not {given}", node
            )

    def _modifiers(self, nodes: list[ast.QuantumGateModifier]) -> Modifiers:
        if not nodes:
            return Modifiers((), ())
        controls: list[bool] = []
        exponents: list[float] = []
        for node in nodes:
            match node.modifier.name:
                case "inv":
                    exponents.append(-1.0)
                case "pow" if node.argument is not None:
                    exponents.append(self.radians(node.argument))
                case name:
                    controls += [name == "ctrl"] * self._control_count(node)
                    if len(controls) > self.limits.max_controls:
                        raise self.error(
                            Code.TOO_MANY_CONTROLS,
                            f"a gate has more than {self.limits.max_controls} control qubits",
                            node,
                        )
        return Modifiers(tuple(controls), tuple(reversed(exponents)))

    def _control_count(self, node: ast.QuantumGateModifier) -> int:
        count = 1 if node.argument is None else self.plain_integer(node.argument)
        if count < 1:
            raise self.error(Code.INVALID_VALUE, f"{count} controls have no meaning", node)
        return min(count, self.limits.max_controls + 1)

    def _modified(self, ops: Iterator[Op], modifiers: Modifiers, size: int) -> Iterator[Op]:
        if not modifiers.controls and not modifiers.exponents:
            return ops
        sequence = list(ops)
        for exponent in modifiers.exponents:
            if exponent == -1:
                sequence = inverted(sequence)
            else:
                sequence = raised(sequence, exponent, self.limits.max_operations)
        count = len(modifiers.controls)
        sequence = placed(sequence, tuple(range(count, count + size)))
        sequence = controlled(sequence, tuple(range(count)))
        flips = [
            Op(LIBRARY["x"].base, (), (place,))
            for place, acts_on_one in enumerate(modifiers.controls)
            if not acts_on_one
        ]
        return iter([*flips, *sequence, *flips])

    def _expansion(self, gate: Gate, params: tuple[float, ...]) -> Iterator[Op]:
        """Yield the operations of a gate on places 0, 1, ... for its qubits."""
        if isinstance(gate, LibraryGate):
            params = params[: gate.base.num_params]
            yield Op(gate.base, params, tuple(range(gate.qubits)), gate.controls)
            return
        known = gate.expansions.get(params)
        if known is None:
            ops = self._expanded(gate, params)
            known = tuple(ops)
            if len(known) <= _CACHED_LENGTH:
                gate.expansions[params] = known
        yield from known

    def _expanded(self, gate: DefinedGate, params: tuple[float, ...]) -> list[Op]:
        if gate.body is None:
            raise ProgramError(
                Code.UNSUPPORTED_FEATURE, f"gate '{gate.name}' is opaque: nothing says what it does"
            )
        outer = self._collected, self.scopes, self.frame
        names: dict[str, Symbol] = dict(gate.scope)
        for name, angle in zip(gate.parameters, params, strict=True):
            names[name] = self.variable(name, ANGLE, angle, constant=True)
        for place, name in enumerate(gate.qubits):
            names[name] = Qubits((place,), scalar=True)
        self._collected, self.scopes, self.frame = [], [self._constants(), names], 1
        self._deepen_call()
        try:
            self.run_block(gate.body)  # type: ignore[arg-type]
            return self._collected
        finally:
            self._depth -= 1
            self._collected, self.scopes, self.frame = outer

    def _constants(self) -> dict[str, Symbol]:
        return {
            name: symbol
            for name, symbol in self.scopes[0].items()
            if isinstance(symbol, Variable) and symbol.constant
        }

    def _deepen_call(self) -> None:
        self._depth += 1
        if self._depth > self.limits.max_nesting:
            raise ProgramError(
                Code.TOO_DEEPLY_NESTED,
                f"calls are nested deeper than the limit of {self.limits.max_nesting} levels",
            )

    def apply_phase(self, node: ast.QuantumPhase) -> None:
        """Run `gphase`, which acts on its controls only."""
        angle = self.radians(node.argument)
        modifiers = self._modifiers(node.modifiers)
        operands = [self.qubits(qubit) for qubit in node.qubits]
        if len(operands) != len(modifiers.controls):
            raise self.error(
                Code.TYPE_ERROR,
                f"'gphase' acts on {len(modifiers.controls)} control qubits here,"
                f" not {len(operands)}",
                node,
            )
        ops = list(self._modified(iter([global_phase(angle)]), modifiers, 0))
        self._spread(ops, operands, node)

    def apply_barrier(self, node: ast.QuantumBarrier) -> None:
        """Run a barrier."""
        if not node.qubits and self._collected is not None:
            places = [s.indices[0] for s in self.scopes[1].values() if isinstance(s, Qubits)]
            self.emit(barrier(tuple(places)))
            return
        qubits = self.all_qubits(node.qubits)
        self.step(len(qubits))
        if qubits:
            self.emit(barrier(tuple(qubits)))

    def define_gate(self, node: ast.QuantumGateDefinition, *, opaque: bool) -> None:
        """Define a gate out of gates that exist already, so that none contains itself."""
        parameters = [name.name for name in node.arguments]
        qubits = [name.name for name in node.qubits]
        if len({*parameters, *qubits}) < len(parameters) + len(qubits):
            raise self.error(
                Code.DUPLICATE_NAME, f"gate '{node.name.name}' has two operands of one name", node
            )
        scope: dict[str, Gate] = {}
        for name in gate_names(node.body):
            if name.name == node.name.name:
                raise self.error(
                    Code.RECURSIVE_DEFINITION, f"gate '{name.name}' contains itself", name
                )
            gate = self.find_gate(name)
            if isinstance(gate, DefinedGate):
                scope[name.name] = gate
        body = None if opaque else node.body
        gate = DefinedGate(node.name.name, parameters, qubits, body, scope)
        self.declare(gate.name, gate, node.name)


def gate_names(nodes: object) -> Iterator[ast.Identifier]:
    """Yield the names of the gates that statements call, at any depth."""
    pending: list[object] = [nodes]
    while pending:
        node = pending.pop()
        if isinstance(node, (list, tuple)):
            pending.extend(node)
        elif isinstance(node, ast.QuantumGate):
            yield node.name
        elif isinstance(node, ast.Statement):
            pending.extend(vars(node).values())

"""Runs a program: subroutines, jumps, and every kind of statement."""

from collections.abc import Callable, Mapping
from typing import Any

from openqasm3 import ast
from qiskit.circuit import Delay

from domain.execution import ParameterValue
from infrastructure.quantum.qasm.declaration_parser import OpaqueGateDeclaration
from infrastructure.quantum.qasm.errors import Code, ProgramError
from infrastructure.quantum.qasm.loops import Loops
from infrastructure.quantum.qasm.program import ProgramLimits
from infrastructure.quantum.qasm.source import Source
from infrastructure.quantum.qasm.state import Qubits, Subroutine, Variable
from infrastructure.quantum.qasm.types import ArrayOf, Duration, Value
from infrastructure.quantum.qasm.values import zero
from infrastructure.quantum.qasm.wires import Wire

_DECLARATIONS = (
    ast.Include,
    ast.Pragma,
    ast.QubitDeclaration,
    ast.QuantumGateDefinition,
    ast.SubroutineDefinition,
    ast.ConstantDeclaration,
    ast.IODeclaration,
    ast.AliasStatement,
)
_CALL_STEPS = 50
"""Steps that a call counts as: its scope and flags take as long as so many expressions."""

_PRAGMAS_THAT_CHANGE_RESULTS = ("braket unitary", "braket noise")


class Interpreter(Loops):
    """Unrolls a program, one statement at a time, into a circuit."""

    def __init__(
        self, source: Source, limits: ProgramLimits, parameters: Mapping[str, ParameterValue]
    ) -> None:
        super().__init__(source, limits, parameters)
        self._result: Variable | None = None

    @property
    def is_straight(self) -> bool:
        """Whether no jump has left the program so far."""
        return self.flags[0].data is False

    def run_global(self, node: ast.Statement | ast.Pragma) -> None:
        """Run a statement of the program itself."""
        if self.is_straight or isinstance(node, _DECLARATIONS):
            self.run(node)
            return
        going = self.going_on()
        if isinstance(node, ast.ClassicalDeclaration) and isinstance(going, Wire):
            raise self.error(
                Code.UNSUPPORTED_FEATURE,
                "declarations after an 'end' that depends on an outcome are not supported;"
                " move them before it",
                node,
            )
        self.when_going(going, lambda: self.run(node))

    def dispatch(self, node: ast.Statement | ast.Pragma) -> None:
        """Run one statement, whose needs are met."""
        runner = _RUNNERS.get(type(node))
        if runner is None:
            raise self.error(
                Code.UNSUPPORTED_FEATURE, f"{type(node).__name__} is not supported", node
            )
        try:
            runner(self, node)
        except ProgramError as error:
            if error.line is None and node.span is not None:
                raise self.error(error.code, error.message, node) from None
            raise

    def pragma(self, node: ast.Pragma) -> None:
        """Ignore a pragma, unless it would change the outcomes."""
        words = " ".join(node.command.split())
        if words.startswith(_PRAGMAS_THAT_CHANGE_RESULTS):
            raise self.error(
                Code.UNSUPPORTED_FEATURE,
                f"pragma '{words[:40]}' would change the result and is not supported",
                node,
            )

    def reset(self, node: ast.QuantumReset) -> None:
        """Run `reset`."""
        for qubit in self.qubits(node.qubits).indices:
            self.step()
            self.builder.reset(qubit)

    def delay(self, node: ast.DelayInstruction) -> None:
        """Run `delay`, during which ideal qubits do nothing."""
        duration = self.evaluate(node.duration).data
        if not isinstance(duration, Duration):
            raise self.error(Code.TYPE_ERROR, "'delay' takes a duration such as 100ns", node)
        if duration.seconds < 0 or duration.samples < 0:
            raise self.error(Code.INVALID_VALUE, "a delay cannot be negative", node)
        qubits = self.all_qubits(node.qubits)
        if self._collected is not None or not duration.known:
            return
        for qubit in qubits:
            self.step()
            self.builder.apply(_delay(duration), (qubit,))

    # Subroutines

    def run_expression(self, node: ast.ExpressionStatement) -> None:
        """Run an expression for what it does."""
        call = node.expression
        if isinstance(call, ast.FunctionCall) and self.lookup(call.name.name) is not None:
            self.call_subroutine(call)
        else:
            self.evaluate(call)

    def call_subroutine(self, node: ast.FunctionCall) -> Value | None:
        """Run a subroutine and return its result."""
        symbol = self.lookup(node.name.name)
        if not isinstance(symbol, Subroutine):
            raise self.error(Code.UNDEFINED_NAME, f"there is no function '{node.name.name}'", node)
        self.step(_CALL_STEPS)
        definition = symbol.definition
        if len(definition.arguments) != len(node.arguments):
            raise self.error(
                Code.TYPE_ERROR,
                f"'{node.name.name}' takes {len(definition.arguments)} arguments,"
                f" not {len(node.arguments)}",
                node,
            )
        arguments = [
            self._argument(formal, actual)
            for formal, actual in zip(definition.arguments, node.arguments, strict=True)
        ]
        return self._call_with(definition, arguments)

    def _call_with(
        self, definition: ast.SubroutineDefinition, arguments: list[Qubits | Variable]
    ) -> Value | None:
        returned = definition.return_type
        kind = None if returned is None else self.resolve_type(returned)
        outer = self.scopes, self.frame, self.loops, self._result
        self.scopes, self.frame, self.loops = [self.scopes[0], {}], 1, []
        self._result = None if kind is None else self.variable("", kind, zero(kind))
        self._deepen_call()
        try:
            for formal, actual in zip(definition.arguments, arguments, strict=True):
                self.declare(formal.name.name, actual, formal)
            with self.flag():
                self.run_block(definition.body)
            result = self._result
            if result is None or kind is None:
                return None
            self._temporary.extend(result.owned)
            return self.read(result, definition)
        finally:
            self._depth -= 1
            self.scopes, self.frame, self.loops, self._result = outer

    def _argument(
        self, formal: ast.ClassicalArgument | ast.QuantumArgument, actual: ast.Expression
    ) -> Qubits | Variable:
        if isinstance(formal, ast.QuantumArgument):
            return self._quantum_argument(formal, actual)
        name = formal.name.name
        if isinstance(formal.type, ast.ArrayReferenceType):
            return self._array_argument(formal, formal.type, actual)
        kind = self.resolve_type(formal.type)
        variable = self.variable(name, kind, zero(kind))
        self.assign(variable, self.convert(self.evaluate(actual), kind, actual))
        return variable

    def _quantum_argument(self, formal: ast.QuantumArgument, actual: ast.Expression) -> Qubits:
        qubits = self._aliased_qubits(actual)
        size = 1 if formal.size is None else self.plain_integer(formal.size)
        if len(qubits.indices) < size or (formal.size is None and len(qubits.indices) > 1):
            raise self.error(
                Code.TYPE_ERROR,
                f"'{formal.name.name}' takes {size} qubits, not {len(qubits.indices)}",
                actual,
            )
        return Qubits(qubits.indices[:size], scalar=formal.size is None)

    def _array_argument(
        self,
        formal: ast.ClassicalArgument,
        reference: ast.ArrayReferenceType,
        actual: ast.Expression,
    ) -> Variable:
        value = self.evaluate(actual)
        element = self.resolve_type(reference.base_type)
        if not isinstance(value.type, ArrayOf) or value.type.element != element:
            raise self.error(Code.TYPE_ERROR, f"{value.type} is no array of {element}", actual)
        self._check_dimensions(reference, value.type, actual)
        symbol = self.lookup(actual.name) if isinstance(actual, ast.Identifier) else None
        is_mutable = formal.access is ast.AccessControl.mutable
        if is_mutable and isinstance(symbol, Variable):
            if symbol.constant:
                raise self.error(Code.TYPE_ERROR, f"'{symbol.name}' is constant", actual)
            return symbol
        if is_mutable:
            raise self.error(
                Code.UNSUPPORTED_FEATURE, "only a whole array can be passed as mutable", actual
            )
        return self.variable(formal.name.name, value.type, value.data, constant=True)

    def _check_dimensions(
        self, reference: ast.ArrayReferenceType, kind: ArrayOf, node: ast.Expression
    ) -> None:
        if isinstance(reference.dimensions, list):
            wanted = tuple(self.plain_integer(size) for size in reference.dimensions)
            fits = wanted == kind.shape
        else:
            fits = self.plain_integer(reference.dimensions) == len(kind.shape)
        if not fits:
            raise self.error(Code.TYPE_ERROR, f"{kind} has other dimensions", node)

    def run_return(self, node: ast.ReturnStatement) -> None:
        """Run `return`."""
        result = self._result
        if node.expression is not None:
            if result is None:
                raise self.error(Code.TYPE_ERROR, "the subroutine has no return type", node)
            self.assign(result, self.initial_data(node.expression, result.type))
        elif result is not None:
            raise self.error(Code.TYPE_ERROR, f"'return' needs a {result.type}", node)
        self.jump(self._returning)

    @property
    def _returning(self) -> Variable:
        """The flag of the running subroutine: the one before those of its loops."""
        return self.flags[-1 - 2 * len(self.loops)]


def _delay(duration: Duration) -> Delay:
    if duration.samples and not duration.seconds:
        return Delay(round(duration.samples), "dt")
    return Delay(duration.seconds, "s")


_RUNNERS: dict[type, Callable[[Interpreter, Any], None]] = {
    ast.AliasStatement: Interpreter.declare_alias,
    ast.Box: lambda run, node: run.run_block(node.body),
    ast.BranchingStatement: Interpreter.run_if,
    ast.BreakStatement: lambda run, _: run.jump(run.loops[-1][0]),
    ast.ClassicalAssignment: Interpreter.run_assignment,
    ast.ClassicalDeclaration: Interpreter.declare_variable,
    ast.CompoundStatement: lambda run, node: run.run_block(node.statements),
    ast.ConstantDeclaration: Interpreter.declare_constant,
    ast.ContinueStatement: lambda run, _: run.jump(run.loops[-1][1]),
    ast.DelayInstruction: Interpreter.delay,
    ast.EndStatement: lambda run, _: run.jump(run.flags[0]),
    ast.ExpressionStatement: Interpreter.run_expression,
    ast.ForInLoop: Interpreter.run_for,
    ast.Include: Interpreter.include,
    ast.IODeclaration: Interpreter.declare_interface,
    OpaqueGateDeclaration: Interpreter.declare_gate,
    ast.Pragma: Interpreter.pragma,
    ast.QuantumBarrier: Interpreter.apply_barrier,
    ast.QuantumGate: Interpreter.apply_gate,
    ast.QuantumGateDefinition: Interpreter.declare_gate,
    ast.QuantumMeasurementStatement: Interpreter.run_measurement,
    ast.QuantumPhase: Interpreter.apply_phase,
    ast.QuantumReset: Interpreter.reset,
    ast.QubitDeclaration: Interpreter.declare_qubits,
    ast.ReturnStatement: Interpreter.run_return,
    ast.SubroutineDefinition: Interpreter.define_subroutine,
    ast.SwitchStatement: Interpreter.run_switch,
    ast.WhileLoop: Interpreter.run_while,
}

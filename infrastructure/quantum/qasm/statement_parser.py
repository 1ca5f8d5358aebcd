"""Statements that act: gate calls, measurements, assignments, control flow."""

from collections.abc import Callable

from openqasm3 import ast

from infrastructure.quantum.qasm.declaration_parser import DECLARATIONS, DeclarationParser
from infrastructure.quantum.qasm.expression_parser import SCALAR_TYPES
from infrastructure.quantum.qasm.tokens import Token

_MODIFIERS = ("inv", "pow", "ctrl", "negctrl")
_ASSIGNMENTS = frozenset(operator.name for operator in ast.AssignmentOperator)


class StatementParser(DeclarationParser):
    """Parses a program one statement at a time into the reference tree of OpenQASM 3.

    OpenQASM 2 is parsed into the same tree: its registers are qubit and bit declarations, its `^`
    is `**`.
    """

    def statement(self) -> ast.Statement | ast.Pragma:
        """Parse one statement or pragma, with the annotations before it."""
        annotations = self._annotations()
        token = self.token
        if self.at("#") or self.at("pragma"):
            return self._pragma(token)
        return self._annotated(annotations)

    def inner_statement(self) -> ast.Statement:
        """Parse one statement of a body, with the annotations before it."""
        annotations = self._annotations()
        if self.at("#") or self.at("pragma"):
            self.fail("pragmas must be global")
        return self._annotated(annotations)

    def _annotated(self, annotations: list[ast.Annotation]) -> ast.Statement:
        token = self.token
        node = self._statement(token)
        if node.span is None:
            self.located(node, token.start)
        node.annotations = annotations
        return node

    def _statement(self, token: Token) -> ast.Statement:
        if token.kind == "keyword":
            if token.text in SCALAR_TYPES and self._casts(token):
                return self._expression_statement()
            if parser := _PARSERS.get(token.text):
                return parser(self, token)
        if token.text == "{" and token.kind == "operator":
            return self.compound_statement()
        if token.kind == "name":
            return self._name_statement(token)
        if token.kind == "end":
            self.unexpected("a statement")
        return self._expression_statement()

    def _casts(self, token: Token) -> bool:
        if self.peek().text == "[":
            self.scalar_type()
            casts = self.at("(")
            self.seek(token.start)
            return casts
        return self.peek().text == "("

    def _annotations(self) -> list[ast.Annotation]:
        annotations: list[ast.Annotation] = []
        while self.at("@"):
            annotations.append(self._annotation())
        return annotations

    def _annotation(self) -> ast.Annotation:
        start = self.expect("@").start
        words = self.rest_of_line(start + 1).split(maxsplit=1)
        if not words:
            self.fail("an annotation has no name", start)
        command = words[1] if len(words) > 1 else None
        return self.located(ast.Annotation(words[0], command), start)

    def _pragma(self, token: Token) -> ast.Pragma:
        if self.accept("#") and not (self.token.text == "pragma" and self.token.start):
            self.unexpected("'pragma'")
        return self.located(ast.Pragma(self.rest_of_line(self.token.end)), token.start)

    def _name_statement(self, token: Token) -> ast.Statement:
        following = self.peek()
        if following.text == "(" and following.kind == "operator":
            return self._call_statement()
        if following.kind in ("name", "physical") or following.text == ";":
            return self._gate_call([], self.identifier(), [])
        target = self.indexed_identifier()
        if self.token.kind == "operator" and self.token.text in _ASSIGNMENTS:
            return self._assignment(target)
        if self.token.kind in ("name", "physical") and isinstance(target, ast.IndexedIdentifier):
            self.seek(token.end)
            name = ast.Identifier(token.text)
            return self._gate_call([], self.located(name, token.start), [])
        self.seek(token.start)
        return self._expression_statement()

    def _call_statement(self) -> ast.Statement:
        start = self.token.start
        name = self.identifier()
        arguments = self.arguments()
        if self.token.kind in ("name", "physical") or (self.at("[") and self._designates()):
            return self._gate_call([], name, arguments)
        call = self.continued(self.indexed(self.call(name, arguments), start), start)
        self.expect(";")
        return ast.ExpressionStatement(call)

    def _designates(self) -> bool:
        start = self.token.start
        self.designator()
        designates = self.token.kind in ("name", "physical")
        self.seek(start)
        return designates

    def _expression_statement(self) -> ast.Statement:
        expression = self.expression()
        self.expect(";")
        return ast.ExpressionStatement(expression)

    def _assignment(self, target: ast.Identifier | ast.IndexedIdentifier) -> ast.Statement:
        operator = self.advance()
        self.refuse_in_gate("an assignment", operator.start)
        if operator.text == "=" and self.at("measure"):
            measurement = self.measurement()
            self.expect(";")
            return ast.QuantumMeasurementStatement(measurement, target)
        value = self.expression()
        self.expect(";")
        return ast.ClassicalAssignment(target, ast.AssignmentOperator[operator.text], value)

    def modified_gate(self, _: Token) -> ast.Statement:
        """Parse a gate call with modifiers."""
        modifiers = []
        while self.token.text in _MODIFIERS:
            modifiers.append(self._modifier())
        if self.at("gphase"):
            return self._phase(modifiers)
        name = self.identifier()
        return self._gate_call(modifiers, name, self.arguments() if self.at("(") else [])

    def _modifier(self) -> ast.QuantumGateModifier:
        token = self.advance()
        argument = None
        if token.text != "inv" and (token.text == "pow" or self.at("(")):
            self.expect("(")
            argument = self.expression()
            self.expect(")")
        self.expect("@")
        name = ast.GateModifierName[token.text]
        return self.located(ast.QuantumGateModifier(name, argument), token.start)

    def _gate_call(
        self,
        modifiers: list[ast.QuantumGateModifier],
        name: ast.Identifier,
        arguments: list[ast.Expression],
    ) -> ast.Statement:
        duration = self.designator()
        if self.at(";"):
            self.unexpected(f"the qubits of '{name.name}'")
        qubits = self.operands()
        self.expect(";")
        return ast.QuantumGate(modifiers, name, arguments, qubits, duration)

    def phase_statement(self, _: Token) -> ast.Statement:
        """Parse `gphase`."""
        return self._phase([])

    def _phase(self, modifiers: list[ast.QuantumGateModifier]) -> ast.Statement:
        start = self.expect("gphase").start
        arguments = self.arguments()
        if len(arguments) != 1:
            self.fail("gphase takes exactly one angle", start)
        self.designator()
        qubits = [] if self.at(";") else self.operands()
        self.expect(";")
        return ast.QuantumPhase(modifiers, arguments[0], qubits)

    def measure_statement(self, _: Token) -> ast.Statement:
        """Parse a measurement, with or without a target."""
        measurement = self.measurement()
        target = self.indexed_identifier() if self.accept("->") else None
        self.expect(";")
        return ast.QuantumMeasurementStatement(measurement, target)

    def barrier_statement(self, _: Token) -> ast.Statement:
        """Parse `barrier`."""
        self.advance()
        qubits = [] if self.at(";") else self.operands()
        self.expect(";")
        return ast.QuantumBarrier(qubits)  # type: ignore[arg-type]

    def reset_statement(self, token: Token) -> ast.Statement:
        """Parse `reset`."""
        self.refuse_in_gate("'reset'", token.start)
        self.advance()
        operand = self.operand()
        self.expect(";")
        return ast.QuantumReset(operand)

    def delay_statement(self, _: Token) -> ast.Statement:
        """Parse `delay`."""
        self.advance()
        duration = self.designator()
        if duration is None:
            self.unexpected("a duration in brackets")
        qubits = [] if self.at(";") else self.operands()
        self.expect(";")
        return ast.DelayInstruction(duration, qubits)

    def box_statement(self, _: Token) -> ast.Statement:
        """Parse `box`."""
        self.advance()
        duration = self.designator()
        return ast.Box(duration, self.scope())  # type: ignore[arg-type]

    def alias_statement(self, _: Token) -> ast.Statement:
        """Parse `let`."""
        self.advance()
        name = self.identifier()
        self.expect("=")
        start = self.token.start
        value = self.expression()
        while self.accept("++"):
            value = self.located(ast.Concatenation(value, self.expression()), start)
        self.expect(";")
        return ast.AliasStatement(name, value)  # type: ignore[arg-type]

    def break_statement(self, token: Token) -> ast.Statement:
        """Parse `break`."""
        return self._jump(token, ast.BreakStatement())

    def continue_statement(self, token: Token) -> ast.Statement:
        """Parse `continue`."""
        return self._jump(token, ast.ContinueStatement())

    def _jump(self, token: Token, node: ast.Statement) -> ast.Statement:
        if not self.in_loop:
            self.fail(f"'{token.text}' stands outside a loop")
        self.advance()
        self.expect(";")
        return node

    def return_statement(self, _: Token) -> ast.Statement:
        """Parse `return`."""
        if not self.in_subroutine:
            self.fail("'return' stands outside a subroutine")
        self.advance()
        value: ast.Expression | ast.QuantumMeasurement | None = None
        if self.at("measure"):
            value = self.measurement()
        elif not self.at(";"):
            value = self.expression()
        self.expect(";")
        return ast.ReturnStatement(value)

    def end_statement(self, _: Token) -> ast.Statement:
        """Parse `end`."""
        self.advance()
        self.expect(";")
        return ast.EndStatement()

    def _condition(self) -> ast.Expression:
        self.advance()
        self.expect("(")
        condition = self.expression()
        self.expect(")")
        return condition

    def if_statement(self, _: Token) -> ast.Statement:
        """Parse `if`."""
        condition = self._condition() if not self.source.is_version_2 else self._condition_2()
        body = self.block()
        otherwise = self.block() if self.accept("else") else []
        return ast.BranchingStatement(condition, body, otherwise)

    def _condition_2(self) -> ast.Expression:
        self.advance()
        start = self.expect("(").start
        register = self.identifier()
        self.expect("==")
        literal = self.expect_kind("integer", "an integer")
        self.expect(")")
        value = self.located(ast.IntegerLiteral(int(literal.text)), literal.start)
        return self.located(
            ast.BinaryExpression(ast.BinaryOperator["=="], register, value), start + 1
        )

    def while_statement(self, _: Token) -> ast.Statement:
        """Parse `while`."""
        condition = self._condition()
        return ast.WhileLoop(condition, self.block(loop=True))

    def for_statement(self, _: Token) -> ast.Statement:
        """Parse `for`."""
        self.advance()
        variable_type = self.scalar_type()
        name = self.identifier()
        self.expect("in")
        values: ast.Expression | ast.DiscreteSet | ast.RangeDefinition
        if self.at("{"):
            values = self.discrete_set()
        elif self.accept("["):
            element = self.index_element()
            if not isinstance(element, ast.RangeDefinition):
                self.unexpected("a range such as [0:3]")
            values = element
            self.expect("]")
        else:
            values = self.expression()
        return ast.ForInLoop(variable_type, name, values, self.block(loop=True))

    def switch_statement(self, _: Token) -> ast.Statement:
        """Parse `switch`."""
        target = self._condition()
        self.expect("{")
        cases: list[tuple[list[ast.Expression], ast.CompoundStatement]] = []
        default = None
        with self.nested():
            while not self.at("}"):
                if default is not None:
                    self.unexpected("'}', as nothing follows the 'default' case")
                if self.accept("default"):
                    default = self.compound_statement()
                else:
                    cases.append((self._case_values(), self.compound_statement()))
        self.expect("}")
        return ast.SwitchStatement(target, cases, default)

    def _case_values(self) -> list[ast.Expression]:
        self.expect("case")
        values = [self.expression()]
        while self.accept(",") and not self.at("{"):
            values.append(self.expression())
        return values


_PARSERS: dict[str, Callable[[StatementParser, Token], ast.Statement]] = {
    **DECLARATIONS,
    "barrier": StatementParser.barrier_statement,
    "box": StatementParser.box_statement,
    "break": StatementParser.break_statement,
    "continue": StatementParser.continue_statement,
    "delay": StatementParser.delay_statement,
    "end": StatementParser.end_statement,
    "for": StatementParser.for_statement,
    "gphase": StatementParser.phase_statement,
    "if": StatementParser.if_statement,
    "let": StatementParser.alias_statement,
    "measure": StatementParser.measure_statement,
    "reset": StatementParser.reset_statement,
    "return": StatementParser.return_statement,
    "switch": StatementParser.switch_statement,
    "while": StatementParser.while_statement,
    **dict.fromkeys(_MODIFIERS, StatementParser.modified_gate),
}

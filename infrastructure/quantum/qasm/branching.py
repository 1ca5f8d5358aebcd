"""Runs statements one after another, and either way where an outcome decides between two.

A jump (`break`, `continue`, `return`, `end`) sets a flag. Where it is certain, what follows is
skipped; where an outcome decides, what follows runs on condition that no flag is set. So jumps
need nothing but variables and branches.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from openqasm3 import ast

from infrastructure.quantum.qasm.declarations import Declarations
from infrastructure.quantum.qasm.errors import Code
from infrastructure.quantum.qasm.joining import Branch
from infrastructure.quantum.qasm.state import Variable
from infrastructure.quantum.qasm.types import BOOL, Scalar, Value
from infrastructure.quantum.qasm.values import Undecided, bits_of, truth
from infrastructure.quantum.qasm.wires import Bit, Tap, Wire, both, either, invert

_MAX_SPLITS = 10


class Branching(Declarations):
    """Runs sequences of statements and branches."""

    _splits = 0
    _jumps = 0

    def run(self, node: ast.Statement | ast.Pragma) -> None:
        """Run one statement.

        A statement that needs to know an outcome runs in two branches, one for each value.
        """
        self.step()
        mark = self.builder.mark()
        temporaries = len(self._temporary)
        try:
            self.dispatch(node)
        except Undecided as demand:
            if not self.builder.forget(mark):
                raise self._too_dependent(node) from None
            initial = node.init_expression if isinstance(node, ast.ClassicalDeclaration) else None
            if isinstance(node, ast.ClassicalDeclaration) and isinstance(initial, ast.Expression):
                self._declare_then_assign(node, initial)
            else:
                self._split(node, demand.wire)
        finally:
            if len(self._temporary) > temporaries:
                self.release_temporaries(temporaries)

    @abstractmethod
    def dispatch(self, node: ast.Statement | ast.Pragma) -> None:
        """Run one statement, whose needs are met."""

    def _declare_then_assign(self, node: ast.ClassicalDeclaration, initial: ast.Expression) -> None:
        declaration = ast.ClassicalDeclaration(node.type, node.identifier)
        equals = ast.AssignmentOperator["="]
        assignment = ast.ClassicalAssignment(node.identifier, equals, initial)
        for part in (declaration, assignment):
            part.span = node.span
            self.run(part)

    def _split(self, node: ast.Statement | ast.Pragma, wire: Wire) -> None:
        if self._splits >= _MAX_SPLITS:
            raise self._too_dependent(node)
        decided = self.bit(min(self.origins(wire)))
        self._splits += 1
        self.branch(decided, lambda: self.run(node), lambda: self.run(node))
        self._splits -= 1

    def _too_dependent(self, node: ast.Statement | ast.Pragma) -> Exception:
        return self.error(
            Code.UNSUPPORTED_FEATURE,
            "the statement needs a value while the program is compiled that depends on measurement"
            f" outcomes in more than {_MAX_SPLITS} bits, or on those of its own measurements",
            node,
        )

    def branch(
        self,
        condition: Bit,
        action: Callable[[], None],
        otherwise: Callable[[], None] | None = None,
    ) -> None:
        """Do one of two things, as a condition says."""
        if not isinstance(condition, Wire):
            if condition:
                action()
            elif otherwise is not None:
                otherwise()
            return
        first = self._assuming(condition, action, holds=True)
        second = self._assuming(condition, otherwise or (lambda: None), holds=False)
        self.join(first, second)
        self.builder.branch(condition, first.block, second.block)

    def _assuming(self, condition: Wire, action: Callable[[], None], *, holds: bool) -> Branch:
        def act() -> None:
            if isinstance(condition, Tap):
                self.know(condition.clbit, holds)
            elif condition.size == 1:
                self.know(min(condition.reads), not holds)
            action()

        return self.unroll_branch(act)

    def condition(self, node: ast.Expression) -> Bit:
        """Return whether a condition holds."""
        value = self.evaluate(node)
        if value.is_static or not isinstance(value.type, Scalar):
            return bool(self.convert(value, BOOL, node))
        return self.compact(truth(bits_of(value.type, value.data)))

    # Sequences and jumps

    def run_block(self, statements: list[ast.Statement]) -> None:
        """Run statements in a scope of their own."""
        with self.scope():
            self.run_all(statements)

    def run_all(self, statements: list[ast.Statement]) -> None:
        """Run statements until one of them jumps away."""
        for place, node in enumerate(statements):
            jumps = self._jumps
            self.run(node)
            if jumps == self._jumps:
                continue
            going = self.going_on()
            if going is True:
                continue
            rest = statements[place + 1 :]
            if going is not False and rest:
                self.when_going(going, lambda: self.run_all(rest))  # noqa: B023 - run at once
            return

    def going_on(self) -> Bit:
        """Return whether no jump leads past what comes next."""
        going: Bit = True
        for flag in self.flags:
            if flag.data is not False:
                going = both(going, invert(self._flag(flag)))
        return self.compact(going)

    def _flag(self, flag: Variable) -> Bit:
        if isinstance(flag.data, bool):
            return flag.data
        return bits_of(BOOL, self.data(flag))[0]

    def when_going(self, going: Bit, action: Callable[[], None]) -> None:
        """Do something on condition that no flag is set, which is then known."""
        if going is True:
            action()
            return

        def act() -> None:
            for flag in self.flags:
                raised = self._flag(flag)
                if isinstance(raised, Tap):
                    self.know(raised.clbit, False)
            action()

        self.branch(going, act)

    @contextmanager
    def flag(self) -> Iterator[Variable]:
        """Return a new flag for jumps out of what follows."""
        flag = self.variable("", BOOL, False)
        self.flags.append(flag)
        try:
            yield flag
        finally:
            self.flags.pop()
            self.builder.release(flag.owned)

    def jump(self, flag: Variable) -> None:
        """Jump to where a flag leads."""
        self.assign(flag, True)
        self._jumps += 1

    # Statements

    def run_if(self, node: ast.BranchingStatement) -> None:
        """Run `if`."""
        self.branch(
            self.condition(node.condition),
            lambda: self.run_block(node.if_block),
            lambda: self.run_block(node.else_block),
        )

    def run_switch(self, node: ast.SwitchStatement) -> None:
        """Run `switch`, whose cases exclude each other."""
        target = self.evaluate(node.target)
        if not isinstance(target.type, Scalar) or target.type.bits is None:
            raise self.error(Code.TYPE_ERROR, f"'switch' cannot choose by {target.type}", node)
        if isinstance(target.data, tuple):
            settled = tuple([self.settled(bit) for bit in target.data])
            target = Value(target.type, settled)
        seen: set[int] = set()
        unmatched: Bit = True
        for values, body in node.cases:
            matched = self._matches(target, values, seen)
            self.branch(matched, lambda: self.run(body))  # noqa: B023 - run at once
            unmatched = self.compact(both(unmatched, invert(matched)))
        default = node.default
        if default is not None:
            self.branch(unmatched, lambda: self.run(default))

    def _matches(self, target: Value, nodes: Iterable[ast.Expression], seen: set[int]) -> Bit:
        matched: Bit = False
        for node in nodes:
            value = self.evaluate(node)
            if not isinstance(value.data, int):
                raise self.error(Code.TYPE_ERROR, "a case is an integer known beforehand", node)
            if value.data in seen:
                raise self.error(Code.DUPLICATE_NAME, f"case {value.data} stands twice", node)
            seen.add(value.data)
            equal = self.combine("==", target, value, node)
            matched = either(matched, bits_of(BOOL, equal.data)[0])
        return self.compact(matched)

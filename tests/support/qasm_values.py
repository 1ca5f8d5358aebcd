"""What tests of classical expressions ask of a program: the value of an expression."""

from infrastructure.quantum.qasm.interpreter import Interpreter
from infrastructure.quantum.qasm.program import ProgramLimits
from infrastructure.quantum.qasm.source import Source
from infrastructure.quantum.qasm.state import Variable
from infrastructure.quantum.qasm.statement_parser import StatementParser


def value_of(expression: str, before: str = "", declared: str = "", version: str = "3.0") -> object:
    """Return what an expression is worth, after other statements, as a declared type holds it."""
    text = (
        f"OPENQASM {version};\n{before}\n{declared} x_ = {expression};"
        if declared
        else (f"OPENQASM {version};\n{before}\nx_ = {expression};")
    )
    source = Source(text, 100_000)
    interpreter = Interpreter(source, ProgramLimits(), {})
    parser = StatementParser(source, source.start, 64)
    while parser.token.kind != "end":
        statement = parser.statement()
        if declared or parser.token.kind != "end":
            interpreter.run_global(statement)
        else:
            return interpreter.evaluate(statement.rvalue).data  # type: ignore[union-attr]
    variable = interpreter.lookup("x_")
    assert isinstance(variable, Variable)
    return interpreter.data(variable)

"""The layers of the front end say at their construction what is missing above them."""

import inspect

import pytest

from infrastructure.quantum.qasm.branching import Branching
from infrastructure.quantum.qasm.expression_parser import ExpressionParser
from infrastructure.quantum.qasm.gates import Gates
from infrastructure.quantum.qasm.interpreter import Interpreter
from infrastructure.quantum.qasm.statement_parser import StatementParser


@pytest.mark.parametrize(
    ("layer", "missing"),
    [
        (Gates, "run_block"),
        (Branching, "dispatch"),
        (ExpressionParser, "_duration_of"),
    ],
)
def test_a_layer_alone_cannot_be_made(layer: type, missing: str) -> None:
    with pytest.raises(TypeError, match=f"abstract methods? .*{missing}"):
        layer()


@pytest.mark.parametrize("whole", [Interpreter, StatementParser])
def test_the_uppermost_layer_leaves_nothing_open(whole: type) -> None:
    assert not inspect.isabstract(whole)

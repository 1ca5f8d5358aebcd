"""Classical computation with measurement outcomes, run on Aer."""

from hypothesis import HealthCheck, given, settings

from tests.support.aer_runs import outcome
from tests.support.classical_programs import ClassicalProgram, classical_programs


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(classical_programs())
def test_a_circuit_computes_what_python_computes(program: ClassicalProgram) -> None:
    assert outcome(program.qasm) == program.expected

"""What of a run does not depend on shots and seed, kept for circuits that come again."""

import json
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any

from domain.execution import RunRequest
from infrastructure.quantum import provenance
from infrastructure.quantum.limits import EngineLimits
from infrastructure.quantum.outcomes import register_sizes
from infrastructure.quantum.plan import Plan, make_plan
from infrastructure.quantum.qasm import Program, ProgramLimits, compile_program
from infrastructure.quantum.sampling import GENERATOR

_KEPT = 64
_LARGEST_KEPT = 2_000
_AER_SAMPLERS = frozenset({"final_state", "shot_by_shot"})


@dataclass(frozen=True, slots=True)
class Prepared:
    """A circuit ready to be run any number of times.

    Attributes:
        plan: what to simulate.
        registers: bits of each classical register of the outcome.
        names: the names of these registers. They are the client's words, so no event holds them.
        record: the part of the execution record that is known before the run.
        parse_seconds: time the front end took.
        compile_seconds: time the choice of a method and the translation took.
    """

    plan: Plan
    registers: tuple[int, ...]
    names: tuple[str, ...]
    record: dict[str, Any]
    parse_seconds: float
    compile_seconds: float


class Preparation:
    """Compiles and plans, and remembers small circuits."""

    def __init__(self, limits: EngineLimits) -> None:
        self._limits = limits
        self._program_limits = ProgramLimits(
            max_bytes=limits.max_circuit_bytes,
            max_nesting=limits.max_nesting,
            max_qubits=limits.max_qubits,
            max_clbits=limits.max_clbits,
            max_operations=limits.max_operations,
            max_steps=limits.max_steps,
        )
        self._kept: OrderedDict[tuple[str, str, bool, str], Prepared] = OrderedDict()

    def prepare(self, request: RunRequest) -> Prepared:
        """Compile a request's circuit and decide how to simulate it.

        Raises:
            ProgramError: the front end refuses the program.
            Refused: no method can run it, or not the requested one.
        """
        options = request.options
        parameters = json.dumps(dict(request.parameters), sort_keys=True)
        key = (request.circuit, parameters, options.measure_all, options.method)
        if key in self._kept:
            self._kept.move_to_end(key)
            return replace(self._kept[key], parse_seconds=0.0, compile_seconds=0.0)
        prepared = self._prepare(request)
        if len(prepared.plan.circuit.data) <= _LARGEST_KEPT:
            self._kept[key] = prepared
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return prepared

    def compile(self, request: RunRequest) -> Program:
        """Unroll a request's circuit; raises `ProgramError`."""
        return compile_program(
            request.circuit,
            parameters=request.parameters,
            measure_all=request.options.measure_all,
            limits=self._program_limits,
        )

    def _prepare(self, request: RunRequest) -> Prepared:
        options = request.options
        begun = time.perf_counter()
        program = self.compile(request)
        parsed = time.perf_counter()
        plan = make_plan(program, options.method, self._limits)
        planned = time.perf_counter()
        record = {
            "method": plan.choice.method,
            "method_reason": plan.choice.reason,
            "sampler": plan.sampler,
            "generator": "aer" if plan.sampler in _AER_SAMPLERS else GENERATOR,
            "circuit_sha256": provenance.text_sha256(request.circuit),
            "normalised_sha256": provenance.text_sha256(program.normalised),
            "openqasm": program.version,
            "measure_all": program.implicit_measurement,
            **provenance.size_of(program.circuit, program.scratch_bits),
            "simulated_qubits": plan.circuit.num_qubits,
            "estimated_memory_bytes": plan.choice.memory_bytes,
        }
        registers = register_sizes(program.circuit, program.scratch_bits)
        names = tuple(register.name for register in program.circuit.cregs[: len(registers)])
        return Prepared(plan, registers, names, record, parsed - begun, planned - parsed)

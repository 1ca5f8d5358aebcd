"""From a plan to counts: the four ways in which shots are drawn."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from infrastructure.quantum.aer import Aer
from infrastructure.quantum.checks import (
    check_counts_size,
    check_dynamic_work,
    check_memory_size,
)
from infrastructure.quantum.limits import EngineLimits
from infrastructure.quantum.outcomes import KeyWriter, key_length, scattered_key_writer
from infrastructure.quantum.plan import Plan
from infrastructure.quantum.sampling import derive, draw, tally
from infrastructure.quantum.stabilizer import draw_outcomes, support
from infrastructure.quantum.terminal import TerminalCircuit

LoopGuard = Callable[[float], AbstractContextManager[object]]

_AER_SEED_BITS = 62
_CERTAINLY_DISTINCT = 64


@dataclass(frozen=True, slots=True)
class Counted:
    """Counts by key and, if they were asked for, the keys of all shots in order."""

    counts: dict[str, int]
    memory: tuple[str, ...] | None


class Counter:
    """Draws the shots of one run.

    Args:
        aer: the simulator.
        limits: what the result may be.
        registers: bits of each classical register of the outcome, from classical bit 0 on.
        shots: how many to draw.
        seed: the seed of the run.
        memory: whether to keep the outcome of each shot.
        loop_guard: stops a block that takes more than so many seconds, for loops without an end.
    """

    def __init__(
        self,
        aer: Aer,
        limits: EngineLimits,
        registers: tuple[int, ...],
        *,
        shots: int,
        seed: int,
        memory: bool,
        loop_guard: LoopGuard = nullcontext,
    ) -> None:
        self._loop_guard = loop_guard
        self._aer = aer
        self._limits = limits
        self._registers = registers
        self._key_length = key_length(registers)
        self._reported = (1 << sum(registers)) - 1
        self._shots = shots
        self._seed = seed
        self._memory = memory

    def count(self, plan: Plan) -> Counted:
        """Simulate and count.

        Raises:
            Refused: the work or the result is over a limit.
        """
        if self._memory:
            check_memory_size(self._shots, self._key_length, self._limits)
        terminal = plan.terminal
        if terminal is None:
            return self._shot_by_shot(plan)
        if plan.sampler == "exact_probabilities":
            return self._exact_probabilities(plan, terminal)
        if plan.sampler == "stabilizer_support":
            return self._stabilizer_support(plan, terminal)
        return self._final_state(plan, terminal)

    def _exact_probabilities(self, plan: Plan, terminal: TerminalCircuit) -> Counted:
        probabilities = self._aer.probabilities(plan.circuit, plan.choice.method, self._aer_seed(0))
        drawn = draw(probabilities, self._shots, self._seed)
        tallied = tally(drawn, probabilities.size)
        self._check(len(tallied))
        write = self._writer(terminal)
        keys = {outcome: write(outcome) for outcome in tallied}
        counts = {keys[outcome]: number for outcome, number in tallied.items()}
        memory = tuple(map(keys.__getitem__, drawn.tolist())) if self._memory else None
        return Counted(counts, memory)

    def _stabilizer_support(self, plan: Plan, terminal: TerminalCircuit) -> Counted:
        found = support(terminal.gates, terminal.qubits)
        if found.dimension >= _CERTAINLY_DISTINCT:
            self._check(self._shots)
        tallied, _ = self._aer.sample(plan.circuit, plan.choice.method, 1, self._aer_seed(0))
        one_outcome = int(next(iter(tallied)), 16)
        outcomes, which = draw_outcomes(found, one_outcome, self._shots, self._seed)
        self._check(len(outcomes))
        write = self._writer(terminal)
        keys = [write(outcome) for outcome in outcomes]
        return self._by_position(keys, which)

    def _final_state(self, plan: Plan, terminal: TerminalCircuit) -> Counted:
        counts, memory = self._aer.sample(
            plan.circuit, plan.choice.method, self._shots, self._aer_seed(0), memory=self._memory
        )
        return self._by_hexadecimal(counts, memory, self._writer(terminal))

    def _shot_by_shot(self, plan: Plan) -> Counted:
        check_dynamic_work(self._shots, len(plan.circuit.data), self._limits)
        if plan.loops:
            self._try_one_shot(plan)
        counts: dict[str, int] = {}
        memory: list[str] | None = [] if self._memory else None
        for number, shots in enumerate(_batches(self._shots, plan.batch)):
            more, outcomes = self._aer.sample(
                plan.circuit,
                plan.choice.method,
                shots,
                self._aer_seed(number),
                memory=self._memory,
                branching=plan.branching,
            )
            for outcome, times in more.items():
                counts[outcome] = counts.get(outcome, 0) + times
            if memory is not None:
                memory += outcomes or []
        return self._by_hexadecimal(counts, memory, KeyWriter(self._registers))

    def _try_one_shot(self, plan: Plan) -> None:
        """See whether the loops end at all, before all shots are run."""
        with self._loop_guard(self._limits.max_loop_seconds):
            self._aer.sample(plan.circuit, plan.choice.method, 1, self._aer_seed(0))

    def _by_hexadecimal(
        self,
        tallied: Mapping[str, int],
        outcomes: Sequence[str] | None,
        write: Callable[[int], str],
    ) -> Counted:
        # Bits above the registers of the outcome hold intermediate values.
        numbers = {outcome: int(outcome, 16) & self._reported for outcome in tallied}
        self._check(len(set(numbers.values())))
        counts: dict[str, int] = {}
        keys: dict[str, str] = {}
        for outcome in sorted(numbers, key=numbers.__getitem__):
            key = keys[outcome] = write(numbers[outcome])
            counts[key] = counts.get(key, 0) + int(tallied[outcome])
        memory = None if outcomes is None else tuple(map(keys.__getitem__, outcomes))
        return Counted(counts, memory)

    def _by_position(self, keys: Sequence[str], which: npt.NDArray[np.intp]) -> Counted:
        numbers = np.bincount(which, minlength=len(keys)).tolist()
        counts = dict(sorted(zip(keys, numbers, strict=True)))
        memory = tuple(map(keys.__getitem__, which.tolist())) if self._memory else None
        return Counted(counts, memory)

    def _writer(self, terminal: TerminalCircuit) -> Callable[[int], str]:
        return scattered_key_writer(self._registers, terminal.sources, len(terminal.qubits))

    def _check(self, outcomes: int) -> None:
        check_counts_size(outcomes, self._key_length, self._limits)

    def _aer_seed(self, batch: int) -> int:
        # Aer gives shot k the seed plus k, so that neighbouring seeds would share their shots.
        return derive(self._seed, f"aer:{batch}", _AER_SEED_BITS)


def _batches(shots: int, batch: int) -> Iterator[int]:
    for done in range(0, shots, batch):
        yield min(batch, shots - done)

"""What the clients submit, and what has to come of it."""

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from domain.execution import RunOptions, RunRequest, RunSucceeded
from infrastructure.quantum.limits import EngineLimits
from tests.support import tasks
from tests.support.dispatcher import LONG

SEEDS = 4
SHOTS_OF_A_SECOND = 4_000


@dataclass(frozen=True, slots=True)
class Job:
    """One submission's content.

    Attributes:
        fails: whether the circuit is not one.
    """

    circuit: str
    shots: int
    seed: int
    fails: bool = False

    @property
    def body(self) -> dict[str, object]:
        """As it is submitted."""
        return {"circuit": self.circuit, "shots": self.shots, "seed": self.seed}


@dataclass
class Mixture:
    """Draws jobs: most are small, one in fifty runs for a third of a second to a second."""

    chance: random.Random
    drawn: Counter[str] = field(default_factory=Counter)

    def draw(self) -> Job:
        """Return the next job."""
        seed = self.chance.randrange(SEEDS)
        kind = self.chance.choices(("bell", "certain", "bad", "long"), (70, 19, 9, 2))[0]
        self.drawn[kind] += 1
        match kind:
            case "bell":
                return Job(tasks.BELL, 256, seed)
            case "certain":
                return Job(certain(seed + 1), 64, seed)
            case "bad":
                return Job("this is no circuit", 16, seed, fails=True)
        return long(self.chance.choice((0.3, 0.5, 1.0)))


def long(seconds: float) -> Job:
    """A circuit that runs for about so long."""
    return Job(LONG, int(seconds * SHOTS_OF_A_SECOND), seed=1)


def certain(width: int) -> str:
    """A circuit whose only outcome is all ones."""
    flips = " ".join(f"x q[{bit}];" for bit in range(width))
    return f"OPENQASM 3; qubit[{width}] q; bit[{width}] c; {flips} c = measure q;"


@cache
def expected(job: Job) -> Mapping[str, int]:
    """What an undisturbed run of this job counts."""
    request = RunRequest(job.circuit, RunOptions(shots=job.shots, seed=job.seed))
    outcome = _engine().run(request)
    assert isinstance(outcome, RunSucceeded), outcome
    return dict(outcome.counts)


@cache
def _engine() -> Any:
    """Return an engine in this process; importing it takes seconds, and is for the end."""
    from infrastructure.quantum.runner import Runner  # noqa: PLC0415

    return Runner(EngineLimits())

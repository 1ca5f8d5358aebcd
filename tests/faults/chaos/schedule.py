"""Which faults, when and on whom: a pure function of the seed.

The faults of a round begin within a second and a half of each other; the next round begins when all
of them are over and the system has recovered. Every kind comes once in each pass.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.faults.chaos.scenario import Scenario

SIZES = (1, 2, 3, 4)
SIZE_WEIGHTS = (2, 3, 4, 2)
LONGEST_DELAY_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Planned:
    """One fault.

    Attributes:
        delay: seconds from the beginning of the round.
        seed: decides on whom and how much.
    """

    scenario: str
    delay: float
    seed: int


@dataclass(frozen=True, slots=True)
class Round:
    """Faults at the same time, done to different parts."""

    number: int
    in_pass: int
    faults: tuple[Planned, ...]

    def __str__(self) -> str:
        """Return it as a line of the printed schedule."""
        faults = ", ".join(f"{fault.scenario} +{fault.delay:.1f} s" for fault in self.faults)
        return f"{self.number:3} (pass {self.in_pass}): {faults}"


def rounds(seed: int, scenarios: Mapping[str, Scenario]) -> Iterator[Round]:
    """Return rounds without end."""
    chance = random.Random(f"schedule {seed}")
    number = in_pass = 0
    while True:
        in_pass += 1
        deck = sorted(scenarios)
        chance.shuffle(deck)
        while deck:
            number += 1
            names = _deal(deck, chance.choices(SIZES, SIZE_WEIGHTS)[0], scenarios)
            faults = tuple(
                Planned(
                    name,
                    round(chance.uniform(0.0, LONGEST_DELAY_SECONDS), 2) if len(names) > 1 else 0.0,
                    chance.randrange(2**32),
                )
                for name in names
            )
            yield Round(number, in_pass, faults)


def _deal(deck: list[str], size: int, scenarios: Mapping[str, Scenario]) -> list[str]:
    """Take up to so many from the deck that are done to different parts."""
    dealt: list[str] = []
    touched: set[str] = set()
    for name in list(deck):
        parts = scenarios[name].touches
        if len(dealt) < size and not touched & parts:
            dealt.append(name)
            touched |= parts
            deck.remove(name)
    return dealt

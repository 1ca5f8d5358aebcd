"""What a row of the benchmark has found: ours and the baseline, round by round, and the verdict."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

Fact = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    Attributes:
        row: the row's name, as in `make bench ONLY=submit`.
        what: what was measured, for the table.
        unit: of `ours` and `baseline`.
        ours: one value a round.
        baseline: the same of the yardstick; empty where the goal is an absolute value.
        judged: one value a round; its median is held against the goal.
        judged_unit: unit of the judged values; empty for a ratio.
        at_most: whether the goal is an upper bound.
        goal: what has to be reached.
        stretch: what would be better still.
        facts: settings and counts of this figure.
    """

    row: str
    what: str
    unit: str
    ours: Sequence[float]
    baseline: Sequence[float]
    judged: Sequence[float]
    judged_unit: str
    at_most: bool
    goal: float
    stretch: float | None = None
    facts: dict[str, Fact] = field(default_factory=dict)

    @property
    def result(self) -> float:
        """The judged median."""
        return statistics.median(self.judged)

    @property
    def verdict(self) -> str:
        """`stretch`, `goal` or `missed`."""
        if self.stretch is not None and self._reaches(self.stretch):
            return "stretch"
        return "goal" if self._reaches(self.goal) else "missed"

    def as_json(self) -> dict[str, Any]:
        """Return everything, with what follows from it."""
        return asdict(self) | {"result": self.result, "verdict": self.verdict}

    def _reaches(self, bound: float) -> bool:
        return self.result <= bound if self.at_most else self.result >= bound


def at_least(
    row: str,
    what: str,
    unit: str,
    ours: Sequence[float],
    baseline: Sequence[float],
    *,
    goal: float,
    stretch: float | None = None,
    **facts: Fact,
) -> Figure:
    """Judge ours as a share of the baseline: the more the better."""
    shares = [mine / bare for mine, bare in zip(ours, baseline, strict=True)]
    return Figure(row, what, unit, ours, baseline, shares, "", False, goal, stretch, facts)


def at_most(
    row: str,
    what: str,
    unit: str,
    ours: Sequence[float],
    baseline: Sequence[float],
    *,
    judged: Sequence[float],
    goal: float,
    stretch: float | None = None,
    judged_unit: str = "",
    **facts: Fact,
) -> Figure:
    """Judge values that should be small."""
    return Figure(row, what, unit, ours, baseline, judged, judged_unit, True, goal, stretch, facts)


def number(value: float) -> str:
    """Return a figure with as many digits as mean something."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def spread(values: Sequence[float]) -> str:
    """Return the median with the lowest and the highest value."""
    if not values:
        return "-"
    middle = number(statistics.median(values))
    if len(values) == 1:
        return middle
    return f"{middle} ({number(min(values))} to {number(max(values))})"

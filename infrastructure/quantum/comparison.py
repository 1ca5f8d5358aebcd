"""Whether what the engine did with a circuit is what was expected of it."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from domain.execution import RunFailed, RunSucceeded

Verdict = Literal["pass", "refused", "wrong"]

TOLERANCE = 0.03
REFUSAL_SECONDS = 10.0
REFUSAL_BYTES = 1024**3

_STOPPED = frozenset({"timeout", "too_much_cpu"})
_NO_ANSWER = frozenset({"engine_error", "cancelled"})


@dataclass(frozen=True, slots=True)
class Observation:
    """What happened to one circuit.

    Attributes:
        outcome: the result, or how the simulator died.
        seconds: wall clock.
        peak_bytes: highest memory of the simulator, None where it is unknown.
    """

    outcome: RunSucceeded | RunFailed | str
    seconds: float
    peak_bytes: int | None


def judge(row: Mapping[str, Any], seen: Observation, shots: int) -> tuple[Verdict, str]:
    """Compare an observation with a row of the manifest.

    Returns:
        The verdict and the reason, or what is worth knowing of a pass.
    """
    outcome = seen.outcome
    if isinstance(outcome, str):
        return "wrong", outcome
    if row["expect"] in {"run", "slow"}:
        if isinstance(outcome, RunSucceeded):
            return _judge_counts(row, outcome, shots)
        if row["expect"] == "slow" and outcome.code in _STOPPED:
            return "pass", f"stopped: {outcome.code}"
        return "refused", _words(outcome)
    if isinstance(outcome, RunSucceeded):
        return "wrong", f"ran, although it should end as {row['expect']}"
    return _judge_refusal(outcome, seen)


def _judge_counts(row: Mapping[str, Any], outcome: RunSucceeded, shots: int) -> tuple[Verdict, str]:
    probabilities = row["probabilities"]
    distance = variation_distance(probabilities, outcome.counts, shots)
    noise = expected_distance(probabilities, shots)
    reference = re.match(r"(\d+) shots", row.get("source_of_probabilities", ""))
    if reference:
        noise += expected_distance(probabilities, int(reference[1]))
    text = f"distance {distance:.4f}, noise {noise:.4f}, {outcome.execution['method']}"
    if distance < TOLERANCE + noise:
        return "pass", text
    strange = [key for key in outcome.counts if key not in probabilities][:2]
    return "wrong", f"{text}; unlisted outcomes {strange}, listed {list(probabilities)[:2]}"


def _judge_refusal(outcome: RunFailed, seen: Observation) -> tuple[Verdict, str]:
    if outcome.code in _NO_ANSWER:
        return "wrong", f"no clear reason: {_words(outcome)}"
    if seen.seconds > REFUSAL_SECONDS:
        return "wrong", f"refused after {seen.seconds:.1f} s: {_words(outcome)}"
    if seen.peak_bytes is not None and seen.peak_bytes > REFUSAL_BYTES:
        return "wrong", f"refused with {seen.peak_bytes >> 20} MiB: {_words(outcome)}"
    return "pass", _words(outcome)


def variation_distance(
    probabilities: Mapping[str, float], counts: Mapping[str, int], shots: int
) -> float:
    """Total-variation distance over the listed outcomes and the mass of the rest."""
    listed = sum(counts.get(key, 0) for key in probabilities)
    rest = max(0.0, 1.0 - sum(probabilities.values()))
    parts = [abs(p - counts.get(key, 0) / shots) for key, p in probabilities.items()]
    return (sum(parts) + abs(rest - (shots - listed) / shots)) / 2


def expected_distance(probabilities: Mapping[str, float], shots: int) -> float:
    """Expected distance between a distribution and a sample of it, by the normal approximation."""
    rest = max(0.0, 1.0 - sum(probabilities.values()))
    variances = (p * (1 - p) / shots for p in (*probabilities.values(), rest))
    return sum(math.sqrt(2 / math.pi * max(0.0, variance)) for variance in variances) / 2


def _words(failed: RunFailed) -> str:
    place = "" if failed.line is None else f" at {failed.line}:{failed.column}"
    return f"{failed.code}{place}: {failed.message}"

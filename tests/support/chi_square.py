"""Whether a sample is plausible, without a table of quantiles."""

import math
from collections.abc import Iterable


def assert_plausible(observed: Iterable[int], expected: Iterable[float]) -> None:
    """Fail if counts deviate from their expectation too much, or suspiciously little.

    The Wilson-Hilferty transformation turns the chi-square statistic into a nearly standard
    normal one; five standard deviations happen once in two million tests.
    """
    pairs = [(seen, mean) for seen, mean in zip(observed, expected, strict=True) if mean > 0]
    degrees = len(pairs) - 1
    statistic = sum((seen - mean) ** 2 / mean for seen, mean in pairs)
    spread = 2 / (9 * degrees)
    deviation = ((statistic / degrees) ** (1 / 3) - (1 - spread)) / math.sqrt(spread)
    assert abs(deviation) < 5, f"chi-square {statistic:.1f} with {degrees} degrees of freedom"

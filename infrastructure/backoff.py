"""How long to wait before the next try: doubling, bounded, never in step with the neighbours."""

import random


class Backoff:
    """Waits in seconds for a row of failures; `reset` when something worked.

    Args:
        first: upper bound of the first wait.
        longest: upper bound of all waits.
    """

    def __init__(self, first: float = 0.1, longest: float = 0.5) -> None:
        self._first = first
        self._longest = longest
        self._bound = first

    def next(self) -> float:
        """Return the next wait: between half the bound and the bound, which then doubles."""
        bound = self._bound
        self._bound = min(2 * bound, self._longest)
        return bound * random.uniform(0.5, 1.0)  # noqa: S311 - jitter is no secret

    def reset(self) -> None:
        """Begin again with the shortest wait."""
        self._bound = self._first

"""How long a request that asks the store several times may take altogether."""

import asyncio

from domain.errors import StoreUnavailable


class Deadline:
    """Counts from when it is made.

    Args:
        seconds: the time there is.
    """

    def __init__(self, seconds: float) -> None:
        self._clock = asyncio.get_running_loop().time
        self._ends_at = self._clock() + seconds

    def left(self) -> float:
        """Return the seconds that are left; raises `StoreUnavailable` when there are none."""
        seconds = self._ends_at - self._clock()
        if seconds <= 0:
            raise StoreUnavailable("the store did not answer in time")
        return seconds

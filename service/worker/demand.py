"""How much work a worker should have in hand: enough to be never idle, too little to hoard.

A claim takes some milliseconds, a small circuit one, so a worker that takes one circuit at a time
is idle most of the time. A long circuit takes minutes, and whatever lies behind it waits although
another worker may be free. How long the next circuit runs is not known before it has run, so the
last ones are the guess, and the guess errs on the side of long.
"""

from dataclasses import dataclass

LONG_SECONDS = 0.030
"""A run that has lasted so long makes its slot stuck: nothing should wait behind it."""

AHEAD_SECONDS = 0.030
"""Work that a slot may have claimed ahead, and about as much again that it has as messages."""

MOST_AHEAD = 32
_SHORT_SECONDS = 0.020
_CEILING_SECONDS = 0.160
_WEIGHT = 0.25


class LookAhead:
    """Guesses how long circuits run, and how many of them a slot may have ahead.

    The guess follows the last few runs, a quarter of it the last one alone. So one long run ends
    all look-ahead, and a handful of short ones brings it back.
    """

    def __init__(self) -> None:
        self._seconds = 2 * _SHORT_SECONDS

    @property
    def depth(self) -> int:
        """Circuits that a slot may have claimed beside the one it runs."""
        if self._seconds > _SHORT_SECONDS:
            return 0
        return min(MOST_AHEAD, int(AHEAD_SECONDS / self._seconds))

    def observe(self, seconds: float) -> None:
        """Take note of how long a run has lasted.

        Runs beyond the ceiling count as long as that: an hour is forgotten as fast as a second.
        """
        within_bounds = min(max(seconds, 1e-6), _CEILING_SECONDS)
        self._seconds += _WEIGHT * (within_bounds - self._seconds)


@dataclass(frozen=True, slots=True)
class Load:
    """What a worker has in hand.

    Attributes:
        slots: circuits that can run at once.
        stuck: slots whose run has turned out to be long.
        claimed: tasks that are claimed or being claimed, and whose run is not over.
        unclaimed: messages in hand beside those.
        depth: see `LookAhead.depth`.
    """

    slots: int
    stuck: int
    claimed: int
    unclaimed: int
    depth: int

    @property
    def crowded(self) -> bool:
        """Whether what has not begun may have to wait for long."""
        return self.depth == 0 or self._quick == 0

    @property
    def claimable(self) -> int:
        """How many tasks may be claimed now.

        None before half of what may be claimed ahead has been used up: a claim costs the database
        as much for one task as for ten.
        """
        room = self.stuck + self._quick * (1 + self.depth) - self.claimed
        return room if room > self._quick * self.depth // 2 else 0

    @property
    def fitting_demand(self) -> int:
        """Messages to ask for: one for each free slot, or as many again as are claimed ahead."""
        if self.depth == 0:
            return max(0, self.slots - self.claimed - self.unclaimed)
        return self._quick * (1 + self.depth)

    @property
    def highest_demand(self) -> int:
        """The demand above which the present one has to come down.

        With long circuits this is exact: one message more than there are free slots would lie
        behind a busy one. With short ones there is time.
        """
        if self.depth == 0:
            return max(0, self.slots - self.claimed)
        return 2 * self.fitting_demand

    @property
    def _quick(self) -> int:
        return self.slots - self.stuck


def lowered(present: int, load: Load) -> int:
    """Return the demand to come down to before any message is settled, or the present one.

    With long circuits the way down leads to nothing first: only then is it known what is in hand.
    """
    if present <= load.highest_demand:
        return present
    return 0 if load.depth == 0 else load.fitting_demand


def raised(present: int, load: Load) -> int:
    """Return the demand to go up to, or the present one where a change is not worth its cost."""
    fitting = load.fitting_demand
    return fitting if fitting > 0 and (present == 0 or fitting >= 2 * present) else present

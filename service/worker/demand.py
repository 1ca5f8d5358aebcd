"""How much work a worker should have in hand: enough to be never idle, too little to hoard.

A claim takes some milliseconds, a small circuit one, so a worker that takes one circuit at a time
is idle most of the time. A long circuit takes minutes, and whatever lies behind it waits although
another worker may be free. How long the next circuit runs is not known before it has run, so the
last ones are the guess, and the guess errs on the side of long.
"""

from dataclasses import dataclass

BUDGET_SECONDS = 0.020
"""Work that a slot may have claimed ahead, and once more as messages. A run that lasts longer is
long, and its slot is stuck."""

MOST_AHEAD = 32
_CEILING_SECONDS = 2 * BUDGET_SECONDS
_WEIGHT = 0.25


class LookAhead:
    """Guesses how long circuits run, and how many of them a slot may have ahead.

    One long run ends all look-ahead at once. A few short ones bring it back: the guess forgets a
    quarter of the past with each, so the look-ahead doubles every two or three runs.
    """

    def __init__(self) -> None:
        self._seconds = _CEILING_SECONDS

    @property
    def seconds(self) -> float:
        """The guess for the next run, in seconds; longer ones count as 40 ms."""
        return self._seconds

    @property
    def depth(self) -> int:
        """Circuits that a slot may have claimed beside the one it runs: 0 or a power of two.

        Coarse on purpose: each change of demand costs the broker a round trip.
        """
        whole = int(BUDGET_SECONDS / self._seconds)
        return min(MOST_AHEAD, 1 << whole.bit_length() - 1) if whole else 0

    def observe(self, seconds: float) -> None:
        """Take note of a run: one that ended, or one that has lasted so long already."""
        if seconds > BUDGET_SECONDS:
            self._seconds = min(max(seconds, self._seconds), _CEILING_SECONDS)
        else:
            self._seconds += _WEIGHT * (max(seconds, 1e-6) - self._seconds)


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
    def claimable(self) -> int:
        """How many tasks may be claimed now."""
        return max(0, self.stuck + self._quick * (1 + self.depth) - self.claimed)

    @property
    def fitting_demand(self) -> int:
        """Messages to ask for: one for each free slot, or as much again as is claimed ahead."""
        if self.depth == 0:
            return max(0, self.slots - self.claimed - self.unclaimed)
        return self._quick * (1 + self.depth)

    @property
    def highest_demand(self) -> int:
        """The demand above which the present one has to come down.

        With long circuits this is exact: a message more than there are free slots lies behind a
        busy one. With short ones there is time.
        """
        if self.depth == 0:
            return max(0, self.slots - self.claimed)
        return 2 * self.fitting_demand

    @property
    def _quick(self) -> int:
        return self.slots - self.stuck


def next_demand(present: int, load: Load) -> int:
    """Return the demand to raise to, or the present one where a change is not worth its cost."""
    fitting = load.fitting_demand
    return fitting if fitting > 0 and (present == 0 or fitting >= 2 * present) else present

"""How many tasks may be with the broker at a time, judged from how many workers claim.

What lies in the queue is past choosing: a task that is more urgent, or of a tenant whose turn it
is, waits behind all of it. So no more than half a second's worth of claims is put there. That is
far more than workers can use up between two looks of the relay, so none of them runs dry.

    size = claims a second * 0.5 s, within `least` and `most`

It grows at once and shrinks by halves, since a moment in which nobody claims says little.
"""

from domain.ports import Dispatched

SECONDS_AHEAD = 0.5


class Window:
    """Follows samples of the outbox; pure, time comes in.

    Args:
        least: never fewer, also while nobody claims anything, and whatever `most` is.
        most: never more.

    Attributes:
        size: most tasks that are dispatched and unclaimed at a time.
    """

    def __init__(self, least: int, most: int) -> None:
        self._least = least
        self._most = most
        self._seen: tuple[Dispatched, float] | None = None
        self.size = least

    def observe(self, dispatched: Dispatched, now: float) -> None:
        """Take note of which numbers are dispatched.

        Args:
            now: monotonic seconds.
        """
        seen, self._seen = self._seen, (dispatched, now)
        if seen is None or now <= seen[1]:
            return
        rate = max(0, _claimed(seen[0], dispatched)) / (now - seen[1])
        fitting = max(int(rate * SECONDS_AHEAD), self.size // 2)
        self.size = max(self._least, min(fitting, self._most))


def _claimed(before: Dispatched, after: Dispatched) -> int:
    """Return how many numbers were claimed in between: they are gone and were not withdrawn."""
    known = frozenset(before.numbers)
    withdrawn = sum(number > before.last_number or number in known for number in after.withdrawn)
    gone = len(before.numbers) + after.last_number - before.last_number - len(after.numbers)
    return gone - withdrawn

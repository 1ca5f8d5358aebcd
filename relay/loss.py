"""Which dispatched messages must have been lost, judged from outside.

RabbitMQ can lose what it has confirmed: someone purges the queue, deletes the vhost or wipes the
disk. The outbox still holds the rows. Two observations show it, kept up for a while:

- order: a queue is first in, first out, so a row left behind while a later one was claimed has no
  message any more (a row that left because its task was cancelled says nothing);
- emptiness: where no message waits, none of these rows has one.

Time counts only while everything is observed without a break, and not while dispatch is paused. A
wrong guess sends a second message for a task, which the claim's compare-and-set makes harmless.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from domain.ports import Dispatched


@dataclass(frozen=True, slots=True)
class _Moment:
    at: float
    last_number: int
    highest_claimed: int


class LossDetector:
    """Judges samples of the outbox and the queue; pure, time comes in.

    Args:
        patience: seconds for which a sign has to last.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self.reset()

    def reset(self) -> None:
        """Forget what was seen: the broker or the database was out of sight."""
        self._moments: deque[_Moment] = deque()
        self._settled: _Moment | None = None
        # Numbers are drawn before their rows are committed, so the newest may not show yet: only
        # those that had been drawn at the sample before can be told apart from claimed ones.
        self._number_before = 0
        self._empty_since: float | None = None

    def observe(self, dispatched: Dispatched, ready: int | None, now: float) -> list[int]:
        """Return the numbers whose messages are lost.

        The caller makes them wait again, and sees to it that they count as withdrawn from then on.

        Args:
            dispatched: the numbers dispatched and unclaimed, those withdrawn, and whether dispatch
                is paused.
            ready: messages that wait in the queue; `None` when the broker cannot be asked.
            now: monotonic seconds.
        """
        if ready is None or dispatched.paused or self._interrupted(dispatched, now):
            self.reset()
        if ready is None or dispatched.paused:
            return []
        if ready > 0:
            self._empty_since = None
        elif self._empty_since is None:
            self._empty_since = now
        claimed = self._highest_claimed(dispatched)
        self._number_before = dispatched.last_number
        self._moments.append(_Moment(now, dispatched.last_number, claimed))
        while self._moments and now - self._moments[0].at >= self._patience:
            self._settled = self._moments.popleft()
        return self._lost(dispatched.numbers, now)

    def _interrupted(self, dispatched: Dispatched, now: float) -> bool:
        if not self._moments:
            return False
        last = self._moments[-1]
        return now - last.at > self._patience / 2 or dispatched.last_number < last.last_number

    def _highest_claimed(self, dispatched: Dispatched) -> int:
        """Return the highest number that is gone without having been withdrawn."""
        unclaimed = {*dispatched.numbers, *dispatched.withdrawn}
        number = min(self._number_before, dispatched.last_number)
        while number in unclaimed:
            number -= 1
        return number

    def _lost(self, numbers: Sequence[int], now: float) -> list[int]:
        settled = self._settled
        if settled is None:
            return []
        empty = self._empty_since is not None and now - self._empty_since >= self._patience
        return [
            number
            for number in numbers
            if number < settled.highest_claimed or (empty and number <= settled.last_number)
        ]

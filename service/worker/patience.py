"""No task waits behind a long run here while another worker may be free."""

import asyncio

from service.worker.intake import Intake
from service.worker.runs import Runs

UNCLAIMED_SECONDS = 0.040
CLAIMED_SECONDS = 0.050
LOOK_SECONDS = 0.010


class Patience:
    """Gives back what has waited too long, once runs have turned out to be long.

    The look-ahead is a guess. Where it was wrong, messages return to the queue and claimed tasks
    that have not begun become pending again, at no cost to their attempts.
    """

    def __init__(self, intake: Intake, runs: Runs) -> None:
        self._intake = intake
        self._runs = runs
        self._due = asyncio.Event()

    def wake(self) -> None:
        """Have a look: a run is long, or a message has come."""
        if self._intake.load.crowded:
            self._due.set()

    async def run(self) -> None:
        """Watch, for ever."""
        while True:
            await self._due.wait()
            self._due.clear()
            while self._something_waits():
                await asyncio.sleep(LOOK_SECONDS)
                self.look()

    def look(self) -> None:
        """Give back what has waited too long."""
        load = self._intake.load
        if not load.crowded:
            return
        self._runs.hand_back_waiting("a long circuit is in the way", CLAIMED_SECONDS)
        if load.claimable == 0:
            self._intake.give_back_waiting(UNCLAIMED_SECONDS)

    def _something_waits(self) -> bool:
        load = self._intake.load
        return load.crowded and (load.unclaimed > 0 or self._runs.waiting > 0)

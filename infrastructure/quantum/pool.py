"""A pool of simulator processes behind one queue. The parent side: imports no Qiskit."""

from collections.abc import Callable

from domain.execution import RunRequest
from infrastructure.quantum.job import Job, PoolClosed, SimulatorDied
from infrastructure.quantum.limits import EngineLimits

__all__ = ["EngineLimits", "Job", "PoolClosed", "SimulatorDied", "SimulatorPool"]


class SimulatorPool:
    """Runs circuits in `slots` processes at once, first come, first served.

    Attributes:
        on_capacity: called on the event loop whenever a slot or a place in a pipe became free.
    """

    def __init__(
        self,
        slots: int,
        limits: EngineLimits,
        spares: int = 1,
        on_capacity: Callable[[], None] | None = None,
    ) -> None:
        self.slots = slots
        self.limits = limits
        self.spares = spares
        self.on_capacity = on_capacity

    async def start(self) -> None:
        """Start the simulators and wait until every slot is ready.

        Raises:
            SimulatorDied: the simulators cannot start; the reason says why.
        """
        raise NotImplementedError

    async def close(self) -> None:
        """Kill every simulator, within 500 ms. Jobs without an outcome get `PoolClosed`."""
        raise NotImplementedError

    def submit(self, request: RunRequest) -> Job:
        """Queue a run, first come, first served over all slots."""
        raise NotImplementedError

    def withdraw(self, job: Job) -> bool:
        """Take a job back that has not begun.

        Returns:
            True if no simulator has begun it; it then never has an outcome (`job.outcome` is
            cancelled). False if it runs or is over.
        """
        raise NotImplementedError

    @property
    def busy(self) -> int:
        """Slots at work."""
        raise NotImplementedError

    @property
    def queued(self) -> int:
        """Jobs that have not begun, those in a simulator's pipe included."""
        raise NotImplementedError

    @property
    def waiting(self) -> int:
        """Jobs that have not begun and lie in no pipe: every slot is taken by something slow."""
        raise NotImplementedError

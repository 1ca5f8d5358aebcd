"""What the worker needs from RabbitMQ and from the simulators, so that tests can stand in."""

from collections.abc import Callable, Collection
from typing import Protocol
from uuid import UUID

from domain.execution import RunRequest
from infrastructure.quantum.pool import Job
from infrastructure.rabbitmq.consumer import Delivery


class DeliverySource(Protocol):
    """See `infrastructure.rabbitmq.consumer.Consumer`."""

    @property
    def connected(self) -> bool:
        """Whether messages can arrive."""
        ...

    @property
    def generation(self) -> int:
        """Deliveries of other generations are void."""
        ...

    async def start(
        self, on_delivery: Callable[[Delivery], None], on_void: Callable[[int], None]
    ) -> None:
        """Begin to connect, in the background."""
        ...

    async def set_demand(self, count: int) -> None:
        """Say how many deliveries may be unacknowledged at a time; 0 stops them."""
        ...

    async def ack(self, deliveries: Collection[Delivery]) -> None:
        """Say that these are dealt with."""
        ...

    async def give_back(self, deliveries: Collection[Delivery]) -> None:
        """Return these to the queue."""
        ...

    async def reject(self, deliveries: Collection[Delivery]) -> None:
        """Send these to the dead-letter queue."""
        ...

    async def close(self) -> None:
        """Stop; what is unacknowledged goes back to the queue."""
        ...


class CancelNotices(Protocol):
    """See `infrastructure.postgres.notifications.CancelNotices`."""

    async def run(
        self, on_cancelled: Callable[[UUID], None], on_connected: Callable[[], None]
    ) -> None:
        """Hear of cancelled tasks until cancelled oneself."""
        ...


class Inspections(Protocol):
    """See `infrastructure.rabbitmq.inspection_server.InspectionServer`."""

    async def run(self) -> None:
        """Answer questions about circuits until cancelled."""
        ...


class Simulators(Protocol):
    """See `infrastructure.quantum.pool.SimulatorPool`."""

    @property
    def slots(self) -> int:
        """Circuits that can run at once."""
        ...

    @property
    def busy(self) -> int:
        """Slots at work."""
        ...

    @property
    def room(self) -> int:
        """How many more jobs would begin at once or next; 0 when every simulator is taken."""
        ...

    async def start(self) -> None:
        """Return when circuits can run."""
        ...

    async def close(self) -> None:
        """Kill whatever runs."""
        ...

    def submit(self, request: RunRequest) -> Job:
        """Queue a run."""
        ...

    def withdraw(self, job: Job) -> bool:
        """Take a job back that has not begun; tells whether that worked."""
        ...

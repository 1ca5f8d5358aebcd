"""The messages a worker has in hand, and how many more it asks for."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from infrastructure.rabbitmq.consumer import Delivery
from infrastructure.rabbitmq.message import Undecodable
from service.worker.counters import Counters
from service.worker.demand import Load, lowered, raised
from service.worker.ports import DeliverySource

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Held:
    """A message in hand, unacknowledged."""

    delivery: Delivery
    task_id: UUID
    arrived: float


class Intake:
    """Holds deliveries until they are claimed, and keeps the demand fitting.

    Everything that is said to the broker is said by one loop (`run`), in this order: the demand
    comes down, deliveries are settled, the demand goes up. So no acknowledgement makes room for a
    message that would have to wait behind a long run.

    Args:
        source: the broker's side.
        measure: returns the load, given the numbers of messages being claimed and unclaimed.
        on_arrival: called when something may be claimed.
    """

    def __init__(
        self,
        source: DeliverySource,
        measure: Callable[[int, int], Load],
        on_arrival: Callable[[], None],
        counters: Counters,
    ) -> None:
        self._source = source
        self._measure = measure
        self._on_arrival = on_arrival
        self._counters = counters
        self._waiting: deque[Held] = deque()
        self._taken = 0
        self._demand = 0
        self._void = 0
        self._closed_by: set[str] = set()
        self._acks: list[Delivery] = []
        self._returns: list[Delivery] = []
        self._rejects: list[Delivery] = []
        self._due = asyncio.Event()
        self._settled = asyncio.Event()

    @property
    def load(self) -> Load:
        """What the worker has in hand."""
        return self._measure(self._taken, len(self._waiting))

    async def start(self) -> None:
        """Begin to connect, in the background."""
        await self._source.start(self._arrived, self._voided)
        self.adjust()

    def take(self) -> list[Held]:
        """Take the messages that may be claimed now, oldest first; each has to be settled."""
        if self._closed_by:
            return []
        count = min(self.load.claimable, len(self._waiting))
        taken = [self._waiting.popleft() for _ in range(count)]
        self._taken += count
        return taken

    def is_void(self, held: Held) -> bool:
        """Tell whether the broker has given this message to someone else meanwhile."""
        return held.delivery.generation <= self._void

    def settle(self, taken: Sequence[Held]) -> None:
        """These were claimed or need not be: acknowledge them once the demand allows it."""
        self._taken -= len(taken)
        self._acks += [held.delivery for held in taken]
        self.adjust()

    def put_back(self, taken: Sequence[Held]) -> None:
        """These were taken and cannot be claimed now: give them back to the queue."""
        self._taken -= len(taken)
        self._give_back(taken)

    def give_back_waiting(self, patience_seconds: float = 0.0) -> None:
        """Return messages that have waited so long to the queue, for another worker."""
        latest = time.monotonic() - patience_seconds
        impatient = []
        while self._waiting and self._waiting[0].arrived <= latest:
            impatient.append(self._waiting.popleft())
        if impatient:
            self._give_back(impatient)

    def stop(self, why: str) -> None:
        """Ask for no more messages until `resume` is called with the same reason."""
        self._closed_by.add(why)
        self.adjust()

    def resume(self, why: str) -> None:
        """Undo `stop`."""
        self._closed_by.discard(why)
        self.adjust()
        self._on_arrival()

    def adjust(self) -> None:
        """Have the demand looked at: the load has changed."""
        self._due.set()

    async def flush(self) -> None:
        """Wait until all that is to be said to the broker has been said."""
        self._settled.clear()
        self._due.set()
        await self._settled.wait()

    async def run(self) -> None:
        """Keep the demand fitting and settle deliveries, for ever."""
        while True:
            await self._due.wait()
            self._due.clear()
            await self._lower_demand()
            await self._settle()
            await self._raise_demand()
            if not self._due.is_set():
                self._settled.set()

    async def _lower_demand(self) -> None:
        await self._set_demand(0 if self._closed_by else lowered(self._demand, self.load))

    async def _raise_demand(self) -> None:
        if not self._closed_by:
            await self._set_demand(raised(self._demand, self.load))

    async def _set_demand(self, demand: int) -> None:
        if demand != self._demand:
            self._demand = demand
            await self._source.set_demand(demand)

    async def _settle(self) -> None:
        acks, self._acks = self._acks, []
        returns, self._returns = self._returns, []
        rejects, self._rejects = self._rejects, []
        if acks:
            await self._source.ack(acks)
        if returns:
            await self._source.give_back(returns)
        if rejects:
            await self._source.reject(rejects)

    def _arrived(self, delivery: Delivery) -> None:
        self._counters.redelivered += delivery.redelivered
        message = delivery.message
        if isinstance(message, Undecodable):
            self._counters.unreadable += 1
            log.warning("Message sent to the dead-letter queue", reason=message.reason)
            self._rejects.append(delivery)
            self.adjust()
            return
        self._waiting.append(Held(delivery, message.task_id, time.monotonic()))
        self._on_arrival()

    def _voided(self, generation: int) -> None:
        self._void = generation
        self._waiting = deque(held for held in self._waiting if not self.is_void(held))
        self.adjust()

    def _give_back(self, messages: Sequence[Held]) -> None:
        self._counters.given_back += len(messages)
        self._returns += [held.delivery for held in messages]
        self.adjust()

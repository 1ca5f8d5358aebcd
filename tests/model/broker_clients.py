"""Both sides of the broker's clients: `Broker` and the watch for the relay, deliveries for workers.

They behave as the adapters in `infrastructure.rabbitmq` promise to.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial

from domain.errors import BrokerUnavailable
from domain.ports import OutboxRow
from infrastructure.backoff import Backoff
from infrastructure.rabbitmq.consumer import Delivery
from infrastructure.rabbitmq.message import TaskMessage
from infrastructure.rabbitmq.topology import Depth
from tests.model.broker import BrokerServer, Connection, Subscription

RETRY_QUEUE_SECONDS = 0.5


async def connected(broker: BrokerServer) -> Connection:
    """Return a connection; raises `BrokerUnavailable`."""
    await asyncio.sleep(broker.latency())
    if not broker.up:
        raise BrokerUnavailable("the broker is away")
    return broker.connect()


class RelayBroker:
    """Publisher and watch of one leader.

    Args:
        before_making: see `infrastructure.rabbitmq.topology.Topology`.
    """

    def __init__(self, server: BrokerServer, before_making: Callable[[], Awaitable[None]]) -> None:
        self._server = server
        self._before_making = before_making
        self._making = asyncio.Lock()
        self._connection: Connection | None = None

    async def publish(self, rows: Sequence[OutboxRow]) -> list[int]:
        """See `domain.ports.Broker.publish`."""
        connection = await self._open()
        taken = await asyncio.gather(
            *(connection.ask(partial(self._server.enqueue, _message(row))) for row in rows),
            return_exceptions=True,
        )
        confirmed = [row.row_id for row, done in zip(rows, taken, strict=True) if done is True]
        if not confirmed:
            await self._ensure(connection)
        return confirmed

    async def look(self) -> Depth:
        """See `relay.redispatch.Queue.look`."""
        connection = await self._open()
        depth = await connection.ask(self._depth)
        if depth is None:
            await self._ensure(connection)
            return Depth(0, 0)
        return depth

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._server.process.call(self._server.close, self._connection)

    async def _open(self) -> Connection:
        if self._connection is None or self._connection.broken:
            self._connection = await connected(self._server)
        return self._connection

    def _depth(self) -> Depth | None:
        queue = self._server.queue
        return None if queue is None else Depth(len(queue), len(self._server.subscriptions))

    async def _ensure(self, connection: Connection) -> None:
        async with self._making:
            if await connection.ask(self._depth) is None:
                await self._before_making()
            await connection.ask(self._server.declare)


def _message(row: OutboxRow) -> TaskMessage:
    return TaskMessage(row.task_id, row.message_id, row.correlation_id, row.traceparent)


class Consumer:
    """`service.worker.ports.DeliverySource`, with the promises of the adapter."""

    def __init__(self, server: BrokerServer) -> None:
        self.generation = 0
        self._server = server
        self._demand = 0
        self._subscription: Subscription | None = None
        self._running: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()
        self._on_delivery: Callable[[Delivery], None] = lambda _: None
        self._on_void: Callable[[int], None] = lambda _: None

    @property
    def connected(self) -> bool:
        return self._subscription is not None

    async def start(
        self, on_delivery: Callable[[Delivery], None], on_void: Callable[[int], None]
    ) -> None:
        self._on_delivery, self._on_void = on_delivery, on_void
        self._running = asyncio.create_task(self._run())

    async def set_demand(self, count: int) -> None:
        self._demand = count
        async with self._changing:
            await self._apply_demand()

    async def ack(self, deliveries: Collection[Delivery]) -> None:
        self._settle(deliveries, requeue=False)

    async def give_back(self, deliveries: Collection[Delivery]) -> None:
        self._settle(deliveries, requeue=True)

    async def reject(self, deliveries: Collection[Delivery]) -> None:
        self._settle(deliveries, requeue=False)

    async def close(self) -> None:
        if self._running is not None:
            self._running.cancel()
        if self._subscription is not None:
            self._server.process.call(self._server.close, self._subscription.connection)

    async def _run(self) -> None:
        backoff = Backoff()
        while True:
            try:
                connection = await connected(self._server)
                await self._begin(connection)
                backoff.reset()
                await connection.ended.wait()
            except BrokerUnavailable:
                pass
            self._end()
            await asyncio.sleep(backoff.next())

    async def _begin(self, connection: Connection) -> None:
        while not await connection.ask(lambda: self._server.queue is not None):
            await asyncio.sleep(RETRY_QUEUE_SECONDS)
        self.generation += 1
        generation = self.generation

        def deliver(tag: int, message: TaskMessage) -> None:
            if self.generation == generation:
                self._on_delivery(Delivery(tag, generation, message))

        subscription = Subscription(connection, deliver)
        connection.tell_server(self._server.subscriptions.append, subscription)
        async with self._changing:
            self._subscription = subscription
            await self._apply_demand()

    async def _apply_demand(self) -> None:
        """Return once the broker goes by the present demand, or the connection is gone."""
        subscription, demand = self._subscription, self._demand
        if subscription is not None:
            with contextlib.suppress(BrokerUnavailable):
                await subscription.connection.ask(
                    lambda: self._server.set_credit(subscription, demand)
                )

    def _settle(self, deliveries: Collection[Delivery], *, requeue: bool) -> None:
        tags = [d.tag for d in deliveries if d.generation == self.generation]
        if tags and self._subscription is not None:
            subscription = self._subscription
            subscription.connection.tell_server(
                lambda: self._server.settle(subscription, tags, requeue=requeue)
            )

    def _end(self) -> None:
        if self._subscription is not None:
            self._subscription = None
            self._on_void(self.generation)

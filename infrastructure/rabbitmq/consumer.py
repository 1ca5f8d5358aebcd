"""The worker's side of RabbitMQ: deliveries on demand, over a connection that mends itself.

Everything that was delivered and not acknowledged is void once its channel is gone: RabbitMQ gives
it to someone else. Each delivery carries the generation of its channel, and what is said about a
delivery of an older generation is quietly dropped.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection

import structlog

from domain.errors import BrokerUnavailable
from infrastructure.backoff import Backoff
from infrastructure.rabbitmq.link import Link
from infrastructure.rabbitmq.session import Delivery, Session
from infrastructure.rabbitmq.topology import QUEUE, depth
from infrastructure.supervision import end

__all__ = ["Consumer", "Delivery"]

CHECK_SECONDS = 2.0
SILENT_CHECKS = 2
RENEW_CHECKS = 3
QUEUE_POLL_SECONDS = 0.1

log = structlog.get_logger()


class Consumer:
    """Consumes the task queue with adjustable demand.

    Reconnects with backoff and jitter, waits for the queue while the relay has not declared it
    yet, and sets itself up again when the broker cancels it or goes silent. A broker whose queue
    was deleted may forget a consumer and tell nobody; where others keep the new queue empty,
    silence shows nothing, so a consumer that got nothing for a while is asked for anew. No method
    raises because the broker is away.

    Args:
        url: `amqp://` or `amqps://` URL.
        name: shown as the connection's name in the management page, e.g. `worker/host-1`.
        check_seconds: how often the queue is looked at; a silent broker is noticed after about
            three times as long.
    """

    def __init__(self, url: str, name: str, check_seconds: float = CHECK_SECONDS) -> None:
        self._url = url
        self._name = name
        self._check_seconds = check_seconds
        self._demand = 0
        self._generation = 0
        self._announced = 0
        self._session: Session | None = None
        self._changing = asyncio.Lock()
        self._running: asyncio.Task[None] | None = None
        self._on_delivery: Callable[[Delivery], None] = lambda _: None
        self._on_void: Callable[[int], None] = lambda _: None

    @property
    def connected(self) -> bool:
        """Whether there is a channel on which messages can arrive."""
        return self._session is not None and not self._session.ended.is_set()

    @property
    def generation(self) -> int:
        """Number of the present channel; 0 before the first. Deliveries of others are void."""
        return self._generation

    async def start(
        self,
        on_delivery: Callable[[Delivery], None],
        on_void: Callable[[int], None],
    ) -> None:
        """Begin to connect, in the background; returns at once.

        Args:
            on_delivery: called in the event loop for each delivery; must not block.
            on_void: called when a channel is gone, with its generation: its unacknowledged
                deliveries belong to the broker again.
        """
        self._on_delivery = on_delivery
        self._on_void = on_void
        self._running = asyncio.create_task(self._run(), name="rabbitmq consumer")

    async def set_demand(self, count: int) -> None:
        """Say how many deliveries may be unacknowledged at a time; 0 stops them.

        Remembered over reconnections. Once `set_demand(0)` has returned, no further delivery
        arrives until the demand is raised, whatever is acknowledged in the meantime. After a
        change the new demand counts from zero: deliveries in hand from before do not use it up.
        """
        self._demand = count
        async with self._changing:
            if self._session is not None:
                await self._apply_demand(self._session)

    async def ack(self, deliveries: Collection[Delivery]) -> None:
        """Tell the broker that these are dealt with (runs of them in one frame)."""
        await self._say(lambda session: session.ack(deliveries))

    async def give_back(self, deliveries: Collection[Delivery]) -> None:
        """Return these to the queue for another worker; counts towards `x-delivery-limit`."""
        await self._say(lambda session: session.nack(deliveries, requeue=True))

    async def reject(self, deliveries: Collection[Delivery]) -> None:
        """Send these to the dead-letter queue: they can never be understood."""
        await self._say(lambda session: session.nack(deliveries, requeue=False))

    async def close(self) -> None:
        """Stop; what is unacknowledged goes back to the queue. Takes no longer than 2 s."""
        running, self._running = self._running, None
        await end(running)

    async def _say(self, something: Callable[[Session], Awaitable[None]]) -> None:
        session = self._session
        if session is None or session.ended.is_set():
            return
        try:
            await something(session)
        except BrokerUnavailable as error:
            session.end(str(error))

    async def _run(self) -> None:
        backoff = Backoff()
        away = False
        while True:
            try:
                link = await Link.open(self._url, self._name)
                log.info("Connected to RabbitMQ")
                away = False
                try:
                    session = await self._begin(link)
                    backoff.reset()
                    await self._watch(link, session)
                finally:
                    self._end()
                    await link.close()
            except BrokerUnavailable as error:
                if not away:
                    log.warning("No RabbitMQ, trying again", reason=str(error))
                away = True
            await asyncio.sleep(backoff.next())

    async def _begin(self, link: Link) -> Session:
        await self._wait_for_queue(link)
        channel = await link.channel()
        self._generation += 1
        session = Session(channel, QUEUE, self._generation, self._on_delivery)
        async with self._changing:
            self._session = session
            await self._apply_demand(session)
        return session

    async def _wait_for_queue(self, link: Link) -> None:
        waiting = False
        while await depth(link) is None:
            if not waiting:
                log.info("Waiting for the relay to declare the queue", queue=QUEUE)
            waiting = True
            await asyncio.sleep(QUEUE_POLL_SECONDS)

    async def _apply_demand(self, session: Session) -> None:
        try:
            await session.set_prefetch(self._demand)
        except BrokerUnavailable as error:
            session.end(str(error))
        else:
            if self._demand and self._announced != session.generation:
                self._announced = session.generation
                log.info("Started consuming messages", queue=QUEUE)

    async def _watch(self, link: Link, session: Session) -> None:
        """Return never; raises `BrokerUnavailable` when the session is of no use any more."""
        idle_checks = silent_checks = 0
        while True:
            hungry, delivered = session.hungry_consumer, session.delivered
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._check_seconds):
                    await session.ended.wait()
                raise BrokerUnavailable(session.reason)
            queue = await depth(link)
            if queue is None:
                raise BrokerUnavailable(f"there is no queue {QUEUE} any more")
            idle = (
                hungry is not None
                and hungry == session.hungry_consumer
                and delivered == session.delivered
            )
            idle_checks = idle_checks + 1 if idle else 0
            silent_checks = silent_checks + 1 if idle and queue.ready > 0 else 0
            if silent_checks >= SILENT_CHECKS:
                raise BrokerUnavailable("messages wait, and the broker delivers none")
            if idle_checks >= RENEW_CHECKS:
                async with self._changing:
                    await session.renew()
                idle_checks = 0

    def _end(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.end("the connection was given up")
            self._on_void(session.generation)

"""The exchange and the queues. Only the relay declares them; everyone else waits for them.

Both queues are quorum queues: replicated where there are several nodes, and durable everywhere.
`x-delivery-limit` is explicit because its default differs between RabbitMQ releases, and high
because nothing is decided by it: a message that workers keep giving back is no reason to lose it.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from aiormq.channel import Channel
from aiormq.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed
from pamqp.common import FieldValue

from domain.errors import BrokerUnavailable
from infrastructure.rabbitmq.link import Link, answered

EXCHANGE = "quantum_tasks"
QUEUE = "quantum_tasks"
DEAD_EXCHANGE = "quantum_tasks.dead"
DEAD_QUEUE = "quantum_tasks.dead"
DELIVERY_LIMIT = 30
UNLIMITED_DELIVERIES = 1_000_000_000
DELETE_SECONDS = 15.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Depth:
    """How many messages wait in a queue (not those in consumers' hands), and for how many."""

    ready: int
    consumers: int


class Topology:
    """Makes what is missing, one connection at a time.

    Args:
        before_making: awaited when the task queue is not there, before it is made: with it went
            every message that was confirmed so far, and none can be confirmed in the meantime.
            What it raises goes to whoever needed the queue.
    """

    def __init__(self, before_making: Callable[[], Awaitable[object]] | None = None) -> None:
        self._before_making = before_making
        self._making = asyncio.Lock()

    async def ensure(self, link: Link) -> None:
        """Declare exchange, queues and bindings.

        Raises:
            BrokerUnavailable: the broker is away, or holds one of the names as something else.
        """
        async with self._making:
            missing = await depth(link) is None
            if missing and self._before_making is not None:
                await self._before_making()
            await _declare_all(link)
            if missing:
                log.info("Declared the task queue, which was not there", queue=QUEUE)


def queue_arguments() -> dict[str, FieldValue]:
    """Return what the task queue is declared with."""
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": DEAD_EXCHANGE,
        "x-dead-letter-routing-key": DEAD_QUEUE,
        "x-overflow": "reject-publish",
    }


def dead_queue_arguments() -> dict[str, FieldValue]:
    """Return what the dead-letter queue is declared with."""
    return {"x-queue-type": "quorum", "x-delivery-limit": UNLIMITED_DELIVERIES}


async def depth(link: Link, queue: str = QUEUE) -> Depth | None:
    """Return a queue's depth, or `None` when there is no such queue; raises `BrokerUnavailable`.

    Asking for a queue that is not there closes the channel, so each question has its own.
    """
    seen: Depth | None = None
    async with link.brief_channel() as channel, answered():
        with contextlib.suppress(ChannelNotFoundEntity):
            answer = await channel.queue_declare(queue, passive=True)
            seen = Depth(answer.message_count or 0, answer.consumer_count or 0)
    return seen


async def remove_empty_queues(link: Link) -> None:
    """Delete the queues in which nothing waits; raises `BrokerUnavailable`."""
    for queue in (QUEUE, DEAD_QUEUE):
        seen = await depth(link, queue)
        if seen is not None and seen.ready == 0:
            async with link.brief_channel() as channel, answered(DELETE_SECONDS):
                await channel.queue_delete(queue)


async def _declare_all(link: Link) -> None:
    async with link.brief_channel() as channel, answered():
        try:
            await _declare_on(channel)
        except ChannelPreconditionFailed as error:
            raise BrokerUnavailable(
                f"a queue or exchange named {QUEUE} or {DEAD_QUEUE} exists in RabbitMQ with other "
                f"arguments; delete it there, ketlog then makes it as needed ({error})"
            ) from error


async def _declare_on(channel: Channel) -> None:
    for exchange in (DEAD_EXCHANGE, EXCHANGE):
        await channel.exchange_declare(exchange, exchange_type="direct", durable=True)
    await channel.queue_declare(DEAD_QUEUE, durable=True, arguments=dead_queue_arguments())
    await channel.queue_bind(DEAD_QUEUE, DEAD_EXCHANGE, routing_key=DEAD_QUEUE)
    await channel.queue_declare(QUEUE, durable=True, arguments=queue_arguments())
    await channel.queue_bind(QUEUE, EXCHANGE, routing_key=QUEUE)

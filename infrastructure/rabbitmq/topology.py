"""The exchange and the queues. Only the relay declares them; everyone else waits for them.

Both queues are quorum queues: replicated where there are several nodes, and durable everywhere.
`x-delivery-limit` is explicit because its default differs between RabbitMQ releases, and high
because nothing is decided by it: a message that workers keep giving back is no reason to lose it.
"""

from dataclasses import dataclass

from aiormq.channel import Channel
from aiormq.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed

from domain.errors import BrokerUnavailable
from infrastructure.rabbitmq.link import Link, answered

EXCHANGE = "quantum_tasks"
QUEUE = "quantum_tasks"
DEAD_EXCHANGE = "quantum_tasks.dead"
DEAD_QUEUE = "quantum_tasks.dead"
DELIVERY_LIMIT = 30
UNLIMITED_DELIVERIES = 1_000_000_000
DELETE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Depth:
    """How many messages wait in a queue (not those in consumers' hands), and for how many."""

    ready: int
    consumers: int


async def declare(link: Link) -> bool:
    """Make what is missing; returns whether the task queue was, with all that was in it.

    Raises:
        BrokerUnavailable: the broker is away, or holds one of the names as something else.
    """
    made_anew = await depth(link, QUEUE) is None
    async with link.brief_channel() as channel, answered():
        try:
            await _declare_all(channel)
        except ChannelPreconditionFailed as error:
            raise BrokerUnavailable(
                f"a queue or exchange named {QUEUE} or {DEAD_QUEUE} exists in RabbitMQ with other "
                f"arguments; delete it there, ketlog then makes it as needed ({error})"
            ) from error
    return made_anew


async def depth(link: Link, queue: str = QUEUE) -> Depth | None:
    """Return a queue's depth, or `None` when there is no such queue; raises `BrokerUnavailable`.

    Asking for a queue that is not there closes the channel, so each question has its own.
    """
    async with link.brief_channel() as channel, answered():
        try:
            answer = await channel.queue_declare(queue, passive=True)
        except ChannelNotFoundEntity:
            return None
    return Depth(answer.message_count or 0, answer.consumer_count or 0)


async def remove_empty_queues(link: Link) -> None:
    """Delete the queues in which nothing waits; raises `BrokerUnavailable`."""
    for queue in (QUEUE, DEAD_QUEUE):
        seen = await depth(link, queue)
        if seen is not None and seen.ready == 0:
            async with link.brief_channel() as channel, answered(DELETE_SECONDS):
                await channel.queue_delete(queue)


async def _declare_all(channel: Channel) -> None:
    for exchange in (DEAD_EXCHANGE, EXCHANGE):
        await channel.exchange_declare(exchange, exchange_type="direct", durable=True)
    await channel.queue_declare(
        DEAD_QUEUE,
        durable=True,
        arguments={"x-queue-type": "quorum", "x-delivery-limit": UNLIMITED_DELIVERIES},
    )
    await channel.queue_bind(DEAD_QUEUE, DEAD_EXCHANGE, routing_key=DEAD_QUEUE)
    await channel.queue_declare(
        QUEUE,
        durable=True,
        arguments={
            "x-queue-type": "quorum",
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": DEAD_EXCHANGE,
            "x-dead-letter-routing-key": DEAD_QUEUE,
            "x-overflow": "reject-publish",
        },
    )
    await channel.queue_bind(QUEUE, EXCHANGE, routing_key=QUEUE)

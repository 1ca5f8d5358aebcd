"""One channel of a consumer: what is in hand on it, and how more of it is asked for."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import count

from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel

from infrastructure.rabbitmq.link import answered
from infrastructure.rabbitmq.message import Decoded, decode


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message in hand, unacknowledged.

    Attributes:
        tag: the broker's number for it within its channel.
        generation: which channel brought it; see `Consumer.generation`.
        message: what it says, or why it cannot be read.
        redelivered: whether the broker has handed it out before. For statistics alone.
    """

    tag: int
    generation: int
    message: Decoded
    redelivered: bool = False


class Session:
    """A consuming channel from its opening to its end. Its methods raise `BrokerUnavailable`.

    Args:
        channel: an open channel that nobody else uses.
        queue: where deliveries come from.
        generation: given to each delivery.
        on_delivery: called for each delivery until the session has ended.
    """

    def __init__(
        self, channel: Channel, queue: str, generation: int, on_delivery: Callable[[Delivery], None]
    ) -> None:
        self.generation = generation
        self.ended = asyncio.Event()
        self.reason = ""
        self.delivered = 0
        self._channel = channel
        self._queue = queue
        self._on_delivery = on_delivery
        self._names = (f"ketlog.{generation}.{number}" for number in count(1))
        self._consumer: str | None = None
        self._prefetch = 0
        self._in_hand: dict[int, str | None] = {}
        self._closing = channel.closing
        self._closing.add_done_callback(lambda _: self.end("the channel was closed"))
        channel.on_consumer_cancel_callbacks.add(
            lambda _: self.end("the broker cancelled the consumer")
        )

    @property
    def hungry_consumer(self) -> str | None:
        """The consumer, if it may be sent more than it has in hand."""
        in_hand = sum(consumer == self._consumer for consumer in self._in_hand.values())
        return self._consumer if in_hand < self._prefetch else None

    def end(self, reason: str) -> None:
        """Make this session useless: nothing is delivered or acknowledged on it any more."""
        if not self.ended.is_set():
            self.reason = reason
            self.ended.set()

    async def set_prefetch(self, prefetch: int) -> None:
        """Replace the consumer by one with another prefetch; by none for 0.

        A consumer keeps its prefetch for life, so a new one takes over. Its predecessor's
        cancellation is awaited: what it still delivers has arrived then.
        """
        if prefetch == self._prefetch:
            return
        async with answered():
            if self._consumer is not None:
                await self._channel.basic_cancel(self._consumer)
            self._consumer, self._prefetch = None, 0
            if prefetch:
                consumer = next(self._names)
                await self._channel.basic_qos(prefetch_count=prefetch)
                self._consumer, self._prefetch = consumer, prefetch
                await self._channel.basic_consume(self._queue, self._deliver, consumer_tag=consumer)

    async def renew(self) -> None:
        """Replace the consumer by an equal one, unless it has messages in hand."""
        if self._consumer in self._in_hand.values():
            return
        prefetch = self._prefetch
        await self.set_prefetch(0)
        await self.set_prefetch(prefetch)

    async def ack(self, deliveries: Collection[Delivery]) -> None:
        """Acknowledge those that are in hand here; runs from the oldest on in one frame."""
        for tag, multiple in self._take(deliveries):
            async with answered():
                await self._channel.basic_ack(tag, multiple=multiple, wait=False)

    async def nack(self, deliveries: Collection[Delivery], *, requeue: bool) -> None:
        """Refuse those that are in hand here: back into the queue, or to the dead letters."""
        for tag, multiple in self._take(deliveries):
            async with answered():
                await self._channel.basic_nack(tag, multiple=multiple, requeue=requeue, wait=False)

    async def _deliver(self, message: DeliveredMessage) -> None:
        tag = message.delivery_tag
        if self.ended.is_set() or tag is None:
            return
        self.delivered += 1
        self._in_hand[tag] = message.consumer_tag
        decoded = decode(message.body, message.header.properties.message_id)
        redelivered = bool(message.redelivered)
        self._on_delivery(Delivery(tag, self.generation, decoded, redelivered))

    def _take(self, deliveries: Collection[Delivery]) -> list[tuple[int, bool]]:
        """Remove deliveries from the hand; returns (tag, whether all up to it are meant)."""
        tags = {
            delivery.tag
            for delivery in deliveries
            if delivery.generation == self.generation and delivery.tag in self._in_hand
        }
        run = 0
        for tag in self._in_hand:
            if tag not in tags:
                break
            run += 1
        oldest = list(self._in_hand)[:run]
        for tag in tags:
            del self._in_hand[tag]
        singles = [(tag, False) for tag in sorted(tags.difference(oldest))]
        return [(oldest[-1], True), *singles] if oldest else singles

"""The dead-letter queue: looking through it without losing any of it."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel

from domain.errors import BrokerUnavailable
from infrastructure.rabbitmq.link import KeptLink, answered
from infrastructure.rabbitmq.message import Decoded, decode
from infrastructure.rabbitmq.topology import DEAD_QUEUE, depth


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that the task queue would not keep.

    Attributes:
        message: what it says, or why it cannot be read.
        message_id: its id as sent, if it has one.
        reason: RabbitMQ's word for why it died: `rejected`, `delivery_limit`, …
    """

    message: Decoded
    message_id: str | None
    reason: str
    tag: int


class Sweep:
    """Letters in hand. Those that are not settled go back into the queue when it ends."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def next(self) -> Letter | None:
        """Take one more letter in hand, oldest first; `None` when there is none left."""
        async with answered():
            message = await self._channel.basic_get(DEAD_QUEUE)
        return None if message.delivery_tag is None else _letter(message, message.delivery_tag)

    async def settle(self, letter: Letter) -> None:
        """Remove a letter for good."""
        async with answered():
            await self._channel.basic_ack(letter.tag)


class DeadLetterQueue:
    """Reads the dead-letter queue over a connection of its own."""

    def __init__(self, url: str, name: str) -> None:
        self._link = KeptLink(url, name)

    async def count(self) -> int:
        """Return how many letters wait; raises `BrokerUnavailable`."""
        async with self._kept():
            seen = await depth(await self._link.get(), DEAD_QUEUE)
        return 0 if seen is None else seen.ready

    @contextlib.asynccontextmanager
    async def sweep(self) -> AsyncIterator[Sweep]:
        """Begin to look through the letters; raises `BrokerUnavailable`."""
        async with self._kept():
            link = await self._link.get()
            async with link.brief_channel() as channel:
                yield Sweep(channel)

    async def close(self) -> None:
        """Close the connection."""
        await self._link.close()

    @contextlib.asynccontextmanager
    async def _kept(self) -> AsyncIterator[None]:
        try:
            yield
        except BrokerUnavailable:
            await self._link.close()
            raise


def _letter(message: DeliveredMessage, tag: int) -> Letter:
    properties = message.header.properties
    reason = (properties.headers or {}).get("x-first-death-reason")
    return Letter(
        message=decode(message.body, properties.message_id),
        message_id=properties.message_id,
        reason=reason if isinstance(reason, str) else "unknown",
        tag=tag,
    )

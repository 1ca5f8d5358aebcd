"""The dead-letter queue: looking through it without losing any of it."""

import contextlib
import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from aiormq.exceptions import ChannelNotFoundEntity

from domain.errors import BrokerUnavailable
from infrastructure.rabbitmq.link import KeptLink, answered
from infrastructure.rabbitmq.message import Decoded, decode
from infrastructure.rabbitmq.topology import DEAD_QUEUE, depth

DIGEST_CHARACTERS = 16


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that the task queue would not keep.

    Attributes:
        message: what it says, or why it cannot be read.
        name: its message id as sent, or what stands for it: a digest of its body.
        reason: RabbitMQ's word for why it died: `rejected`, `delivery_limit`, …
        died_at: when, by the broker's clock; `None` for what was put into the queue by hand.
        octets: length of its body.
    """

    message: Decoded
    name: str
    reason: str
    died_at: datetime | None
    octets: int
    tag: int


class Sweep:
    """Letters in hand. Those that are not settled go back into the queue when it ends."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def next(self) -> Letter | None:
        """Take one more letter in hand, oldest first; `None` when none is left, or no queue."""
        message: DeliveredMessage | None = None
        async with answered():
            with contextlib.suppress(ChannelNotFoundEntity):
                message = await self._channel.basic_get(DEAD_QUEUE)
        if message is None or message.delivery_tag is None:
            return None
        return _letter(message, message.delivery_tag)

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
    headers = properties.headers or {}
    reason = headers.get("x-first-death-reason")
    digest = hashlib.sha256(message.body).hexdigest()[:DIGEST_CHARACTERS]
    return Letter(
        message=decode(message.body, properties.message_id),
        name=properties.message_id or f"sha256:{digest}",
        reason=reason if isinstance(reason, str) else "unknown",
        died_at=_first_death(headers),
        octets=len(message.body),
        tag=tag,
    )


def _first_death(headers: Mapping[str, Any]) -> datetime | None:
    """Return the oldest time in RabbitMQ's list of deaths; anybody may have written the header."""
    deaths = headers.get("x-death")
    if not isinstance(deaths, list):
        return None
    times = [death.get("time") for death in deaths if isinstance(death, Mapping)]
    known = [time for time in times if isinstance(time, datetime)]
    return (
        min(time if time.tzinfo else time.replace(tzinfo=UTC) for time in known) if known else None
    )

"""What tests do to a broker behind ketlog's back."""

import contextlib
from collections.abc import AsyncIterator

from pamqp import commands

from domain.identifiers import new_traceparent, uuid7
from domain.ports import OutboxRow
from infrastructure.rabbitmq.link import Link
from infrastructure.rabbitmq.topology import QUEUE, depth


def rows(count: int) -> list[OutboxRow]:
    """Rows of tasks that no log knows."""
    return [
        OutboxRow(number, uuid7(), uuid7(), "a-correlation-id", new_traceparent())
        for number in range(1, count + 1)
    ]


class Operator:
    """Looks at queues and meddles with them."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def ready(self, queue: str = QUEUE) -> int:
        """Number of messages that wait in a queue; -1 without such a queue."""
        seen = await depth(self._link, queue)
        return -1 if seen is None else seen.ready

    async def consumers(self) -> int:
        """Number of consumers of the task queue."""
        seen = await depth(self._link)
        return -1 if seen is None else seen.consumers

    async def purge(self) -> None:
        """Remove all messages that wait."""
        async with self._link.brief_channel() as channel:
            await channel.queue_purge(QUEUE)

    async def delete_queue(self) -> None:
        """Remove the task queue."""
        async with self._link.brief_channel() as channel:
            await channel.queue_delete(QUEUE)

    async def delete_exchange(self) -> None:
        """Remove the exchange."""
        async with self._link.brief_channel() as channel:
            await channel.exchange_delete(QUEUE)

    async def unbind(self) -> None:
        """Remove the way from the exchange to the queue."""
        async with self._link.brief_channel() as channel:
            await channel.queue_unbind(QUEUE, QUEUE, QUEUE)

    async def put(self, body: bytes, queue: str = QUEUE, message_id: str | None = None) -> None:
        """Put a message of another program into a queue."""
        properties = commands.Basic.Properties(message_id=message_id)
        async with self._link.brief_channel() as channel:
            await channel.basic_publish(body, routing_key=queue, properties=properties)

    async def get(self, queue: str = QUEUE) -> bytes | None:
        """Take one message out of a queue."""
        async with self._link.brief_channel() as channel:
            message = await channel.basic_get(queue, no_ack=True)
        return None if message.delivery_tag is None else message.body


@contextlib.asynccontextmanager
async def operator(url: str) -> AsyncIterator[Operator]:
    """An operator with a connection of its own."""
    link = await Link.open(url, "operator")
    try:
        yield Operator(link)
    finally:
        await link.close()

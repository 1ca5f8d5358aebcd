"""The relay's eye on the queues: how deep they are, and whether they are there at all."""

from collections.abc import Callable

import structlog

from domain.errors import BrokerUnavailable
from infrastructure.rabbitmq.link import KeptLink
from infrastructure.rabbitmq.topology import QUEUE, Depth, declare, depth

log = structlog.get_logger()


class QueueWatch:
    """Looks at the task queue over a connection of its own, and declares it where it is missing.

    Args:
        url: `amqp://` or `amqps://` URL.
        name: shown as the connection's name in the management page.
        on_queue_made_anew: called when the task queue was missing and had to be declared.
    """

    def __init__(self, url: str, name: str, on_queue_made_anew: Callable[[], None]) -> None:
        self._link = KeptLink(url, name)
        self._on_queue_made_anew = on_queue_made_anew

    async def look(self) -> Depth:
        """Return the depth of the task queue; raises `BrokerUnavailable`."""
        try:
            link = await self._link.get()
            seen = await depth(link)
            if seen is None:
                if await declare(link):
                    log.info("Declared the task queue, which was not there", queue=QUEUE)
                    self._on_queue_made_anew()
                seen = Depth(ready=0, consumers=0)
        except BrokerUnavailable:
            await self._link.close()
            raise
        return seen

    async def close(self) -> None:
        """Close the connection."""
        await self._link.close()

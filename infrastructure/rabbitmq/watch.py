"""The relay's eye on the task queue: how deep it is, and whether it is there at all."""

from domain.errors import KetlogError
from infrastructure.rabbitmq.link import KeptLink
from infrastructure.rabbitmq.topology import Depth, Topology, depth


class QueueWatch:
    """Looks at the task queue over a connection of its own, and has it made where it is missing.

    Args:
        url: `amqp://` or `amqps://` URL.
        name: shown as the connection's name in the management page.
        topology: makes the queue.
    """

    def __init__(self, url: str, name: str, topology: Topology) -> None:
        self._link = KeptLink(url, name)
        self._topology = topology

    async def look(self) -> Depth:
        """Return the depth of the task queue.

        Raises:
            BrokerUnavailable: it cannot be seen.
            KetlogError: it was missing, and what has to come before making it failed.
        """
        try:
            link = await self._link.get()
            seen = await depth(link)
            if seen is None:
                await self._topology.ensure(link)
                seen = Depth(ready=0, consumers=0)
        except KetlogError:
            await self._link.close()
            raise
        return seen

    async def close(self) -> None:
        """Close the connection."""
        await self._link.close()

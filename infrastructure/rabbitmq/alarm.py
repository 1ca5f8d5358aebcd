"""Whether RabbitMQ takes messages: it stops when it lacks memory or disk.

The broker tells only connections that publish, and hears nothing more from them until the alarm is
over. So one connection is kept for this alone. It publishes to a queue that does not exist, which
the broker confirms and forgets.
"""

import asyncio
import contextlib

import structlog
from aiormq.channel import Channel

from domain.errors import BrokerBlocked, BrokerUnavailable
from infrastructure.rabbitmq.link import Link, answered
from infrastructure.supervision import end

INTERVAL_SECONDS = 0.5
ANSWER_SECONDS = 1.0
NOWHERE = "ketlog.is-there-an-alarm"
BLOCKED = "RabbitMQ has blocked publishing: it lacks memory or disk"

log = structlog.get_logger()


class AlarmProbe:
    """Publishes to nowhere twice a second, and remembers what the broker said to it.

    Args:
        url: `amqp://` or `amqps://` URL; the user needs write permission.
        name: shown as the connection's name in the management page.

    Attributes:
        blocked: whether the broker has an alarm; `False` while it cannot be asked.
    """

    def __init__(self, url: str, name: str = "alarm probe") -> None:
        self._url = url
        self._name = name
        self._running: asyncio.Task[None] | None = None
        self.blocked = False

    async def start(self) -> None:
        """Begin to ask, in the background; returns at once."""
        self._running = asyncio.create_task(self._run(), name="rabbitmq alarm probe")

    async def close(self) -> None:
        """Stop asking."""
        running, self._running = self._running, None
        await end(running)

    async def _run(self) -> None:
        while True:
            # Others say that the broker is away.
            with contextlib.suppress(BrokerUnavailable):
                link = await Link.open(self._url, self._name)
                try:
                    await self._ask(link)
                finally:
                    self.blocked = False
                    await link.close()
            await asyncio.sleep(INTERVAL_SECONDS)

    async def _ask(self, link: Link) -> None:
        """Return never; raises `BrokerUnavailable` when the connection is of no use any more."""
        channel = await link.channel(confirms=True)
        while True:
            # While it blocks, it reads nothing and says by itself when that is over.
            if not await link.is_blocked():
                await self._publish(channel, link)
            if not link.is_open:
                raise BrokerUnavailable("the connection ended")
            self._learn(blocked=await link.is_blocked())
            await asyncio.sleep(INTERVAL_SECONDS)

    async def _publish(self, channel: Channel, link: Link) -> None:
        try:
            async with answered(ANSWER_SECONDS):
                await channel.basic_publish(b"", routing_key=NOWHERE)
        except BrokerUnavailable:
            if not await link.is_blocked():
                raise

    def _learn(self, *, blocked: bool) -> None:
        if blocked and not self.blocked:
            log.warning(f"{BLOCKED}; tasks are accepted and wait")
        elif self.blocked and not blocked:
            log.info("RabbitMQ has taken back its alarm")
        self.blocked = blocked


async def raise_when_blocked(link: Link) -> None:
    """Raise `BrokerBlocked` when the broker has told this connection not to publish."""
    if await link.is_blocked():
        raise BrokerBlocked(BLOCKED)

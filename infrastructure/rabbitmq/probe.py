"""Whether RabbitMQ is there, known at any moment without asking."""

import asyncio
import time

import structlog

from domain.errors import BrokerUnavailable
from infrastructure.rabbitmq.link import Link, answered
from infrastructure.supervision import end

INTERVAL_SECONDS = 0.5
RETRY_SECONDS = 0.2
ANSWER_SECONDS = 0.4
MAX_AGE_SECONDS = 1.0

log = structlog.get_logger()


class BrokerProbe:
    """Asks the broker twice a second over one kept connection.

    Args:
        url: `amqp://` or `amqps://` URL.
        name: shown as the connection's name in the management page.
    """

    def __init__(self, url: str, name: str = "probe") -> None:
        self._url = url
        self._name = name
        self._answered_at: float | None = None
        self._running: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether the broker answered within the last second; one that hangs counts as away."""
        return (
            self._answered_at is not None
            and time.monotonic() - self._answered_at <= MAX_AGE_SECONDS
        )

    async def start(self) -> None:
        """Begin to ask, in the background; returns at once."""
        self._running = asyncio.create_task(self._run(), name="rabbitmq probe")

    async def close(self) -> None:
        """Stop asking."""
        running, self._running = self._running, None
        await end(running)

    async def _run(self) -> None:
        away = False
        while True:
            try:
                link = await Link.open(self._url, self._name)
                try:
                    log.info("Connected to RabbitMQ")
                    away = False
                    await self._ask(link)
                finally:
                    self._answered_at = None
                    await link.close()
            except BrokerUnavailable as error:
                if not away:
                    log.warning("No RabbitMQ, trying again", reason=str(error))
                away = True
            await asyncio.sleep(RETRY_SECONDS)

    async def _ask(self, link: Link) -> None:
        """Return never; raises `BrokerUnavailable` when an answer is late.

        The exchange `amq.direct` is in every vhost, so asking for it works before the relay has
        declared anything, and never closes the channel.
        """
        channel = await link.channel()
        while True:
            async with answered(ANSWER_SECONDS):
                await channel.exchange_declare("amq.direct", passive=True)
            self._answered_at = time.monotonic()
            await asyncio.sleep(INTERVAL_SECONDS)

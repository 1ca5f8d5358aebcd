"""The relay's side of RabbitMQ: publishes outbox rows and says which the broker has confirmed."""

from collections.abc import Callable, Sequence

import structlog

from domain.errors import BrokerUnavailable
from domain.ports import OutboxRow
from infrastructure.rabbitmq.link import Link, describe
from infrastructure.rabbitmq.pipeline import Outcome, Pipeline
from infrastructure.rabbitmq.topology import EXCHANGE, QUEUE, declare

CONFIRM_SECONDS = 5.0

log = structlog.get_logger()


class Publisher:
    """`domain.ports.Broker` on a connection and a channel of its own.

    Args:
        url: `amqp://` or `amqps://` URL.
        name: shown as the connection's name in the management page.
        on_queue_made_anew: called when the task queue was missing and had to be declared: with
            it went every message that was confirmed before.
        confirm_seconds: longest wait for the confirms of one call.
    """

    def __init__(
        self,
        url: str,
        name: str,
        on_queue_made_anew: Callable[[], None],
        confirm_seconds: float = CONFIRM_SECONDS,
    ) -> None:
        self._url = url
        self._name = name
        self._on_queue_made_anew = on_queue_made_anew
        self._confirm_seconds = confirm_seconds
        self._link: Link | None = None
        self._pipeline: Pipeline | None = None
        self._complaint = ""

    @property
    def connected(self) -> bool:
        """Whether messages can be sent, as far as this side knows."""
        return self._pipeline is not None and self._pipeline.is_open

    async def publish(self, rows: Sequence[OutboxRow]) -> list[int]:
        """See `domain.ports.Broker.publish`: persistent, mandatory, bounded in time.

        Rows whose messages come back or are refused are missing from the answer. So are those
        without an answer yet: hand them in again, they are not sent twice.
        """
        link, pipeline = await self._open()
        if await link.is_blocked():
            raise BrokerUnavailable("RabbitMQ has blocked publishing: it lacks memory or disk")
        try:
            outcome = await pipeline.publish(rows, self._confirm_seconds)
            await self._react(outcome, link)
        except BrokerUnavailable:
            if not await link.is_blocked():
                await self.close()
            raise
        return outcome.confirmed

    async def open(self) -> None:
        """Connect and declare the topology, unless that is done; raises `BrokerUnavailable`."""
        await self._open()

    async def close(self) -> None:
        """Close the connection; what is not confirmed by now counts as not sent."""
        link, self._link, self._pipeline = self._link, None, None
        if link is not None:
            await link.close()

    async def _open(self) -> tuple[Link, Pipeline]:
        if self._link is not None and self._pipeline is not None and self._pipeline.is_open:
            return self._link, self._pipeline
        await self.close()
        link = await Link.open(self._url, self._name)
        try:
            await self._declare(link)
            pipeline = Pipeline(await link.channel(confirms=True), EXCHANGE, QUEUE)
        except BaseException:
            await link.close()
            raise
        log.info("Connected to RabbitMQ")
        self._link, self._pipeline = link, pipeline
        return link, pipeline

    async def _declare(self, link: Link) -> None:
        if await declare(link):
            log.info("Declared the task queue, which was not there", queue=QUEUE)
            self._on_queue_made_anew()

    async def _react(self, outcome: Outcome, link: Link) -> None:
        self._complain(outcome)
        if outcome.unroutable:
            await self._declare(link)
        if outcome.confirmed:
            return
        if outcome.lost is not None:
            raise BrokerUnavailable(f"RabbitMQ is away: {describe(outcome.lost)}")
        if outcome.pending:
            raise BrokerUnavailable(
                f"RabbitMQ confirmed nothing within {self._confirm_seconds:g} s"
            )

    def _complain(self, outcome: Outcome) -> None:
        """Log once that some messages are not taken; their rows are tried again and again."""
        complaint = ""
        if outcome.unroutable:
            complaint = "no queue takes them"
        elif outcome.refused:
            complaint = outcome.refused[0]
        if complaint and complaint != self._complaint:
            count = outcome.unroutable + len(outcome.refused)
            log.warning("Messages came back", count=count, reason=complaint)
        self._complaint = complaint

"""The relay's side of RabbitMQ: publishes outbox rows and says which the broker has confirmed."""

import time
from collections.abc import Sequence

import structlog

from domain.errors import BrokerUnavailable
from domain.ports import OutboxRow
from infrastructure.rabbitmq.alarm import raise_when_blocked
from infrastructure.rabbitmq.link import Link, describe
from infrastructure.rabbitmq.pipeline import Outcome, Pipeline
from infrastructure.rabbitmq.topology import EXCHANGE, QUEUE, Topology, depth, remove_empty_queues

CONFIRM_SECONDS = 5.0
BROKEN_SECONDS = 10.0

log = structlog.get_logger()


class Publisher:
    """`domain.ports.Broker` on a connection and a channel of its own.

    Args:
        url: `amqp://` or `amqps://` URL.
        name: shown as the connection's name in the management page.
        topology: makes the exchange and the queues where they are missing.
        confirm_seconds: longest wait for the confirms of one call.
        broken_seconds: a queue that takes nothing for so long, and is empty, is replaced.
    """

    def __init__(
        self,
        url: str,
        name: str,
        topology: Topology,
        confirm_seconds: float = CONFIRM_SECONDS,
        broken_seconds: float = BROKEN_SECONDS,
    ) -> None:
        self._url = url
        self._name = name
        self._topology = topology
        self._confirm_seconds = confirm_seconds
        self._broken_seconds = broken_seconds
        self._link: Link | None = None
        self._pipeline: Pipeline | None = None
        self._complaint = ""
        self._useless_since: float | None = None

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
        await raise_when_blocked(link)
        try:
            outcome = await pipeline.publish(rows, self._confirm_seconds)
            await self._react(outcome, link)
        except BrokerUnavailable:
            # What is on its way over a blocked connection is confirmed when the alarm is over.
            await raise_when_blocked(link)
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
            await self._topology.ensure(link)
            pipeline = Pipeline(await link.channel(confirms=True), EXCHANGE, QUEUE)
        except BaseException:
            await link.close()
            raise
        log.info("Connected to RabbitMQ")
        self._link, self._pipeline = link, pipeline
        return link, pipeline

    async def _react(self, outcome: Outcome, link: Link) -> None:
        self._complain(outcome)
        if outcome.unroutable:
            await self._topology.ensure(link)
        if outcome.confirmed or outcome.lost is not None:
            self._useless_since = None
        if outcome.confirmed:
            return
        if outcome.lost is not None:
            raise BrokerUnavailable(f"RabbitMQ is away: {describe(outcome.lost)}")
        if outcome.pending or outcome.refused:
            await self._replace_broken_queue(link)
        if outcome.pending:
            raise BrokerUnavailable(
                f"RabbitMQ confirmed nothing within {self._confirm_seconds:g} s"
            )

    async def _replace_broken_queue(self, link: Link) -> None:
        """Make the queue anew when it has taken nothing for long though nothing waits in it.

        RabbitMQ 3.x can lose what it knows of a young quorum queue when it is killed. The queue
        is then there in name alone, for ever: it has no leader, or its process does not start.
        What was in it is lost either way, and the outbox still has it.
        """
        now = time.monotonic()
        if self._useless_since is None or await link.is_blocked():
            self._useless_since = now
        if now - self._useless_since < self._broken_seconds:
            return
        seen = await depth(link)
        if seen is None or seen.ready > 0:
            return
        log.error("The task queue has taken nothing for long, making it anew", queue=QUEUE)
        await remove_empty_queues(link)
        await self._topology.ensure(link)
        self._useless_since = None

    def _complain(self, outcome: Outcome) -> None:
        """Log once that some messages are not taken; their rows are tried again and again."""
        complaint = ""
        if outcome.unroutable:
            complaint = "no queue takes them"
        elif outcome.refused:
            complaint = "the broker refused them"
        if complaint and complaint != self._complaint:
            count = outcome.unroutable + outcome.refused
            log.warning("Messages came back", count=count, reason=complaint)
        self._complaint = complaint

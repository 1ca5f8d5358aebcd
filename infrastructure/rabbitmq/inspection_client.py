"""The asking side of questions about circuits: the API, which knows nothing of Qiskit."""

import asyncio
from uuid import uuid4

from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from aiormq.exceptions import DeliveryError, PublishError

from domain.errors import (
    BrokerBlocked,
    BrokerUnavailable,
    InspectionTooLong,
    InspectorAway,
    InspectorBusy,
)
from domain.inspection import Inspection, InspectionAnswer
from infrastructure.rabbitmq.alarm import raise_when_blocked
from infrastructure.rabbitmq.inspection_messages import (
    QUEUE,
    REPLIES,
    UnreadableInspection,
    question_properties,
    read_answer,
    write_question,
)
from infrastructure.rabbitmq.link import KeptLink, answered

TAKEN_WITHIN_SECONDS = 4.0
"""So long a question waits for a worker that is free to look."""

WAY_SECONDS = 1.0


class RemoteInspector:
    """`domain.inspection.CircuitInspector` by way of the workers.

    Its connection is opened with the first question.

    Args:
        url: `amqp://` or `amqps://` URL.
        name: shown as the connection's name in the management page.
        seconds: longest time that a worker looks at one circuit.
        most_waiting: so many questions are on their way at a time, at most.
    """

    def __init__(self, url: str, name: str, *, seconds: float, most_waiting: int = 16) -> None:
        self._link = KeptLink(url, name)
        self._seconds = TAKEN_WITHIN_SECONDS + seconds + WAY_SECONDS
        self._most_waiting = most_waiting
        self._opening = asyncio.Lock()
        self._channel: Channel | None = None
        self._waiting: dict[str, asyncio.Future[bytes]] = {}

    async def inspect(self, inspection: Inspection) -> InspectionAnswer:
        """See `domain.inspection.CircuitInspector.inspect`."""
        if len(self._waiting) >= self._most_waiting:
            raise InspectorBusy("too many circuits wait to be looked at")
        name = uuid4().hex
        waiting = self._waiting[name] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._seconds):
                await self._ask(name, inspection)
                return read_answer(await waiting)
        except TimeoutError:
            raise InspectionTooLong("no worker has answered in time") from None
        except UnreadableInspection as error:
            raise InspectorAway(f"a worker of another version answered: {error}") from None
        finally:
            del self._waiting[name]

    async def close(self) -> None:
        """Close the connection; questions on their way get no answer."""
        self._channel = None
        await self._link.close()

    async def _ask(self, name: str, inspection: Inspection) -> None:
        try:
            channel = await self._open()
            async with answered():
                await self._publish(channel, name, inspection)
        except BrokerBlocked as error:
            raise InspectorAway("RabbitMQ takes no messages now") from error
        except BrokerUnavailable as error:
            await self.close()
            raise InspectorAway("RabbitMQ is away") from error

    async def _open(self) -> Channel:
        async with self._opening:
            link = await self._link.get()
            await raise_when_blocked(link)
            channel = self._channel
            if channel is None or channel.is_closed:
                channel = await link.channel(confirms=True)
                async with answered():
                    await channel.basic_consume(REPLIES, self._replied, no_ack=True)
                channel.closing.add_done_callback(lambda _: self._lost())
                self._channel = channel
            return channel

    async def _publish(self, channel: Channel, name: str, inspection: Inspection) -> None:
        try:
            await channel.basic_publish(
                write_question(inspection),
                routing_key=QUEUE,
                properties=question_properties(name, TAKEN_WITHIN_SECONDS),
                mandatory=True,
            )
        except PublishError:
            raise InspectorAway("no worker is there") from None
        except DeliveryError:
            raise InspectorBusy("too many circuits wait to be looked at") from None

    async def _replied(self, message: DeliveredMessage) -> None:
        waiting = self._waiting.get(message.header.properties.correlation_id or "")
        if waiting is not None and not waiting.done():
            waiting.set_result(message.body)

    def _lost(self) -> None:
        """The channel is gone, and with it the way back of every answer."""
        self._channel = None
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(InspectorAway("the connection with RabbitMQ ended"))

"""The answering side of questions about circuits: the worker."""

import asyncio

import structlog
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel

from domain.errors import BrokerUnavailable, InspectionRefused
from domain.inspection import CircuitInspector
from infrastructure.backoff import Backoff
from infrastructure.rabbitmq.inspection_messages import (
    QUEUE,
    UnreadableInspection,
    answer_properties,
    declare,
    read_question,
    write_answer,
)
from infrastructure.rabbitmq.link import Link, answered

log = structlog.get_logger()


class InspectionServer:
    """Takes one question after the other, over a connection that mends itself.

    A question is acknowledged with its answer: if this process dies in between, another one takes
    it, as long as it has not expired.

    Args:
        url: `amqp://` or `amqps://` URL.
        name: shown as the connection's name in the management page.
        inspector: knows the answers.
    """

    def __init__(self, url: str, name: str, inspector: CircuitInspector) -> None:
        self._url = url
        self._name = name
        self._inspector = inspector

    async def run(self) -> None:
        """Answer until cancelled. That the broker is away, the consumer of tasks says."""
        backoff = Backoff()
        while True:
            try:
                link = await Link.open(self._url, self._name)
                try:
                    await self._serve(link, backoff)
                finally:
                    await link.close()
            except BrokerUnavailable as error:
                log.debug("No questions about circuits are taken", reason=str(error))
            await asyncio.sleep(backoff.next())

    async def _serve(self, link: Link, backoff: Backoff) -> None:
        """Return when the channel is of no use any more."""
        channel = await link.channel()
        ended = asyncio.Event()
        channel.closing.add_done_callback(lambda _: ended.set())
        channel.on_consumer_cancel_callbacks.add(lambda _: ended.set())
        questions: asyncio.Queue[DeliveredMessage] = asyncio.Queue()
        await declare(channel)
        async with answered():
            await channel.basic_qos(prefetch_count=1)
            await channel.basic_consume(QUEUE, questions.put)
        backoff.reset()
        working = asyncio.create_task(self._work(channel, questions))
        waiting = asyncio.create_task(ended.wait())
        try:
            await asyncio.wait([working, waiting], return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
        finally:
            working.cancel()
            waiting.cancel()
            await asyncio.gather(working, waiting, return_exceptions=True)

    async def _work(self, channel: Channel, questions: asyncio.Queue[DeliveredMessage]) -> None:
        while True:
            message = await questions.get()
            answer = await self._answer(message.body)
            asked = message.header.properties
            async with answered():
                if answer is not None and asked.reply_to:
                    await channel.basic_publish(
                        answer,
                        routing_key=asked.reply_to,
                        properties=answer_properties(asked.correlation_id),
                    )
                if message.delivery_tag is not None:
                    await channel.basic_ack(message.delivery_tag, wait=False)

    async def _answer(self, question: bytes) -> bytes | None:
        try:
            return write_answer(await self._inspector.inspect(read_question(question)))
        except InspectionRefused as refusal:
            return write_answer(refusal)
        except UnreadableInspection as error:
            log.warning("A message in the queue was no question", queue=QUEUE, reason=str(error))
            return None

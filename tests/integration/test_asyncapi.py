"""What is really sent is what the AsyncAPI document says."""

import asyncio
import json
from typing import Any

import asyncpg
from aiormq.abc import DeliveredMessage
from pamqp import commands

from domain.identifiers import uuid7
from infrastructure.postgres.notifications import CancelNotifier, OutboxNotifier, worker_channel
from infrastructure.rabbitmq.consumer import Consumer, Delivery
from infrastructure.rabbitmq.link import Link
from infrastructure.rabbitmq.publisher import Publisher
from infrastructure.rabbitmq.topology import Topology, depth
from service.api.asyncapi import asyncapi_document
from tests import servers
from tests.support.amqp import rows
from tests.support.asyncapi import message_errors
from tests.support.waiting import eventually


async def taken(link: Link, queue: str) -> DeliveredMessage:
    """The next message of a queue."""
    async with link.brief_channel() as channel:
        message = await channel.basic_get(queue)
        assert message.delivery_tag is not None
        return message


def properties_of(message: DeliveredMessage) -> commands.Basic.Properties:
    """The AMQP properties of a message."""
    assert message.header is not None
    properties: commands.Basic.Properties = message.header.properties
    return properties


async def test_messages_in_the_queues_are_as_described(
    rabbitmq_url: str, rabbitmq_vhost: str, rabbitmq_server: servers.BrokerServer
) -> None:
    document = asyncapi_document()
    tasks, dead = document["channels"]["tasks"], document["channels"]["deadLetters"]
    publisher = Publisher(rabbitmq_url, "test", Topology())
    (row,) = rows(1)
    await publisher.publish([row])
    link = await Link.open(rabbitmq_url, "test")

    message = await taken(link, tasks["address"])
    described = document["components"]["messages"]["taskIsPending"]
    properties = properties_of(message)
    assert message_errors("taskIsPending", json.loads(message.body), properties.headers) == []
    assert properties.content_type == described["contentType"]
    assert properties.message_type == described["bindings"]["amqp"]["messageType"]
    assert properties.message_id == str(row.message_id)
    operation = document["operations"]["sendTask"]["bindings"]["amqp"]
    assert properties.delivery_mode == operation["deliveryMode"]
    assert message.exchange == tasks["bindings"]["amqp"]["queue"]["name"]

    deliveries: list[Delivery] = []
    consumer = Consumer(rabbitmq_url, "test")
    await consumer.start(deliveries.append, lambda _: None)
    await consumer.set_demand(1)
    await eventually(lambda: len(deliveries) == 1)
    await consumer.reject(deliveries)

    async def put_away() -> bool:
        seen = await depth(link, dead["address"])
        return seen is not None and seen.ready == 1

    await eventually(put_away)
    letter = await taken(link, dead["address"])
    assert (
        message_errors("deadLetter", json.loads(letter.body), properties_of(letter).headers) == []
    )
    assert message_errors("deadLetter", json.loads(letter.body), {})
    for channel in (tasks, dead):
        declared = declared_queue(rabbitmq_server, rabbitmq_vhost, channel["address"])
        assert declared["arguments"] == channel["x-queue-arguments"]
        queue = channel["bindings"]["amqp"]["queue"]
        assert (declared["durable"], declared["exclusive"], declared["auto_delete"]) == (
            queue["durable"],
            queue["exclusive"],
            queue["autoDelete"],
        )
    await consumer.close()
    await link.close()
    await publisher.close()


def declared_queue(server: servers.BrokerServer, vhost: str, name: str) -> dict[str, Any]:
    """A queue as the broker knows it."""
    status, answer = server.manage("GET", f"/api/queues/{vhost}/{name}")
    assert status == 200
    return dict(json.loads(answer))


async def test_notifications_are_as_described(database_url: str) -> None:
    channels = asyncapi_document()["channels"]
    heard: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    listener = await asyncpg.connect(database_url)
    for channel in (channels["outbox"]["address"], worker_channel("me")):
        await listener.add_listener(
            channel, lambda _connection, _pid, name, payload: heard.put_nowait((name, payload))
        )
    outbox, cancellations = OutboxNotifier(database_url), CancelNotifier(database_url)
    outbox.wake()
    name, payload = await asyncio.wait_for(heard.get(), 5)
    assert name == channels["outbox"]["address"]
    assert message_errors("wake", payload, None) == []
    for _ in range(3):
        cancellations.tell("me", uuid7())
    name, payload = await asyncio.wait_for(heard.get(), 5)
    assert name == worker_channel("me")
    assert message_errors("cancelled", payload, None) == []
    assert message_errors("cancelled", "", None)
    await outbox.close()
    await cancellations.close()
    await listener.close()

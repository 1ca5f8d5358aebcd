"""Looking through real dead letters without losing any."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import BrokerUnavailable
from infrastructure.rabbitmq.consumer import Consumer, Delivery
from infrastructure.rabbitmq.dead_letters import DeadLetterQueue
from infrastructure.rabbitmq.message import TaskMessage, Undecodable
from infrastructure.rabbitmq.publisher import Publisher
from infrastructure.rabbitmq.topology import DEAD_QUEUE, Topology
from tests.support.amqp import Operator, operator, rows
from tests.support.waiting import eventually


@pytest.fixture
async def looker(rabbitmq_url: str) -> AsyncIterator[Operator]:
    publisher = Publisher(rabbitmq_url, "test", Topology())
    await publisher.publish(rows(1))
    await publisher.close()
    async with operator(rabbitmq_url) as made:
        yield made


@pytest.fixture
async def letters(rabbitmq_url: str) -> AsyncIterator[DeadLetterQueue]:
    queue = DeadLetterQueue(rabbitmq_url, "test")
    yield queue
    await queue.close()


async def arrived(letters: DeadLetterQueue, count: int) -> None:
    async def holds() -> bool:
        return await letters.count() == count

    await eventually(holds, what=f"{count} dead letters")


async def test_without_the_queue_there_are_no_letters(rabbitmq_url: str) -> None:
    letters = DeadLetterQueue(rabbitmq_url, "test")
    assert await letters.count() == 0
    async with letters.sweep() as sweep:
        assert await sweep.next() is None
    await letters.close()


async def test_a_letter_says_what_it_was_and_why_it_died(
    rabbitmq_url: str, looker: Operator, letters: DeadLetterQueue
) -> None:
    deliveries: list[Delivery] = []
    consumer = Consumer(rabbitmq_url, "test")
    await consumer.start(deliveries.append, lambda _: None)
    await consumer.set_demand(1)
    await eventually(lambda: len(deliveries) == 1)
    await consumer.reject(deliveries)
    await arrived(letters, 1)
    async with letters.sweep() as sweep:
        letter = await sweep.next()
    assert letter is not None
    assert letter.reason == "rejected"
    assert letter.message == deliveries[0].message
    assert isinstance(letter.message, TaskMessage)
    assert letter.name == str(letter.message.message_id)
    assert letter.died_at is not None
    assert abs(letter.died_at - datetime.now(UTC)) < timedelta(minutes=1)
    await consumer.close()


async def test_letters_that_are_not_settled_stay(
    looker: Operator, letters: DeadLetterQueue
) -> None:
    for body in (b"one", b"two", b"three"):
        await looker.put(body, DEAD_QUEUE)
    await arrived(letters, 3)
    async with letters.sweep() as sweep:
        first, second, third = [await sweep.next() for _ in range(3)]
        assert await sweep.next() is None
        assert first is not None
        assert third is not None
        assert isinstance(first.message, Undecodable)
        assert (first.reason, first.died_at, first.octets) == ("unknown", None, len(b"one"))
        assert second is not None
        await sweep.settle(second)
    await arrived(letters, 2)
    assert {await looker.get(DEAD_QUEUE), await looker.get(DEAD_QUEUE)} == {b"one", b"three"}


async def test_an_absent_broker_is_reported() -> None:
    letters = DeadLetterQueue("amqp://guest:guest@127.0.0.1:1/", "test")
    with pytest.raises(BrokerUnavailable):
        await letters.count()
    with pytest.raises(BrokerUnavailable):
        async with letters.sweep():
            pytest.fail("there is nothing to sweep")

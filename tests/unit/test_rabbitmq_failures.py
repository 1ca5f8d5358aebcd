"""What publisher and consumer do about a broker in states that a real one is seldom found in."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from domain.errors import BrokerUnavailable
from domain.ports import OutboxRow
from infrastructure.rabbitmq import consumer as consuming
from infrastructure.rabbitmq import publisher as publishing
from infrastructure.rabbitmq.consumer import Consumer
from infrastructure.rabbitmq.link import Link
from infrastructure.rabbitmq.pipeline import Outcome
from infrastructure.rabbitmq.publisher import Publisher
from infrastructure.rabbitmq.topology import Depth
from tests.support.amqp import rows
from tests.support.waiting import eventually


class Broker:
    """Link, pipeline and topology of a publisher, and what they were asked for."""

    is_open = True

    def __init__(self) -> None:
        self.blocked: list[bool] = []
        self.answers: list[Outcome | BrokerUnavailable] = []
        self.depth: Depth | None = Depth(0, 0)
        self.done: list[str] = []

    async def is_blocked(self) -> bool:
        return self.blocked.pop(0) if self.blocked else False

    async def close(self) -> None:
        self.done.append("closed")

    async def publish(self, _rows: Sequence[OutboxRow], _seconds: float) -> Outcome:
        answer = self.answers.pop(0)
        if isinstance(answer, BrokerUnavailable):
            raise answer
        return answer

    async def ensure(self, _link: object) -> None:
        self.done.append("declared")

    async def look(self, _link: object) -> Depth | None:
        return self.depth

    async def remove(self, _link: object) -> None:
        self.done.append("removed")


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    broker = Broker()
    monkeypatch.setattr(publishing, "depth", broker.look)
    monkeypatch.setattr(publishing, "remove_empty_queues", broker.remove)
    return broker


def publisher_to(broker: Any, broken_seconds: float = 0.0) -> Publisher:
    publisher = Publisher("amqp://nowhere", "test", broker, broken_seconds=broken_seconds)
    publisher._link = publisher._pipeline = broker
    return publisher


async def test_a_blocked_broker_is_sent_nothing(broker: Broker) -> None:
    broker.blocked = [True]
    broker.answers = [Outcome(confirmed=[1])]
    with pytest.raises(BrokerUnavailable, match="it lacks memory or disk"):
        await publisher_to(broker).publish(rows(1))
    assert len(broker.answers) == 1


@pytest.mark.parametrize(("blocks", "kept"), [(True, True), (False, False)])
async def test_a_connection_is_kept_only_while_its_broker_blocks(
    broker: Broker, blocks: bool, kept: bool
) -> None:
    broker.blocked = [False, blocks]
    broker.answers = [BrokerUnavailable("no answer")]
    publisher = publisher_to(broker)
    with pytest.raises(BrokerUnavailable, match="memory or disk" if blocks else "no answer"):
        await publisher.publish(rows(1))
    assert publisher.connected is kept
    assert broker.done == ([] if kept else ["closed"])


async def test_an_empty_queue_that_takes_nothing_for_long_is_made_anew(broker: Broker) -> None:
    broker.answers = [Outcome(refused=1)]
    assert await publisher_to(broker).publish(rows(1)) == []
    assert broker.done == ["removed", "declared"]


@pytest.mark.parametrize("depth", [Depth(3, 0), None])
async def test_a_queue_that_is_full_or_not_there_is_not_replaced(
    broker: Broker, depth: Depth | None
) -> None:
    broker.depth = depth
    broker.answers = [Outcome(refused=1)]
    assert await publisher_to(broker).publish(rows(1)) == []
    assert broker.done == []


async def test_a_queue_that_takes_nothing_for_a_moment_is_left_alone(broker: Broker) -> None:
    broker.answers = [Outcome(refused=1), Outcome(refused=1)]
    publisher = publisher_to(broker, broken_seconds=60.0)
    for _ in range(2):
        assert await publisher.publish(rows(1)) == []
    assert broker.done == []


@pytest.fixture
async def consumer(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Consumer]:
    """A consumer whose every connection succeeds, with nobody at the other end."""

    async def channel() -> SimpleNamespace:
        return SimpleNamespace(
            closing=asyncio.get_running_loop().create_future(), on_consumer_cancel_callbacks=set()
        )

    async def close() -> None:
        """Nothing is open."""

    async def connect(_url: str, _name: str) -> SimpleNamespace:
        return SimpleNamespace(channel=channel, close=close)

    monkeypatch.setattr(Link, "open", connect)
    monkeypatch.setattr(consuming, "QUEUE_POLL_SECONDS", 0.0)
    consumer = Consumer("amqp://nowhere", "test", check_seconds=0.01)
    yield consumer
    await consumer.close()


def depths(monkeypatch: pytest.MonkeyPatch, *answers: Depth | None) -> None:
    """What each look at the queue finds; an empty queue after that."""
    left = list(answers)

    async def look(_link: object) -> Depth | None:
        return left.pop(0) if left else Depth(0, 0)

    monkeypatch.setattr(consuming, "depth", look)


async def test_waiting_for_the_queue_is_said_once(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    depths(monkeypatch, None, None, None)
    with capture_logs() as lines:
        await consumer.start(lambda _: None, lambda _: None)
        await eventually(lambda: consumer.connected)
    assert [line["event"] for line in lines] == [
        "Connected to RabbitMQ",
        "Waiting for the relay to declare the queue",
    ]


async def test_a_queue_that_is_gone_voids_its_channel_and_another_is_opened(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    depths(monkeypatch, Depth(0, 0), None)
    voided: list[int] = []
    with capture_logs() as lines:
        await consumer.start(lambda _: None, voided.append)
        await eventually(lambda: consumer.generation == 2 and consumer.connected)
    assert voided == [1]
    reasons = [line["reason"] for line in lines if "reason" in line]
    assert reasons == ["there is no queue quantum_tasks any more"]


async def test_a_queue_lost_while_connecting_voids_nothing(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [BrokerUnavailable("gone again")]

    async def look(_link: object) -> Depth:
        if failures:
            raise failures.pop()
        return Depth(0, 0)

    monkeypatch.setattr(consuming, "depth", look)
    voided: list[int] = []
    await consumer.start(lambda _: None, voided.append)
    await eventually(lambda: consumer.connected)
    assert (voided, consumer.generation) == ([], 1)

"""Consuming from a real broker, also when it misbehaves."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from infrastructure.rabbitmq.consumer import Consumer, Delivery
from infrastructure.rabbitmq.message import TaskMessage, Undecodable
from infrastructure.rabbitmq.publisher import Publisher
from infrastructure.rabbitmq.topology import DEAD_QUEUE, Topology
from tests import servers
from tests.support.amqp import Operator, operator, rows
from tests.support.tcp_proxy import TcpProxy, proxied
from tests.support.waiting import eventually

CHECK_SECONDS = 0.3


class Hand:
    """A consumer that collects what it is given."""

    def __init__(self, url: str) -> None:
        self.consumer = Consumer(url, "test", CHECK_SECONDS)
        self.deliveries: list[Delivery] = []
        self.voided: list[int] = []

    async def start(self) -> None:
        await self.consumer.start(self.deliveries.append, self.voided.append)

    async def has(self, count: int) -> None:
        await eventually(lambda: len(self.deliveries) == count, what=f"{count} deliveries")


@pytest.fixture
async def looker(rabbitmq_url: str) -> AsyncIterator[Operator]:
    async with operator(rabbitmq_url) as made:
        yield made


@pytest.fixture
async def proxy(rabbitmq_url: str) -> AsyncIterator[TcpProxy]:
    async with proxied(rabbitmq_url) as made:
        yield made


@pytest.fixture
async def publisher(rabbitmq_url: str) -> AsyncIterator[Publisher]:
    publisher = Publisher(rabbitmq_url, "test", Topology())
    await publisher.open()
    yield publisher
    await publisher.close()


@pytest.fixture
async def hand(rabbitmq_url: str, proxy: TcpProxy) -> AsyncIterator[Hand]:
    hand = Hand(proxy.url(rabbitmq_url))
    await hand.start()
    yield hand
    async with asyncio.timeout(2):
        await hand.consumer.close()


async def ready(looker: Operator, count: int, queue: str = "quantum_tasks") -> None:
    async def holds() -> bool:
        return await looker.ready(queue) == count

    await eventually(holds, what=f"{count} messages in {queue}")


async def test_deliveries_say_what_was_published(publisher: Publisher, hand: Hand) -> None:
    some = rows(3)
    await hand.consumer.set_demand(10)
    await publisher.publish(some)
    await hand.has(3)
    messages = [delivery.message for delivery in hand.deliveries]
    assert all(isinstance(message, TaskMessage) for message in messages)
    assert [message.task_id for message in messages if isinstance(message, TaskMessage)] == [
        row.task_id for row in some
    ]


async def test_no_more_arrives_than_is_demanded(
    publisher: Publisher, hand: Hand, looker: Operator
) -> None:
    await hand.consumer.set_demand(3)
    await publisher.publish(rows(10))
    await hand.has(3)
    await ready(looker, 7)
    await hand.consumer.ack(hand.deliveries[:2])
    await hand.has(5)
    await ready(looker, 5)


async def test_without_demand_nothing_arrives_whatever_is_acknowledged(
    publisher: Publisher, hand: Hand, looker: Operator
) -> None:
    await hand.consumer.set_demand(5)
    await publisher.publish(rows(10))
    await hand.has(5)
    await hand.consumer.set_demand(0)
    await hand.consumer.ack(hand.deliveries)
    await ready(looker, 5)
    assert len(hand.deliveries) == 5
    assert await looker.consumers() == 0


async def test_demand_comes_back(publisher: Publisher, hand: Hand) -> None:
    await hand.consumer.set_demand(2)
    await publisher.publish(rows(10))
    await hand.has(2)
    await hand.consumer.set_demand(0)
    await hand.consumer.ack(hand.deliveries)
    await hand.consumer.set_demand(4)
    await hand.has(6)


async def test_acknowledging_in_any_order_leaves_the_others(
    publisher: Publisher, hand: Hand, looker: Operator
) -> None:
    await hand.consumer.set_demand(10)
    await publisher.publish(rows(10))
    await hand.has(10)
    await hand.consumer.set_demand(0)
    first = hand.deliveries[:]
    await hand.consumer.ack([first[0], first[1], first[5], first[9]])
    await hand.consumer.ack([first[0], first[5]])
    await hand.consumer.give_back([delivery for delivery in first if delivery is not first[0]])
    await ready(looker, 6)
    await hand.consumer.set_demand(10)
    await hand.has(16)
    again = {_task(delivery) for delivery in hand.deliveries[10:]}
    assert again == {_task(first[number]) for number in (2, 3, 4, 6, 7, 8)}


async def test_what_cannot_be_understood_goes_to_the_dead_letters(
    publisher: Publisher, hand: Hand, looker: Operator
) -> None:
    await hand.consumer.set_demand(5)
    await looker.put(b"\xff not a task")
    await hand.has(1)
    assert isinstance(hand.deliveries[0].message, Undecodable)
    await hand.consumer.reject(hand.deliveries)
    await ready(looker, 1, DEAD_QUEUE)
    assert await looker.get(DEAD_QUEUE) == b"\xff not a task"


async def test_it_waits_until_the_queue_is_declared(
    hand: Hand, proxy: TcpProxy, rabbitmq_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await hand.consumer.set_demand(5)
    await eventually(lambda: "Waiting for the relay" in capsys.readouterr().out)
    publisher = Publisher(rabbitmq_url, "test", Topology())
    await publisher.publish(rows(2))
    await hand.has(2)
    await publisher.close()


async def test_a_cut_connection_voids_what_is_in_hand(
    publisher: Publisher, hand: Hand, proxy: TcpProxy, looker: Operator
) -> None:
    await hand.consumer.set_demand(5)
    await publisher.publish(rows(2))
    await hand.has(2)
    old = hand.deliveries[:]
    proxy.cut()
    await hand.has(4)
    assert hand.voided == [old[0].generation]
    assert hand.consumer.generation == hand.deliveries[-1].generation != old[0].generation
    # What is said about the old ones must not hit others with the same tags.
    await hand.consumer.ack(old)
    await hand.consumer.close()
    await ready(looker, 2)


async def test_demand_is_remembered_over_a_reconnection(
    publisher: Publisher, hand: Hand, proxy: TcpProxy, looker: Operator
) -> None:
    await hand.consumer.set_demand(0)
    await eventually(lambda: hand.consumer.connected)
    proxy.refusing = True
    proxy.cut()
    await eventually(lambda: not hand.consumer.connected)
    await hand.consumer.set_demand(3)
    await publisher.publish(rows(5))
    proxy.refusing = False
    await hand.has(3)


async def test_a_consumer_that_the_broker_cancels_is_set_up_again(
    publisher: Publisher, hand: Hand, looker: Operator
) -> None:
    await hand.consumer.set_demand(5)
    await publisher.publish(rows(1))
    await hand.has(1)
    await looker.delete_queue()
    await eventually(lambda: len(hand.voided) == 1)
    assert await publisher.publish(rows(1)) == []
    await publisher.publish(rows(1))
    await hand.has(2)


async def test_a_broker_that_went_silent_is_left(
    publisher: Publisher, hand: Hand, proxy: TcpProxy
) -> None:
    await hand.consumer.set_demand(5)
    await eventually(lambda: hand.consumer.connected)
    connections = proxy.connections
    proxy.go_silent()
    await eventually(lambda: not hand.consumer.connected, within=8)
    proxy.speak_again()
    await publisher.publish(rows(1))
    await hand.has(1)
    assert proxy.connections > connections


async def test_a_change_of_demand_that_nobody_hears_is_made_up_for(
    publisher: Publisher, hand: Hand, proxy: TcpProxy
) -> None:
    await hand.consumer.set_demand(5)
    await eventually(lambda: hand.consumer.connected)
    proxy.go_silent()
    async with asyncio.timeout(6):
        await hand.consumer.set_demand(2)
    await eventually(lambda: len(hand.voided) == 1)
    proxy.speak_again()
    await publisher.publish(rows(5))
    await hand.has(2)


async def test_what_cannot_be_acknowledged_any_more_is_void(
    publisher: Publisher, hand: Hand
) -> None:
    await hand.consumer.set_demand(5)
    await publisher.publish(rows(1))
    await hand.has(1)
    session = hand.consumer._session
    assert session is not None
    closing = asyncio.create_task(session._channel.close())
    while not session._channel.is_closed:
        await asyncio.sleep(0)
    await hand.consumer.ack(hand.deliveries)
    await closing
    await hand.has(2)
    assert hand.voided == [session.generation]


async def test_a_consumer_that_gets_nothing_though_messages_wait_is_set_up_again(
    publisher: Publisher, hand: Hand
) -> None:
    await hand.consumer.set_demand(5)
    await eventually(lambda: hand.consumer.connected)
    session = hand.consumer._session
    assert session is not None
    await eventually(lambda: session._consumer is not None)
    assert session._consumer is not None
    # The broker forgets the consumer; this side does not hear of it. Waiting for the answer keeps
    # the message from being handed to the one that is just being forgotten.
    await session._channel.basic_cancel(session._consumer)
    await publisher.publish(rows(1))
    await hand.has(1)
    assert hand.voided == [session.generation]


async def test_a_consumer_that_was_forgotten_while_nothing_waits_is_set_up_again(
    publisher: Publisher, hand: Hand, looker: Operator
) -> None:
    await hand.consumer.set_demand(5)
    await eventually(lambda: hand.consumer.connected)
    session = hand.consumer._session
    assert session is not None
    await eventually(lambda: session._consumer is not None)
    forgotten = session._consumer
    assert forgotten is not None
    await session._channel.basic_cancel(forgotten)

    async def consumed() -> bool:
        return session._consumer != forgotten and await looker.consumers() == 1

    await eventually(consumed, what="the broker knows a consumer again")
    assert hand.voided == []


async def test_a_restarted_broker_is_consumed_from_again(
    publisher: Publisher, rabbitmq_server: servers.BrokerServer, rabbitmq_url: str
) -> None:
    hand = Hand(rabbitmq_url)
    await hand.start()
    await hand.consumer.set_demand(5)
    await publisher.publish(rows(2))
    await hand.has(2)
    await asyncio.to_thread(rabbitmq_server.stop)
    await asyncio.to_thread(rabbitmq_server.start)
    await eventually(lambda: len(hand.deliveries) == 4, within=20)
    await hand.consumer.close()


async def test_closing_gives_back_what_is_in_hand(
    publisher: Publisher, hand: Hand, looker: Operator
) -> None:
    await hand.consumer.set_demand(5)
    await publisher.publish(rows(5))
    await hand.has(5)
    await hand.consumer.close()
    await ready(looker, 5)


async def test_closing_is_quick_even_when_the_broker_is_silent(
    publisher: Publisher, hand: Hand, proxy: TcpProxy
) -> None:
    await hand.consumer.set_demand(5)
    await eventually(lambda: hand.consumer.connected)
    proxy.go_silent()
    async with asyncio.timeout(2):
        await hand.consumer.close()


async def test_nothing_raises_while_the_broker_is_away() -> None:
    hand = Hand("amqp://guest:guest@127.0.0.1:1/")
    await hand.start()
    await hand.consumer.set_demand(5)
    await hand.consumer.ack([Delivery(1, 1, Undecodable(""))])
    await hand.consumer.set_demand(0)
    assert not hand.consumer.connected
    await hand.consumer.close()


def _task(delivery: Delivery) -> str:
    assert isinstance(delivery.message, TaskMessage)
    return str(delivery.message.task_id)

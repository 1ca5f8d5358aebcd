"""Publishing against a real broker, also when it misbehaves."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from pamqp import commands, frame

from domain.errors import BrokerUnavailable
from infrastructure.rabbitmq.publisher import Publisher
from infrastructure.rabbitmq.topology import DEAD_QUEUE, Topology
from infrastructure.rabbitmq.watch import QueueWatch
from tests import servers
from tests.support.amqp import Operator, operator, rows
from tests.support.tcp_proxy import TcpProxy, proxied
from tests.support.waiting import eventually


@pytest.fixture
async def looker(rabbitmq_url: str) -> AsyncIterator[Operator]:
    async with operator(rabbitmq_url) as made:
        yield made


@pytest.fixture
async def proxy(rabbitmq_url: str) -> AsyncIterator[TcpProxy]:
    async with proxied(rabbitmq_url) as made:
        yield made


class Made:
    """Counts how often the queue was made."""

    count = 0

    async def __call__(self) -> None:
        self.count += 1


@pytest.fixture
def made_anew() -> Made:
    return Made()


@pytest.fixture
async def publisher(
    rabbitmq_url: str, proxy: TcpProxy, made_anew: Made
) -> AsyncIterator[Publisher]:
    publisher = Publisher(proxy.url(rabbitmq_url), "test", Topology(made_anew), confirm_seconds=1.0)
    yield publisher
    await publisher.close()


async def ready(looker: Operator, count: int) -> None:
    async def holds() -> bool:
        return await looker.ready() == count

    await eventually(holds, what=f"{count} messages in the queue")


async def test_every_row_is_confirmed_and_in_the_queue(
    publisher: Publisher, looker: Operator
) -> None:
    assert await publisher.publish(rows(1_000)) == list(range(1, 1_001))
    await ready(looker, 1_000)


async def test_the_topology_is_declared_once(
    publisher: Publisher, looker: Operator, made_anew: Made
) -> None:
    await publisher.publish([])
    assert (await looker.ready(), await looker.ready(DEAD_QUEUE)) == (0, 0)
    assert publisher.connected
    await publisher.close()
    await publisher.open()
    assert made_anew.count == 1


async def test_messages_survive_the_broker(
    publisher: Publisher, rabbitmq_server: servers.BrokerServer, rabbitmq_url: str
) -> None:
    await publisher.publish(rows(10))
    await publisher.close()
    await asyncio.to_thread(rabbitmq_server.stop)
    await asyncio.to_thread(rabbitmq_server.start)
    async with operator(rabbitmq_url) as looker:
        await ready(looker, 10)


async def test_a_queue_that_a_killed_broker_left_broken_is_made_anew(
    rabbitmq_server: servers.BrokerServer, rabbitmq_url: str
) -> None:
    """RabbitMQ 3.x forgets half of a quorum queue when it is killed soon after the declaration."""
    publisher = Publisher(rabbitmq_url, "test", Topology(), 0.5, broken_seconds=2.0)
    await publisher.publish(rows(3))
    await asyncio.to_thread(rabbitmq_server.kill)
    await asyncio.to_thread(rabbitmq_server.start)
    some = rows(3)

    async def confirmed() -> bool:
        try:
            return await publisher.publish(some) == [1, 2, 3]
        except BrokerUnavailable:
            return False

    await eventually(confirmed, within=40)
    await publisher.close()


async def test_a_deleted_queue_is_no_success_and_is_declared_anew(
    publisher: Publisher, looker: Operator, made_anew: Made
) -> None:
    await publisher.open()
    await looker.delete_queue()
    assert await publisher.publish(rows(3)) == []
    assert made_anew.count == 2
    assert await publisher.publish(rows(3)) == [1, 2, 3]
    await ready(looker, 3)


async def test_an_unroutable_message_is_no_success(publisher: Publisher, looker: Operator) -> None:
    await publisher.open()
    await looker.unbind()
    some = rows(3)
    assert await publisher.publish(some) == []
    assert await publisher.publish(some) == [1, 2, 3]


async def test_a_deleted_exchange_is_declared_anew(publisher: Publisher, looker: Operator) -> None:
    await publisher.open()
    await looker.delete_exchange()
    with pytest.raises(BrokerUnavailable):
        await publisher.publish(rows(3))
    assert await publisher.publish(rows(3)) == [1, 2, 3]


async def test_what_a_full_queue_refuses_is_no_success_and_goes_later(
    publisher: Publisher,
    looker: Operator,
    rabbitmq_server: servers.BrokerServer,
    rabbitmq_vhost: str,
) -> None:
    await publisher.open()
    limit = f"/api/policies/{rabbitmq_vhost}/limit"
    policy = {"pattern": ".*", "definition": {"max-length": 2}, "apply-to": "queues"}
    await asyncio.to_thread(rabbitmq_server.manage, "PUT", limit, policy)
    some = rows(50)
    confirmed: list[int] = []

    async def refuses() -> bool:
        confirmed[:] = await publisher.publish(some)
        return len(confirmed) < len(some)

    await eventually(refuses)
    left = [row for row in some if row.row_id not in confirmed]

    async def takes() -> bool:
        await looker.purge()
        taken = await publisher.publish(left)
        left[:] = [row for row in left if row.row_id not in taken]
        return not left

    await eventually(takes)


async def test_a_cut_connection_is_reported_and_mended(
    publisher: Publisher, proxy: TcpProxy
) -> None:
    await publisher.open()
    proxy.cut()
    some = rows(10)
    confirmed: list[int] = []
    for _ in range(3):
        try:
            confirmed = await publisher.publish(some)
            break
        except BrokerUnavailable:
            continue
    assert confirmed == list(range(1, 11))


async def test_a_silent_broker_is_given_up_in_bounded_time(
    publisher: Publisher, proxy: TcpProxy
) -> None:
    await publisher.open()
    proxy.go_silent()
    async with asyncio.timeout(4):
        with pytest.raises(BrokerUnavailable):
            await publisher.publish(rows(10))
    assert not publisher.connected


async def test_connecting_to_a_silent_broker_is_given_up_in_bounded_time(
    publisher: Publisher, proxy: TcpProxy
) -> None:
    proxy.go_silent()
    async with asyncio.timeout(6):
        with pytest.raises(BrokerUnavailable):
            await publisher.open()


async def test_an_absent_broker_is_reported_at_once() -> None:
    publisher = Publisher("amqp://guest:guest@127.0.0.1:1/", "test", Topology())
    async with asyncio.timeout(1):
        with pytest.raises(BrokerUnavailable):
            await publisher.publish(rows(1))


async def test_a_refused_password_is_in_no_message(rabbitmq_url: str) -> None:
    url = rabbitmq_url.replace("guest:guest", "guest:wr0ng-secret")
    publisher = Publisher(url, "test", Topology())
    with pytest.raises(BrokerUnavailable) as refused:
        await publisher.publish(rows(1))
    assert "wr0ng-secret" not in str(refused.value)


async def test_a_blocked_connection_pauses_publishing(
    publisher: Publisher, proxy: TcpProxy, looker: Operator
) -> None:
    await publisher.open()
    proxy.inject(frame.marshal(commands.Connection.Blocked("low on memory"), 0))
    await eventually(lambda: _blocked(publisher))
    with pytest.raises(BrokerUnavailable, match="blocked"):
        await publisher.publish(rows(3))
    assert await looker.ready() == 0
    proxy.inject(frame.marshal(commands.Connection.Unblocked(), 0))
    await eventually(lambda: _unblocked(publisher))
    assert await publisher.publish(rows(3)) == [1, 2, 3]


async def test_what_waits_for_its_confirm_is_not_sent_twice(
    publisher: Publisher, proxy: TcpProxy, looker: Operator
) -> None:
    """The broker blocks while messages are on their way, and confirms them once it recovers."""
    await publisher.open()
    some = rows(20)
    proxy.go_silent()
    sending = asyncio.create_task(publisher.publish(some))
    await eventually(lambda: _in_flight(publisher) == 20)
    link = publisher._link
    assert link is not None
    # As a broker that blocks in this moment would have told, had the network let it.
    link._connection._Connection__connection_unblocked.clear()  # type: ignore[attr-defined]
    with pytest.raises(BrokerUnavailable):
        await sending
    proxy.speak_again()
    link._connection._Connection__connection_unblocked.set()  # type: ignore[attr-defined]
    assert await publisher.publish(some) == list(range(1, 21))
    await ready(looker, 20)


async def test_the_circuit_is_not_in_the_message(publisher: Publisher, looker: Operator) -> None:
    (row,) = rows(1)
    await publisher.publish([row])
    await ready(looker, 1)
    body = await looker.get()
    assert body is not None
    assert json.loads(body) == {
        "task_id": str(row.task_id),
        "correlation_id": row.correlation_id,
        "traceparent": row.traceparent,
    }


async def test_the_watch_declares_a_missing_queue_and_says_so(
    rabbitmq_url: str, looker: Operator, made_anew: Made
) -> None:
    watch = QueueWatch(rabbitmq_url, "test", Topology(made_anew))
    assert (await watch.look()).ready == 0
    await looker.put(b"{}")
    await ready(looker, 1)
    assert (await watch.look()).ready == 1
    await looker.delete_queue()
    await watch.look()
    assert made_anew.count == 2
    await watch.close()


def _in_flight(publisher: Publisher) -> int:
    assert publisher._pipeline is not None
    return len(publisher._pipeline._in_flight)


async def _blocked(publisher: Publisher) -> bool:
    assert publisher._link is not None
    return await publisher._link.is_blocked()


async def _unblocked(publisher: Publisher) -> bool:
    return not await _blocked(publisher)

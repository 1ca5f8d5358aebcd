"""What the topology makes, in which order, and what it says when it cannot."""

from collections.abc import AsyncIterator

import pytest

from domain.errors import BrokerUnavailable, StoreUnavailable
from infrastructure.rabbitmq.link import Link
from infrastructure.rabbitmq.publisher import Publisher
from infrastructure.rabbitmq.topology import (
    DEAD_QUEUE,
    QUEUE,
    Depth,
    Topology,
    depth,
    remove_empty_queues,
)
from infrastructure.rabbitmq.watch import QueueWatch
from tests.support.amqp import operator, rows
from tests.support.waiting import eventually


@pytest.fixture
async def link(rabbitmq_url: str) -> AsyncIterator[Link]:
    link = await Link.open(rabbitmq_url, "test")
    yield link
    await link.close()


async def test_it_makes_both_queues(link: Link) -> None:
    assert await depth(link) is None
    await Topology().ensure(link)
    assert await depth(link) == Depth(0, 0)
    assert await depth(link, DEAD_QUEUE) == Depth(0, 0)


async def test_making_it_again_changes_nothing(link: Link, rabbitmq_url: str) -> None:
    await Topology().ensure(link)
    async with operator(rabbitmq_url) as looker:
        await looker.put(b"{}")
        await Topology().ensure(link)
        assert await looker.ready() == 1


async def test_what_has_to_come_first_comes_before_the_queue(link: Link) -> None:
    seen: list[Depth | None] = []

    async def before_making() -> None:
        seen.append(await depth(link))

    topology = Topology(before_making)
    await topology.ensure(link)
    await topology.ensure(link)
    assert seen == [None]


async def test_no_queue_is_made_when_what_has_to_come_first_fails(
    link: Link, rabbitmq_url: str
) -> None:
    async def before_making() -> None:
        raise StoreUnavailable("the test has taken it away")

    watch = QueueWatch(rabbitmq_url, "test", Topology(before_making))
    with pytest.raises(StoreUnavailable):
        await watch.look()
    await watch.close()
    assert await depth(link) is None


async def test_a_queue_of_another_kind_is_named_with_what_to_do(
    link: Link, rabbitmq_url: str
) -> None:
    async with link.brief_channel() as channel:
        await channel.queue_declare(QUEUE, durable=True)
    publisher = Publisher(rabbitmq_url, "test", Topology())
    with pytest.raises(BrokerUnavailable, match=f"{QUEUE}.*delete it"):
        await publisher.publish(rows(1))
    assert not publisher.connected


async def test_a_watch_reports_an_absent_broker() -> None:
    watch = QueueWatch("amqp://guest:guest@127.0.0.1:1/", "test", Topology())
    with pytest.raises(BrokerUnavailable):
        await watch.look()


async def test_only_empty_queues_are_removed(link: Link, rabbitmq_url: str) -> None:
    await Topology().ensure(link)
    async with operator(rabbitmq_url) as looker:
        await looker.put(b"kept", DEAD_QUEUE)

        async def there() -> bool:
            return await looker.ready(DEAD_QUEUE) == 1

        await eventually(there)
    await remove_empty_queues(link)
    assert await depth(link) is None
    assert await depth(link, DEAD_QUEUE) == Depth(1, 0)

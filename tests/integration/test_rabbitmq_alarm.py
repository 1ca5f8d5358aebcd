"""A broker without memory or disk: it is known at once, nothing is lost, and it ends by itself."""

from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from domain.errors import BrokerBlocked
from infrastructure.rabbitmq.alarm import AlarmProbe
from infrastructure.rabbitmq.publisher import Publisher
from infrastructure.rabbitmq.topology import Topology
from tests import servers
from tests.support.alarms import Alarms, alarms_of
from tests.support.amqp import operator, rows
from tests.support.tcp_proxy import proxied
from tests.support.waiting import eventually


@pytest.fixture
async def alarms(rabbitmq_server: servers.BrokerServer) -> AsyncIterator[Alarms]:
    async with alarms_of(rabbitmq_server) as made:
        yield made


@pytest.mark.parametrize("kind", ["memory", "disk"])
async def test_an_alarm_pauses_publishing_and_costs_nothing(
    rabbitmq_url: str, alarms: Alarms, kind: str
) -> None:
    publisher = Publisher(rabbitmq_url, "test", Topology(), confirm_seconds=1.0)
    probe = AlarmProbe(rabbitmq_url)
    some = rows(20)
    assert await publisher.publish(some[:1]) == [1]
    with capture_logs() as lines:
        await probe.start()
        await getattr(alarms, kind)()
        await eventually(lambda: probe.blocked)
        for _ in range(2):
            with pytest.raises(BrokerBlocked, match="memory or disk"):
                await publisher.publish(some[1:])
        await alarms.over()
        await eventually(lambda: not probe.blocked)
        # What was on its way is confirmed now, and not sent a second time.
        assert await publisher.publish(some[1:]) == list(range(2, 21))
        await probe.close()
    await publisher.close()
    async with operator(rabbitmq_url) as looker:
        assert await looker.ready() == 20
    assert [line["log_level"] for line in lines] == ["warning", "info"]


async def test_a_broker_that_goes_away_is_not_blocked(rabbitmq_url: str, alarms: Alarms) -> None:
    async with proxied(rabbitmq_url) as proxy:
        probe = AlarmProbe(proxy.url(rabbitmq_url))
        await probe.start()
        await alarms.memory()
        await eventually(lambda: probe.blocked)
        proxy.refusing = True
        proxy.cut()
        await eventually(lambda: not probe.blocked)
        proxy.refusing = False
        await eventually(lambda: probe.blocked)
        await probe.close()

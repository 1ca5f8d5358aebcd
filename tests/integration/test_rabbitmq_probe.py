"""The probe on a real broker: right within a second, also about brokers that hang."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from infrastructure.rabbitmq.probe import BrokerProbe
from tests.support.tcp_proxy import TcpProxy, proxied
from tests.support.waiting import eventually


@pytest.fixture
async def proxy(rabbitmq_url: str) -> AsyncIterator[TcpProxy]:
    async with proxied(rabbitmq_url) as made:
        yield made


@pytest.fixture
async def probe(rabbitmq_url: str, proxy: TcpProxy) -> AsyncIterator[BrokerProbe]:
    probe = BrokerProbe(proxy.url(rabbitmq_url))
    await probe.start()
    yield probe
    async with asyncio.timeout(2):
        await probe.close()


async def test_a_broker_that_answers_is_connected(probe: BrokerProbe, proxy: TcpProxy) -> None:
    await eventually(lambda: probe.connected)
    assert proxy.connections == 1


async def test_a_broker_that_hangs_is_away_within_a_second(
    probe: BrokerProbe, proxy: TcpProxy
) -> None:
    await eventually(lambda: probe.connected)
    proxy.go_silent()
    await eventually(lambda: not probe.connected, within=1.2)
    proxy.speak_again()
    await eventually(lambda: probe.connected, within=6)


async def test_a_broker_that_is_gone_is_away_and_found_again(
    probe: BrokerProbe, proxy: TcpProxy
) -> None:
    await eventually(lambda: probe.connected)
    proxy.refusing = True
    proxy.cut()
    await eventually(lambda: not probe.connected, within=1.2)
    proxy.refusing = False
    await eventually(lambda: probe.connected, within=3)


async def test_one_connection_serves_for_long(probe: BrokerProbe, proxy: TcpProxy) -> None:
    await eventually(lambda: probe.connected)
    first = probe._answered_at
    await eventually(lambda: probe._answered_at not in {None, first})
    assert proxy.connections == 1


async def test_a_broker_that_never_was_is_away() -> None:
    probe = BrokerProbe("amqp://guest:guest@127.0.0.1:1/")
    await probe.start()
    await asyncio.sleep(0)
    assert not probe.connected
    await probe.close()

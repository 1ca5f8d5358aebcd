"""What a fault of the network does, and whose connections it disturbs."""

import asyncio
from typing import Literal, TypeAlias

from tests.faults.chaos.stage import Stage
from tests.support.tcp_proxy import TcpProxy

Side: TypeAlias = Literal["database", "broker"]
CUT_SECONDS = 2.0
SLOW_SECONDS = 3.0


async def cut(stage: Stage, side: Side) -> str:
    """Cut every connection of some processes after some bytes, the new ones too."""
    whom, proxies = _ways(stage, side)
    before = sum(proxy.cuts for proxy in proxies)
    count = stage.chance.randrange(100, 2_000)

    async def is_cut() -> bool:
        return sum(proxy.cuts for proxy in proxies) > before

    for proxy in proxies:
        proxy.cut_after(count)
    try:
        await stage.until(is_cut, f"a connection of {whom} carries {count} bytes")
        await asyncio.sleep(CUT_SECONDS)
    finally:
        for proxy in proxies:
            proxy.behave()
    return f"{whom} after {count} bytes"


async def silence(stage: Stage, side: Side) -> str:
    """Hold back everything between some processes and the server, for some seconds."""
    whom, proxies = _ways(stage, side)
    seconds = stage.chance.uniform(2.0, 5.0)
    for proxy in proxies:
        proxy.go_silent()
    await asyncio.sleep(seconds)
    for proxy in proxies:
        proxy.behave()
    return f"{whom} for {seconds:.1f} s"


async def slow(stage: Stage, side: Side) -> str:
    """Delay each piece of data between some processes and the server."""
    whom, proxies = _ways(stage, side)
    delay = stage.chance.uniform(0.05, 0.3)
    for proxy in proxies:
        proxy.delay_seconds = delay
    await asyncio.sleep(SLOW_SECONDS)
    for proxy in proxies:
        proxy.behave()
    return f"{whom} by {1000 * delay:.0f} ms"


def _ways(stage: Stage, side: Side) -> tuple[str, list[TcpProxy]]:
    """Choose one process or, as often, all that have proxies; returns a name and their proxies."""
    members = [member for member in stage.topology.members.values() if member.proxies]
    if stage.chance.random() < 0.5:
        members = [stage.chance.choice(members)]
        name = members[0].name
    else:
        name = "all behind proxies"
    proxies = [member.database if side == "database" else member.broker for member in members]
    return name, [proxy for proxy in proxies if proxy is not None]

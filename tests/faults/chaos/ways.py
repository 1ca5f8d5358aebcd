"""Whose connections a fault of the network disturbs."""

from typing import Literal

from tests.faults.chaos.stage import Stage
from tests.support.tcp_proxy import TcpProxy


def ways(stage: Stage, side: Literal["database", "broker"]) -> tuple[str, list[TcpProxy]]:
    """Choose one process or, as often, all that have proxies; returns a name and their proxies."""
    members = [member for member in stage.topology.members.values() if member.proxies]
    if stage.chance.random() < 0.5:
        members = [stage.chance.choice(members)]
        name = members[0].name
    else:
        name = "all behind proxies"
    proxies = [member.database if side == "database" else member.broker for member in members]
    return name, [proxy for proxy in proxies if proxy is not None]

"""The processes' counters, read again and again so that those of killed processes are not lost."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping

from tests.support.topology import Member, Topology

SAMPLE_SECONDS = 0.5
SERIES: Mapping[str, str] = {
    'ketlog_worker_messages_total{fate="claim_conflict"}': "dropped duplicates",
    'ketlog_worker_messages_total{fate="already_claimed"}': "dropped duplicates",
    'ketlog_worker_messages_total{fate="already_ended"}': "dropped duplicates",
    'ketlog_worker_messages_total{fate="unreadable"}': "unreadable messages",
    'ketlog_worker_outcomes_total{outcome="completed"}': "completed",
    'ketlog_worker_outcomes_total{outcome="stale"}': "refused stale results",
    'ketlog_worker_outcomes_total{outcome="lost"}': "runs stopped, lease gone",
    'ketlog_worker_outcomes_total{outcome="handed_back"}': "runs handed back",
    'ketlog_worker_simulators_ended_total{reason="deaths"}': "simulators died",
    "ketlog_worker_attempts_total": "attempts begun",
    "ketlog_attempts_reaped_total": "attempts reaped",
    "ketlog_messages_published_total": "messages published",
    "ketlog_messages_redispatched_total": "messages sent again",
    "ketlog_append_conflicts_total": "append conflicts",
    "ketlog_relay_leading": "leading",
}
COUNTERS = tuple(dict.fromkeys(name for name in SERIES.values() if name != "leading"))


async def scrape(member: Member) -> dict[str, float]:
    """Return the present values by their names here; empty when nobody answers."""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(1.0):
            reader, writer = await asyncio.open_connection("127.0.0.1", member.port)
            try:
                writer.write(b"GET /metrics HTTP/1.1\r\nhost: chaos\r\nconnection: close\r\n\r\n")
                return parse((await reader.read()).decode())
            finally:
                writer.close()
    return {}


def parse(text: str) -> dict[str, float]:
    """Pick the series of interest out of an exposition."""
    values: dict[str, float] = {}
    for line in text.splitlines():
        series, _, value = line.rpartition(" ")
        if series in SERIES:
            name = SERIES[series]
            values[name] = values.get(name, 0.0) + float(value)
    return values


class Sampler:
    """Keeps the last values of every process that ever ran."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._last: dict[tuple[str, int], dict[str, float]] = {}

    @property
    def totals(self) -> dict[str, int]:
        """The counters over all processes, those that were killed included."""
        total: Counter[str] = Counter()
        for values in self._last.values():
            total.update({name: int(values.get(name, 0)) for name in COUNTERS})
        return {name: total[name] for name in COUNTERS}

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            await self.sample()
            await asyncio.sleep(SAMPLE_SECONDS)

    async def sample(self) -> None:
        """Look at every process once."""
        running = [member for member in self._topology.members.values() if member.running]
        await asyncio.gather(*map(self._look, running))

    async def _look(self, member: Member) -> None:
        pid = member.process.pid
        values = await scrape(member)
        # A process that was replaced in between has counted from zero again.
        if values and member.running and member.process.pid == pid:
            self._last[member.name, pid] = values

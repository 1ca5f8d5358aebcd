"""What the metrics say before, during and after an outage of the broker: `python -m bench.outage`.

A private stack gets a steady load. RabbitMQ is stopped for a while and started again. Once a
second the `/metrics` of all processes are read; what they said is printed as a timeline and written
to `bench/results/outage.json`.
"""

import argparse
import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx2
from rich.console import Console
from rich.table import Table

from bench.scrape import Sample, read_sample, read_samples, values
from bench.stack import Servers
from infrastructure.local.ports import LOOPBACK, free_ports, wait_until
from infrastructure.local.rabbitmq import RabbitMQServer

CIRCUIT = "OPENQASM 3; qubit[2] q; bit[2] c; h q[0]; cx q[0], q[1]; c = measure q;"
RESULTS = Path(__file__).parent / "results"
RECOVERY_SECONDS = 120
ACCEPTED = 202
PROCESSES = 3
SOON_SECONDS = 1.0
WIDTH = 100


@dataclass(frozen=True, slots=True)
class Moment:
    """What the metrics said at one time; rates are those of the time since the one before.

    Attributes:
        second: since the load began.
        broker: what was done to it.
        waiting: unclaimed tasks for which the broker has no message; `dispatched` those for which
            it has one.
        oldest: for how many seconds the oldest unclaimed task has waited.
        queue_up: how many of the three processes say that they have the broker.
        consumers: of the queue; `None` while the relay cannot see it.
    """

    second: float
    broker: str
    accepted_per_second: float
    published_per_second: float
    completed_per_second: float
    waiting: float | None
    dispatched: float | None
    oldest: float | None
    queue_up: int
    consumers: float | None


class Timeline:
    """Reads the metrics once a second and keeps what they say."""

    def __init__(self, urls: Sequence[str]) -> None:
        self.moments: list[Moment] = []
        self.broker = "up"
        self._urls = urls
        self._began = time.monotonic()
        self._before: tuple[float, list[Sample]] | None = None

    async def watch(self, seconds: int) -> None:
        """Go on for so long."""
        for _ in range(seconds):
            await self._look()
            at = time.monotonic() - self._began
            await asyncio.sleep(1 - at % 1)

    async def _look(self) -> None:
        at, samples = time.monotonic() - self._began, await read_samples(self._urls)
        if self._before is not None:
            self.moments.append(self._moment(at, samples, *self._before))
        self._before = at, samples

    def _moment(
        self, at: float, samples: list[Sample], before_at: float, before: list[Sample]
    ) -> Moment:
        def rate(name: str, **labels: str) -> float:
            grown = sum(values(samples, name, **labels)) - sum(values(before, name, **labels))
            return round(grown / (at - before_at), 1)

        def gauge(name: str, **labels: str) -> float | None:
            return next(iter(values(samples, name, **labels)), None)

        return Moment(
            second=round(at, 1),
            broker=self.broker,
            accepted_per_second=rate("ketlog_events_appended_total", type="TaskSubmitted"),
            published_per_second=rate("ketlog_messages_published_total"),
            completed_per_second=rate("ketlog_worker_outcomes_total", outcome="completed"),
            waiting=gauge("ketlog_outbox_tasks", state="waiting"),
            dispatched=gauge("ketlog_outbox_tasks", state="dispatched"),
            oldest=gauge("ketlog_outbox_oldest_seconds"),
            queue_up=int(sum(values(samples, "ketlog_dependency_up", dependency="rabbitmq"))),
            consumers=gauge("ketlog_queue_consumers"),
        )


def main() -> None:
    """Measure, print and write."""
    options = _options()
    with ExitStack() as stack:
        servers = stack.enter_context(Servers())
        installation = servers.installation()
        relay, worker = free_ports(2)
        stack.enter_context(installation.relay(METRICS_PORT=str(relay)))
        stack.enter_context(installation.worker(METRICS_PORT=str(worker), WORKER_SLOTS="1"))
        api = stack.enter_context(installation.api()).port
        urls = [f"http://{LOOPBACK}:{port}/metrics" for port in (api, relay, worker)]
        wait_until(lambda: _is_ready(urls), what="the stack", timeout=60)
        timeline = Timeline(urls)
        asyncio.run(_outage(servers.rabbitmq, timeline, f"http://{LOOPBACK}:{api}", options))
    RESULTS.mkdir(exist_ok=True)
    written = RESULTS / "outage.json"
    written.write_text(json.dumps([asdict(moment) for moment in timeline.moments], indent=1))
    print("accepted, published and completed: per second; reach it: processes that have RabbitMQ\n")
    Console(width=WIDTH).print(_table(timeline.moments, options.every))
    print(f"every second of it: {written}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-second", type=float, default=20, help="submissions")
    parser.add_argument("--before", type=int, default=10, help="seconds before the outage")
    parser.add_argument("--outage", type=int, default=20, help="seconds of the outage")
    parser.add_argument("--after", type=int, default=6, help="seconds after the backlog is gone")
    parser.add_argument("--every", type=int, default=2, help="print every so many seconds")
    return parser.parse_args()


def _is_ready(urls: Sequence[str]) -> bool:
    return values([read_sample(url) for url in urls], "ketlog_queue_consumers") == [1]


async def _outage(
    rabbitmq: RabbitMQServer, timeline: Timeline, api_url: str, options: argparse.Namespace
) -> None:
    async with _load(api_url, options.per_second):
        await timeline.watch(options.before)
        timeline.broker = "stopped"
        stopping = asyncio.create_task(asyncio.to_thread(rabbitmq.stop))
        await timeline.watch(options.outage)
        await stopping
        timeline.broker = "starting"
        starting = asyncio.create_task(asyncio.to_thread(rabbitmq.start))
        while not starting.done():
            await timeline.watch(1)
        await starting
        timeline.broker = "up again"
        for _ in range(RECOVERY_SECONDS):
            await timeline.watch(1)
            if _is_over(timeline.moments[-1]):
                break
        await timeline.watch(options.after)


def _is_over(moment: Moment) -> bool:
    return moment.queue_up == PROCESSES and (moment.oldest or 0) < SOON_SECONDS


@contextlib.asynccontextmanager
async def _load(api_url: str, per_second: float) -> AsyncIterator[None]:
    """Submit at a steady pace, whatever becomes of it."""
    async with httpx2.AsyncClient(base_url=api_url, timeout=10) as client:
        submitting = asyncio.create_task(_submit_steadily(client, per_second))
        try:
            yield
        finally:
            submitting.cancel()
            await asyncio.gather(submitting, return_exceptions=True)


async def _submit_steadily(client: httpx2.AsyncClient, per_second: float) -> None:
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group:
        due = loop.time()
        while True:
            group.create_task(_submit(client))
            due += 1 / per_second
            await asyncio.sleep(due - loop.time())


async def _submit(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/tasks", json={"circuit": CIRCUIT})
    if answer.status_code != ACCEPTED:
        raise SystemExit(f"a submission was answered {answer.status_code}: {answer.text}")


def _table(moments: Sequence[Moment], every: int) -> Table:
    """Return each so many seconds, and every change of the broker."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("at s", justify="right")
    table.add_column("RabbitMQ")
    for title in (
        *("accepted", "published", "completed", "waiting", "dispatched"),
        *("oldest s", "reach it", "consumers"),
    ):
        table.add_column(title, justify="right")
    before = ""
    for number, moment in enumerate(moments):
        if number % every == 0 or moment.broker != before:
            table.add_row(*_cells(moment))
        before = moment.broker
    return table


def _cells(moment: Moment) -> list[str]:
    return [
        f"{moment.second:.0f}",
        moment.broker,
        f"{moment.accepted_per_second:.0f}",
        f"{moment.published_per_second:.0f}",
        f"{moment.completed_per_second:.0f}",
        _cell(moment.waiting, 0),
        _cell(moment.dispatched, 0),
        _cell(moment.oldest, 1),
        f"{moment.queue_up} of {PROCESSES}",
        _cell(moment.consumers, 0),
    ]


def _cell(value: float | None, digits: int) -> str:
    return "?" if value is None else f"{value:.{digits}f}"


if __name__ == "__main__":
    main()

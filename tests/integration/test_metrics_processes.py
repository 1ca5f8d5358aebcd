"""Every process shows its metrics, and they tell of an outage while it lasts."""

import asyncio
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from infrastructure.local.ports import free_port
from tests import servers
from tests.support import tasks
from tests.support.client import Client
from tests.support.processes import System, system
from tests.support.waiting import eventually


class Watched:
    """An API, a relay and a worker, and their metrics."""

    def __init__(self, processes: System) -> None:
        self._processes = processes
        self._ports = {"relay": free_port(), "worker": free_port()}
        processes.api()
        processes.relay(METRICS_PORT=str(self._ports["relay"]))
        processes.worker(METRICS_PORT=str(self._ports["worker"]), WORKER_SLOTS="1")
        processes.wait_ready()

    @property
    def api_url(self) -> str:
        return self._processes.api_url

    def memory(self, name: str) -> int:
        return int(psutil.Process(self._processes.processes[name].pid).memory_info().rss)

    def text(self, process: str) -> str:
        port = self._processes.api_port if process == "api" else self._ports[process]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            return str(answer.read().decode())

    async def value(self, process: str, name: str, **labels: str) -> float | None:
        text = await asyncio.to_thread(self.text, process)
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == name and labels.items() <= sample.labels.items():
                    return float(sample.value)
        return None


@pytest.fixture
def watched(database_url: str, rabbitmq_url: str, tmp_path: Path) -> Iterator[Watched]:
    with system(database_url, rabbitmq_url, tmp_path) as made:
        yield Watched(made)


async def test_a_tasks_way_shows_in_every_process(watched: Watched) -> None:
    async with Client(watched.api_url) as client:
        await client.ended(await client.submit({"circuit": tasks.BELL}))
        await client.get("/tasks/no-such-id")
        await client.get("/no/such/path")
    value = watched.value
    assert await value("api", "ketlog_events_appended_total", type="TaskSubmitted") == 1
    assert await value("api", "ketlog_append_batch_size_count") == 1
    request = {"http_request_method": "POST", "http_route": "/tasks"}
    assert await value("api", "http_server_request_duration_seconds_count", **request) == 1
    unknown = {"http_route": "unknown", "http_response_status_code": "404"}
    assert await value("api", "http_server_request_duration_seconds_count", **unknown) == 1
    assert "no-such-id" not in watched.text("api")
    assert await value("relay", "ketlog_messages_published_total") == 1
    assert await value("relay", "ketlog_publish_duration_seconds_count") == 1
    assert await value("relay", "ketlog_relay_leading") == 1
    assert await value("worker", "ketlog_worker_attempts_total") == 1
    assert await value("worker", "ketlog_worker_outcomes_total", outcome="completed") == 1
    assert await value("worker", "ketlog_run_duration_seconds_count", method="stabilizer") == 1
    assert await value("worker", "ketlog_worker_slots") == 1

    assert await value("relay", "ketlog_confirm_duration_seconds_count") == 1
    assert await value("worker", "ketlog_task_attempts_count") == 1
    assert await value("worker", "ketlog_worker_simulators_started_total") not in {None, 0.0}
    assert await value("worker", "ketlog_dependency_up", dependency="postgresql") == 1

    async def seen() -> bool:
        completed = await value("relay", "ketlog_tasks", status="completed")
        return (completed, await value("relay", "ketlog_queue_consumers")) == (1, 1)

    await eventually(seen)
    assert watched.memory("relay") < 70 * 2**20
    assert watched.memory("api") < 100 * 2**20


async def test_a_broker_outage_shows_while_it_lasts(
    watched: Watched, rabbitmq_server: servers.BrokerServer
) -> None:
    value = watched.value

    async def broker_is(state: float) -> bool:
        return await value("api", "ketlog_dependency_up", dependency="rabbitmq") == state

    async def backlog() -> bool:
        waiting = await value("relay", "ketlog_outbox_tasks", state="waiting")
        age = await value("relay", "ketlog_outbox_oldest_seconds")
        return waiting == 1 and age is not None and age > 0

    async def drained() -> bool:
        return await value("relay", "ketlog_outbox_oldest_seconds") == 0

    async with Client(watched.api_url) as client:
        await eventually(lambda: broker_is(1))
        await asyncio.to_thread(rabbitmq_server.stop)
        await eventually(lambda: broker_is(0))
        task_id = await client.submit({"circuit": tasks.BELL})
        await eventually(backlog, within=20)
        await asyncio.to_thread(rabbitmq_server.start)
        await client.ended(task_id, within=60)
        await eventually(drained, within=20)
        await eventually(lambda: broker_is(1))


def test_other_paths_of_the_metrics_port_say_where_the_metrics_are(watched: Watched) -> None:
    port = watched._ports["relay"]
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5)
    assert caught.value.code == 404
    assert b"/metrics" in caught.value.read()
    watched.text("relay")

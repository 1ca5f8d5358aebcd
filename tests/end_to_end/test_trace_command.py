"""`make trace` finds a task by any of its ids and shows it, recorded or not."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import tasks
from tests.support.client import Client
from tests.support.processes import System, system
from tests.support.trace_command import run_trace
from tests.support.waiting import eventually


class Stack:
    """Processes, and the command on their database."""

    def __init__(self, processes: System) -> None:
        self._processes = processes

    @property
    def api_url(self) -> str:
        return self._processes.api_url

    async def trace(self, *arguments: str, width: int = 160) -> tuple[int, str]:
        return await run_trace(self._processes.database_url, *arguments, width=width)

    async def shown(self, wanted: str, *names: str) -> str:
        """What the command prints once it shows all these."""
        text = ""

        async def complete() -> bool:
            nonlocal text
            _code, text = await self.trace(wanted)
            return all(name in text for name in names)

        await eventually(complete, 20, str(names))
        return text


@pytest.fixture
def stack(database_url: str, rabbitmq_url: str, tmp_path: Path) -> Iterator[Stack]:
    with system(database_url, rabbitmq_url, tmp_path) as made:
        made.settings |= {"OTEL_TRACES_SAMPLER": "parentbased_always_off", "WORKER_SLOTS": "1"}
        made.api()
        made.relay()
        made.worker()
        made.wait_ready()
        yield Stack(made)


async def test_a_recorded_task_is_found_by_each_of_its_ids(stack: Stack) -> None:
    trace_id = "c" * 32
    async with Client(stack.api_url) as client:
        answer = await client.post(
            {"circuit": tasks.BELL, "shots": 77},
            traceparent=f"00-{trace_id}-{'d' * 16}-01",
            **{"X-Correlation-ID": "an order, number 7"},
        )
        task_id = str(answer.json()["task_id"])
        await client.ended(task_id)
    names = ("POST /tasks", "append events", "send quantum_tasks", "process quantum_tasks", "claim")
    text = await stack.shown(task_id, *names, "parse", "compile", "run", "77 shots")
    assert trace_id in text
    for other in ("an order, number 7", trace_id):
        code, again = await stack.trace(other)
        assert (code, again) == (0, text)


async def test_a_task_that_was_not_sampled_is_shown_from_its_events(stack: Stack) -> None:
    async with Client(stack.api_url) as client:
        task_id = await client.submit({"circuit": tasks.BELL})
        await client.ended(task_id)
    code, text = await stack.trace(task_id)
    assert code == 0
    assert "not sampled" in text
    for name in ("wait for a worker", "process quantum_tasks", "parse", "compile", "run"):
        assert name in text
    assert "TaskCompleted" in text


async def test_a_trace_can_be_exported_as_otlp_json(stack: Stack) -> None:
    async with Client(stack.api_url) as client:
        answer = await client.post(
            {"circuit": tasks.BELL}, traceparent=f"00-{'e' * 32}-{'d' * 16}-01"
        )
        task_id = str(answer.json()["task_id"])
        await client.ended(task_id)
    await stack.shown(task_id, "POST /tasks", "send", "run", "process")
    _code, text = await stack.trace(task_id, "--otlp")
    spans: dict[str, Any] = {}
    services = set()
    for resource in json.loads(text)["resourceSpans"]:
        names = {pair["key"]: pair["value"] for pair in resource["resource"]["attributes"]}
        services.add(names["service.name"]["stringValue"])
        for scope in resource["scopeSpans"]:
            spans |= {span["spanId"]: span for span in scope["spans"]}
    assert services == {"ketlog-api", "ketlog-relay", "ketlog-worker"}
    assert {span["traceId"] for span in spans.values()} == {"e" * 32}
    for span in spans.values():
        assert span["parentSpanId"] in {*spans, "d" * 16}
        assert int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"])


async def test_an_unknown_id_is_an_error_that_says_what_to_do(stack: Stack) -> None:
    code, text = await stack.trace("nobody-knows-me")
    assert code == 1
    assert "answer to the submission" in text

"""One task's way through all processes is one trace, whatever happens to a worker."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from infrastructure.postgres.connect import Database
from infrastructure.postgres.traces import PostgresTraces
from infrastructure.telemetry.otlp_json import decode_attributes
from tests import servers
from tests.support import tasks
from tests.support.client import Client
from tests.support.dispatcher import LONG
from tests.support.processes import System, system
from tests.support.trace_command import run_trace
from tests.support.waiting import eventually

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
CLIENT_SPAN = "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE_ID}-{CLIENT_SPAN}-01"
LEASE = {"LEASE_SECONDS": "1", "LEASE_RENEWAL_SECONDS": "0.2"}

SHOTS_OF_SECONDS = 20_000

Spans = list[dict[str, Any]]


@pytest.fixture
def processes(database_url: str, rabbitmq_url: str, tmp_path: Path) -> Iterator[System]:
    with system(database_url, rabbitmq_url, tmp_path) as made:
        made.settings |= {"WORKER_SLOTS": "1", **LEASE}
        made.api()
        made.relay()
        yield made


@pytest.fixture
async def traces(database_url: str) -> AsyncIterator[PostgresTraces]:
    database = Database(database_url, size=2, application_name="test")
    yield PostgresTraces(database)
    await database.close()


async def recorded(traces: PostgresTraces, trace_id: str, wanted: dict[str, int]) -> Spans:
    """The spans of a trace once there are that many of each name."""
    found: Spans = []

    async def complete() -> bool:
        found[:] = [stored.span for stored in await traces.of_trace(trace_id)]
        return wanted.items() <= Counter(span["name"] for span in found).items()

    await eventually(complete, 15, f"{wanted}")
    return found


def named(spans: Spans, name: str) -> Spans:
    chosen = [span for span in spans if span["name"] == name]
    return sorted(chosen, key=lambda span: int(span["startTimeUnixNano"]))


def attributes(span: dict[str, Any]) -> dict[str, Any]:
    return decode_attributes(span["attributes"])


async def test_a_task_whose_worker_died_once_is_one_trace_with_both_attempts(
    processes: System, traces: PostgresTraces
) -> None:
    victim = processes.worker("victim")
    processes.wait_ready()
    async with Client(processes.api_url) as client:
        answer = await client.post(
            {"circuit": LONG, "shots": SHOTS_OF_SECONDS},
            traceparent=TRACEPARENT,
            **{"X-Correlation-ID": "who asks"},
        )
        task_id = answer.json()["task_id"]

        async def runs() -> bool:
            return bool((await client.task(task_id))["status"] == "processing")

        await eventually(runs)
        # The claim's spans are on their way to the store; what dies with a worker is lost.
        await recorded(traces, TRACE_ID, {"claim": 1})
        await asyncio.to_thread(victim.kill)
        del processes.processes["victim"]
        processes.worker("heir")
        assert (await client.ended(task_id, within=60))["attempt"] == 2
    wanted = {
        "POST /tasks": 1,
        "send quantum_tasks": 2,
        "process quantum_tasks": 2,
        "claim": 2,
        "parse": 1,
        "compile": 1,
        "run": 1,
        "append events": 5,
    }
    spans = await recorded(traces, TRACE_ID, wanted)
    assert Counter(span["name"] for span in spans) == wanted
    by_id = {span["spanId"]: span for span in spans}

    (post,) = named(spans, "POST /tasks")
    assert post["parentSpanId"] == CLIENT_SPAN
    for span in spans:
        assert span is post or span["parentSpanId"] in by_id, f"orphan: {span}"
        if span["name"] not in {"parse", "compile", "run"}:
            assert attributes(span)["ketlog.correlation.id"] == "who asks"

    first, second = named(spans, "process quantum_tasks")
    assert first["parentSpanId"] == second["parentSpanId"] == post["spanId"]
    assert [attributes(span)["ketlog.attempt"] for span in (first, second)] == [1, 2]
    assert [attributes(span)["ketlog.outcome"] for span in (first, second)] == [
        "worker_lost",
        "completed",
    ]
    assert first["status"]["code"] == 2
    sends = named(spans, "send quantum_tasks")
    assert second["links"][0]["spanId"] == sends[1]["spanId"]
    claims = named(spans, "claim")
    assert [claim["parentSpanId"] for claim in claims] == [first["spanId"], second["spanId"]]
    (run,) = named(spans, "run")
    assert run["parentSpanId"] == second["spanId"]
    assert attributes(run)["ketlog.shots"] == SHOTS_OF_SECONDS

    appends = named(spans, "append events")
    parents = [by_id[span["parentSpanId"]]["name"] for span in appends]
    attempt = "process quantum_tasks"
    assert parents == ["POST /tasks", "claim", attempt, "claim", attempt]
    types = [attributes(span)["ketlog.event.type"] for span in appends]
    assert types == [
        "TaskSubmitted",
        "ProcessingStarted",
        "TaskRequeued",
        "ProcessingStarted",
        "TaskCompleted",
    ]
    code, shown = await run_trace(processes.database_url, "who asks")
    assert code == 0
    assert TRACE_ID in shown
    for note in ("attempt 1, worker_lost", "attempt 2, completed", "TaskRequeued", "on heir"):
        assert note in shown
    # One waterfall: all of it hangs below the submission.
    left = [line for line in shown.splitlines() if line[:1].strip() and " api " in line]
    assert [line.split()[0] for line in left] == ["POST"]


async def test_a_trace_survives_the_restart_of_everything_between_submission_and_run(
    processes: System,
    traces: PostgresTraces,
    postgres_server: servers.DatabaseServer,
    rabbitmq_server: servers.BrokerServer,
) -> None:
    processes.wait_ready()
    async with Client(processes.api_url) as client:
        answer = await client.post({"circuit": tasks.BELL}, traceparent=TRACEPARENT)
    await recorded(
        traces, TRACE_ID, {"POST /tasks": 1, "append events": 1, "send quantum_tasks": 1}
    )
    for process in list(processes.processes.values()):
        assert await asyncio.to_thread(process.stop) == 0
    for server in (rabbitmq_server, postgres_server):
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)
    for process in processes.processes.values():
        process.start()
    processes.worker()
    processes.wait_ready()
    async with Client(processes.api_url) as client:
        await client.ended(answer.json()["task_id"])
    wanted = {"process quantum_tasks": 1, "claim": 1, "run": 1, "append events": 3}
    spans = await recorded(traces, TRACE_ID, wanted)
    by_id = {span["spanId"]: span for span in spans}
    (post,) = named(spans, "POST /tasks")
    for span in spans:
        assert span is post or span["parentSpanId"] in by_id, f"orphan: {span}"
    (attempt,) = named(spans, "process quantum_tasks")
    assert attempt["parentSpanId"] == post["spanId"]
    assert attempt["links"][0]["spanId"] == named(spans, "send quantum_tasks")[-1]["spanId"]


async def test_tasks_that_share_a_transaction_are_linked_to_its_span(
    processes: System, traces: PostgresTraces
) -> None:
    processes.worker()
    processes.wait_ready()
    async with Client(processes.api_url) as client:
        answers = await asyncio.gather(
            *(
                client.post({"circuit": tasks.BELL}, traceparent=f"00-{n:032x}-{CLIENT_SPAN}-01")
                for n in range(1, 25)
            )
        )
        await client.all_ended([answer.json()["task_id"] for answer in answers])
    linked = 0
    for number in range(1, 25):
        spans = await recorded(traces, f"{number:032x}", {"append events": 3, "run": 1})
        for span in named(spans, "append events"):
            size = attributes(span).get("db.operation.batch.size")
            if size is None:
                assert "links" not in span
                continue
            assert size > 1
            linked += 1
            (link,) = span["links"]
            (batch,) = await recorded(traces, link["traceId"], {"BATCH INSERT events": 1})
            assert "parentSpanId" not in batch
            assert attributes(batch)["db.operation.batch.size"] == size
            assert span["spanId"] in {member["spanId"] for member in batch["links"]}
    assert linked


async def test_a_trace_that_its_client_does_not_record_is_not_recorded(
    processes: System, traces: PostgresTraces
) -> None:
    processes.worker()
    processes.wait_ready()
    async with Client(processes.api_url) as client:
        for trace_id, flags in (("a" * 32, "00"), ("b" * 32, "01")):
            answer = await client.post(
                {"circuit": tasks.BELL}, traceparent=f"00-{trace_id}-{CLIENT_SPAN}-{flags}"
            )
            await client.ended(answer.json()["task_id"])
    await recorded(traces, "b" * 32, {"run": 1, "process quantum_tasks": 1})
    assert await traces.of_trace("a" * 32) == []

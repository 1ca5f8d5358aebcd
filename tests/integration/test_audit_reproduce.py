"""Runs are made again on real simulators, and what comes of it is noted in their tasks."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest

from domain.events import ResultDiverged, ResultReproduced
from domain.execution import RunOptions, RunOutcome, RunRequest, RunSucceeded
from domain.identifiers import uuid7
from domain.payloads import Payload, PayloadKind
from domain.ports import TaskView
from domain.status import Status
from domain.task import Complete, Submit, decide
from infrastructure.postgres.connect import Database
from infrastructure.postgres.event_log import PostgresEventLog
from infrastructure.postgres.task_queries import PostgresTaskQueries
from infrastructure.quantum.limits import EngineLimits
from infrastructure.quantum.pool import SimulatorPool
from service.audit.__main__ import main
from service.audit.reproduce import sample
from tests.support import tasks
from tests.support.tasks import BELL

FEED_FORWARD = (
    "OPENQASM 3; qubit[2] q; bit[2] c; h q[0]; c[0] = measure q[0]; if (c[0]) { x q[1]; }"
    " c[1] = measure q[1];"
)
ROTATED = "OPENQASM 3; input float a; qubit q; rx(a) q; measure q;"
REQUESTS = (
    RunRequest(BELL, RunOptions(1000, 3)),
    RunRequest(BELL, RunOptions(50, 4, memory=True)),
    RunRequest(FEED_FORWARD, RunOptions(200, 5, memory=True)),
    RunRequest(BELL, RunOptions(100, 6, "matrix_product_state")),
    RunRequest(ROTATED, RunOptions(300, 7, "density_matrix"), {"a": 0.7}),
)


@dataclass
class World:
    database: Database
    ids: list[UUID]

    @property
    def log(self) -> PostgresEventLog:
        return PostgresEventLog(self.database)

    async def completed(
        self,
        request: RunRequest,
        counts: dict[str, int],
        execution: dict[str, Any],
        memory: Iterable[str] | None = None,
    ) -> UUID:
        """A task that has this result."""
        circuit = Payload(PayloadKind.CIRCUIT, request.circuit.encode())
        rows = [circuit]
        if request.parameters:
            rows.append(Payload(PayloadKind.PARAMETERS, json.dumps(request.parameters).encode()))
        event = decide(
            None,
            Submit(
                request.options,
                circuit.commitment(),
                rows[1].commitment() if request.parameters else None,
            ),
        )
        submission = replace(tasks.submission(), event=event, payloads=tuple(rows))
        await tasks.put(self.log, submission)
        await tasks.put(self.log, tasks.claim(await tasks.load(self.log, submission.task_id)))
        result = Payload(PayloadKind.RESULT, json.dumps(counts).encode())
        kept = None
        if memory is not None:
            kept = Payload(PayloadKind.MEMORY, json.dumps(list(memory)).encode())
        command = Complete(
            1, result.commitment(), execution, None if kept is None else kept.commitment()
        )
        task = await tasks.load(self.log, submission.task_id)
        payloads = (result,) if kept is None else (result, kept)
        await tasks.put(self.log, tasks.following(task, command, *payloads))
        return submission.task_id

    async def view(self, task_id: UUID) -> TaskView:
        view = await PostgresTaskQueries(self.database).view(task_id)
        assert view is not None
        return view


@pytest.fixture(scope="module")
def outcomes() -> list[RunSucceeded]:
    """What the simulators make of `REQUESTS`."""
    made = asyncio.run(_outcomes())
    assert all(isinstance(outcome, RunSucceeded) for outcome in made), made
    return [outcome for outcome in made if isinstance(outcome, RunSucceeded)]


async def _outcomes() -> list[RunOutcome]:
    pool = SimulatorPool(1, EngineLimits(), spares=0)
    await pool.start()
    try:
        return [await pool.submit(request).outcome for request in REQUESTS]
    finally:
        await pool.close()


@pytest.fixture
async def world(
    database_url: str, outcomes: list[RunSucceeded], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    monkeypatch.setenv("DATABASE_URL", database_url)
    database = Database(database_url, size=4, application_name="test")
    made = World(database, [])
    for request, outcome in zip(REQUESTS, outcomes, strict=True):
        # A client may leave seed and method to the engine; the log has those that were used.
        asked = replace(request, options=replace(request.options, seed=None, method="automatic"))
        made.ids.append(
            await made.completed(
                asked, dict(outcome.counts), dict(outcome.execution), outcome.memory
            )
        )
    yield made
    await database.close()


def run(*arguments: str) -> int:
    """The command as a shell would run it, in a thread of its own for its event loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(main, ["reproduce", *arguments]).result(120)


async def test_runs_come_out_as_before_to_the_last_shot(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    before = [await world.view(task_id) for task_id in world.ids]
    assert run(*map(str, world.ids)) == 0
    said = capsys.readouterr().out
    assert "OK: 5 reproduced." in said
    for task_id, earlier in zip(world.ids, before, strict=True):
        assert f"REPRODUCED: task {task_id}" in said
        view = await world.view(task_id)
        (made,) = view.reproductions
        assert (made.reproduced, made.distance, made.differences) == (True, 0.0, {})
        assert replace(view, version=3, reproductions=[]) == earlier
        events = (await world.log.histories([task_id]))[task_id].events
        assert isinstance(events[-1].event, ResultReproduced)
        assert events[-1].metadata.actor.startswith("audit/")
        assert events[-1].metadata.causation_id == events[-2].event_id


async def test_a_sample_is_drawn_over_all_methods(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = await sample(world.database, 4)
    methods = set()
    for task_id in chosen:
        execution = json.loads((await world.view(task_id)).execution or b"{}")
        methods.add((execution["method"], execution["sampler"]))
    assert len(methods) == 4
    assert run("--sample", "100", "--jobs", "2") == 0
    assert "OK: 5 reproduced." in capsys.readouterr().out


async def test_an_empty_sample_is_no_failure(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert run("--sample", "3") == 0
    assert "OK: 0 reproduced." in capsys.readouterr().out


async def test_a_divergence_is_noted_and_told_from_one_that_versions_explain(
    world: World, outcomes: list[RunSucceeded], capsys: pytest.CaptureFixture[str]
) -> None:
    execution = dict(outcomes[0].execution)
    false = {"00": 900, "11": 100}
    unexplained = await world.completed(REQUESTS[0], false, execution)
    older = {**execution["versions"], "qiskit_aer": "0.1"}
    explained = await world.completed(REQUESTS[0], false, execution | {"versions": older})
    assert run(str(unexplained), str(explained), str(world.ids[0])) == 1
    said = capsys.readouterr().out
    assert "NOT OK: 1 reproduced; 2 diverged, 1 of them explained." in said
    assert "nothing explains it" in said
    assert "versions.qiskit_aer was 0.1 and is 0.18" in said
    for task_id, differences in ((unexplained, []), (explained, ["versions.qiskit_aer"])):
        view = await world.view(task_id)
        assert view.status is Status.COMPLETED
        assert json.loads(view.result or b"") == false
        (made,) = view.reproductions
        assert not made.reproduced
        assert made.distance == pytest.approx(0.4, abs=0.1)
        assert list(made.differences) == differences
        event = (await world.log.histories([task_id]))[task_id].events[-1].event
        assert isinstance(event, ResultDiverged)
        assert event.explained == bool(differences)


async def test_a_result_that_no_circuit_can_have_diverges_entirely(
    world: World, outcomes: list[RunSucceeded], capsys: pytest.CaptureFixture[str]
) -> None:
    request = replace(REQUESTS[0], circuit="no circuit at all")
    task_id = await world.completed(request, {"0": 1000}, dict(outcomes[0].execution))
    assert run(str(task_id)) == 1
    assert "it cannot be run any more" in capsys.readouterr().out
    (made,) = (await world.view(task_id)).reproductions
    assert made.distance == 1.0


async def test_what_cannot_be_compared_says_why_and_is_not_noted(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    erased, altered, _, _, fine = world.ids
    await tasks.erased(world.log, erased)
    async with world.database.connection() as connection:
        await connection.execute("RESET ROLE")
        await connection.execute("ALTER TABLE payloads DISABLE TRIGGER payloads_are_final")
        await connection.execute(
            "UPDATE payloads SET body = '{\"00\":50}' WHERE task_id = $1 AND kind = 'result'",
            altered,
        )
        await connection.execute("ALTER TABLE payloads ENABLE ALWAYS TRIGGER payloads_are_final")
        await connection.execute("SET ROLE ketlog_app")
    pending = (await tasks.submitted(world.log)).task_id
    unknown = uuid7()
    assert run(str(erased), str(pending), str(unknown), str(fine)) == 2
    said = capsys.readouterr().out
    assert f"NOT COMPARED: task {erased}: its circuit was erased" in said
    assert f"NOT COMPARED: task {pending}: it is pending and has no result" in said
    assert f"NOT COMPARED: task {unknown}: there is no such task" in said
    assert "NOT OK: 1 reproduced; 3 not compared." in said
    assert run(str(altered)) == 1
    said = capsys.readouterr().out
    assert f"ALTERED: task {altered}: its result is not what version 3 commits to" in said
    for task_id in (erased, altered):
        assert (await world.view(task_id)).reproductions == []


async def test_two_auditors_at_once_both_note_what_they_saw(world: World) -> None:
    task_id = world.ids[0]
    with ThreadPoolExecutor(2) as threads:
        runs = [threads.submit(main, ["reproduce", str(task_id)]) for _ in range(2)]
        assert [each.result(120) for each in runs] == [0, 0]
    assert len((await world.view(task_id)).reproductions) == 2


@pytest.mark.parametrize(
    "arguments", [(), ("--sample", "0"), ("--sample", "3", str(uuid7())), ("no-uuid",)]
)
def test_the_command_needs_to_know_which(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["reproduce", *arguments])
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_a_database_that_is_away_is_said_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    assert run("--sample", "1") == 2
    assert "could not be made again: PostgreSQL is away" in capsys.readouterr().err

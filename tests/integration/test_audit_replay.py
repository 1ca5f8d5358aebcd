"""Replay: whatever of the projections is not what the log says is named."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import pytest

from domain import codec
from domain.errors import StoreUnavailable
from domain.identifiers import uuid7
from infrastructure.postgres import audit as reading
from infrastructure.postgres import folds
from infrastructure.postgres.audit import LOWEST, Range
from infrastructure.postgres.connect import Connection, Database
from infrastructure.postgres.event_log import PostgresEventLog
from service.audit import replay
from service.audit.__main__ import main
from service.audit.findings import Finding, Kind
from service.audit.replay import Replay, replay_range
from service.audit.report import Report
from tests.support import tasks
from tests.support.forger import Forger
from tests.support.varied_log import LIVES, varied_log


class Findings(Report):
    """Keeps what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[Finding] = []

    def show(self, finding: Finding) -> None:
        self.all.append(finding)


@dataclass
class World:
    url: str
    log: PostgresEventLog
    forger: Forger
    ids: dict[str, UUID]

    async def replay(self, processes: int = 1, first: UUID = LOWEST) -> list[Finding]:
        report = Findings()
        await Replay(self.url, processes, report, first).run()
        return report.all

    async def differences(self, name: str) -> list[tuple[Kind, str]]:
        """What is found, all of it in one task."""
        found = await self.replay()
        assert {finding.task_id for finding in found} <= {self.ids[name]}
        return [(finding.kind, finding.what) for finding in found]


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    database = Database(database_url, size=4, application_name="test")
    connection = await asyncpg.connect(database_url)
    log = PostgresEventLog(database)
    yield World(database_url, log, Forger(connection), await varied_log(log))
    await connection.close()
    await database.close()


async def test_projections_that_nobody_touched_are_what_the_log_says(world: World) -> None:
    assert await world.replay() == []


async def test_an_empty_log_has_no_differences(database_url: str) -> None:
    report = Findings()
    await Replay(database_url, 1, report).run()
    assert report.all == []


@pytest.mark.parametrize(
    ("name", "change", "what"),
    [
        ("failed", "version = 9", "tasks.version is 9, its events make it 3"),
        ("failed", "current_status = 'completed'", "is 'completed', its events make it 'failed'"),
        ("pending", "shots = 7", "tasks.shots is 7, its events make it 1024"),
        ("requeued", "attempt = 3", "tasks.attempt is 3, its events make it 1"),
        ("pending", "started_at = now()", "its events make it NULL"),
        ("completed", "completed_at = NULL", "tasks.completed_at is NULL, its events make it 2"),
        ("cancelled", "submitted_at = 'epoch'", "tasks.submitted_at is 1970-01-01"),
        ("failed", "error_code = 'none'", "is 'none', its events make it 'parse_error'"),
        ("failed", "error_message = NULL", "'line 3: a semicolon is missing'"),
        ("reproduced", "correlation_id = 'x'", "is 'x', its events make it 'a-correlation-id'"),
        ("diverged", "head_hash = decode('00', 'hex')", "tasks.head_hash is 00, its events"),
        ("completed", "head_recorded_at = 'epoch'", "tasks.head_recorded_at is 1970"),
    ],
)
async def test_every_changed_column_is_named(
    world: World, name: str, change: str, what: str
) -> None:
    await world.forger.do(f"UPDATE tasks SET {change} WHERE task_id = $1", world.ids[name])
    ((kind, said),) = await world.differences(name)
    assert kind is Kind.PROJECTION
    assert what in said


async def test_every_column_of_the_projection_is_compared(world: World) -> None:
    rows = await world.forger.connection.fetch(
        "SELECT column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name = 'tasks' ORDER BY ordinal_position"
    )
    assert tuple(row["column_name"] for row in rows) == folds.TaskRow._fields


async def test_a_row_that_is_not_there_is_named(world: World) -> None:
    await world.forger.do("DELETE FROM tasks WHERE task_id = $1", world.ids["failed"])
    assert await world.differences("failed") == [
        (Kind.PROJECTION, "tasks has no row for its 3 events")
    ]


@pytest.mark.parametrize("stranger", [uuid7(), UUID(int=0), UUID(int=2**128 - 1)])
async def test_a_row_without_events_is_named(world: World, stranger: UUID) -> None:
    await world.forger.do(
        "INSERT INTO tasks SELECT $1, version, head_hash, head_recorded_at, current_status, shots,"
        " attempt, submitted_at, started_at, completed_at, error_code, error_message,"
        " correlation_id FROM tasks LIMIT 1",
        stranger,
    )
    await world.forger.do(
        "INSERT INTO leases VALUES ($1, 1, 'worker-1', clock_timestamp())", stranger
    )
    found = [(finding.kind, finding.task_id) for finding in await world.replay()]
    assert found == [(Kind.PROJECTION, stranger), (Kind.LEASES, stranger)]


@pytest.mark.parametrize(
    ("name", "statement", "what"),
    [
        ("pending", "DELETE FROM outbox WHERE task_id = $1", "has no row for it, which is pending"),
        (
            "requeued",
            "UPDATE outbox SET message_id = gen_random_uuid() WHERE task_id = $1",
            "outbox.message_id is",
        ),
        (
            "pending",
            "UPDATE outbox SET traceparent = 'x' WHERE task_id = $1",
            "outbox.traceparent is 'x'",
        ),
        (
            "failed",
            "INSERT INTO outbox (task_id, message_id, correlation_id, traceparent, waiting_since,"
            " turn_at) VALUES ($1, gen_random_uuid(), '', '', now(), now())",
            "has a row for it, which is failed by its events",
        ),
    ],
)
async def test_a_changed_outbox_is_named(
    world: World, name: str, statement: str, what: str
) -> None:
    await world.forger.do(statement, world.ids[name])
    ((kind, said),) = await world.differences(name)
    assert kind is Kind.OUTBOX
    assert what in said


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("DELETE FROM leases WHERE task_id = $1", "has no row for it, which is processing"),
        ("UPDATE leases SET attempt = 9 WHERE task_id = $1", "leases.attempt is 9"),
        ("UPDATE leases SET worker_id = 'x' WHERE task_id = $1", "leases.worker_id is 'x'"),
    ],
)
async def test_a_changed_lease_is_named(world: World, statement: str, what: str) -> None:
    await world.forger.do(statement, world.ids["in its second attempt"])
    ((kind, said),) = await world.differences("in its second attempt")
    assert kind is Kind.LEASES
    assert what in said


@pytest.mark.parametrize(
    ("version", "change", "what"),
    [
        (2, "type = 'TaskTeleported'", "TaskTeleported of schema version 1 is not known here"),
        (2, "schema_version = 2", "ProcessingStarted of schema version 2 is not known here"),
        (3, "data = '{}'", "TaskCompleted has data of another shape"),
        (1, "metadata = '[]'", "metadata of another shape"),
        (3, "version = 7", "the task has event 7 right after event 2"),
        (2, "type = 'TaskCancelled', data = '{\"reason\":\"\"}'", "cannot become completed"),
    ],
)
async def test_an_event_that_cannot_be_is_named(
    world: World, version: int, change: str, what: str
) -> None:
    task_id = world.ids["completed"]
    await world.forger.do(
        f"UPDATE events SET {change} WHERE task_id = $1 AND version = $2", task_id, version
    )
    (finding,) = await world.replay()
    assert (finding.kind, finding.task_id) == (Kind.IMPOSSIBLE, task_id)
    assert what in finding.what
    assert f"task {task_id}, version" in str(finding)


async def test_several_processes_find_the_same_in_the_same_order(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "EVENTS_A_PIECE", 4)
    for name in ("failed", "completed", "cancelled"):
        await world.forger.do("UPDATE tasks SET shots = 7 WHERE task_id = $1", world.ids[name])
    alone = await world.replay(1)
    assert [finding.task_id for finding in alone] == sorted(
        world.ids[name] for name in ("failed", "completed", "cancelled")
    )
    assert await world.replay(2) == alone


async def test_pages_may_end_in_the_middle_of_a_task(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folds, "PAGE_ROWS", 1)
    assert await world.replay() == []


async def test_a_pass_goes_on_where_another_one_was(world: World) -> None:
    first, second = sorted((world.ids["failed"], world.ids["completed"]))
    for task_id in (first, second):
        await world.forger.do("UPDATE tasks SET shots = 7 WHERE task_id = $1", task_id)
    assert [f.task_id for f in await world.replay(first=UUID(int=first.int + 1))] == [second]


async def test_nothing_differs_while_the_system_runs(world: World) -> None:
    finished = asyncio.Event()

    async def work() -> None:
        for _ in range(15):
            await varied_log(world.log)
        finished.set()

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(work())
        passes = 0
        while not finished.is_set() or passes < 2:
            assert await world.replay() == []
            passes += 1


async def test_events_of_an_older_schema_version_are_replayed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an upgrade: the log has version 1, the code writes version 2."""

    def upcast(data: codec.Data) -> codec.Data:
        return {**data, "message": data["message"].replace("semicolon", "line end")}

    monkeypatch.setattr(codec, "SCHEMA_VERSIONS", {**codec.SCHEMA_VERSIONS, "TaskFailed": 2})
    monkeypatch.setattr(codec, "UPCASTERS", {("TaskFailed", 1): upcast})
    ((kind, said),) = await world.differences("failed")
    assert kind is Kind.PROJECTION
    assert "its events make it 'line 3: a line end is missing'" in said


def run(*arguments: str) -> int:
    """The command as a shell would run it, in a thread of its own for its event loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(main, ["replay", *arguments]).result(60)


async def test_the_command_ends_with_what_it_found(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", world.url)
    assert run() == 0
    said = capsys.readouterr().out
    assert f"of {len(LIVES)} tasks" in said
    assert "OK: the projections hold what the log says." in said
    for name in ("pending", "failed"):
        await world.forger.do("UPDATE tasks SET shots = 7 WHERE task_id = $1", world.ids[name])
    assert run() == 1
    said = capsys.readouterr().out
    assert f"CHANGED PROJECTION: task {world.ids['failed']}: tasks.shots is 7" in said
    assert "NOT OK: changed projection (2)." in said


async def test_many_findings_are_counted_and_shown_if_asked_for(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", world.url)
    for _ in range(10):
        await tasks.submitted(world.log)
    await world.forger.do("UPDATE tasks SET shots = 7")
    assert run() == 1
    assert (
        f"CHANGED PROJECTION: {len(LIVES) - 10} more (--all shows them)" in capsys.readouterr().out
    )
    assert run("--all") == 1
    assert capsys.readouterr().out.count("tasks.shots is 7") == len(LIVES) + 10


def test_a_log_that_cannot_be_read_is_said_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    assert run() == 2
    assert "could not be replayed: PostgreSQL is away" in capsys.readouterr().err


async def test_an_interrupted_pass_says_how_to_go_on(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", world.url)
    monkeypatch.setattr(reading, "EVENTS_A_PIECE", 4)
    calls = 0

    async def breaking(connection: Connection, piece: Range) -> replay.Replayed:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise StoreUnavailable("PostgreSQL is away: the test says so")
        return await replay_range(connection, piece)

    monkeypatch.setattr(replay, "replay_range", breaking)
    assert run("--jobs", "1") == 2
    said = capsys.readouterr().err
    assert "could not be replayed: PostgreSQL is away" in said
    _, go_on = said.split("To go on there: replay ")
    assert run("--jobs", "1", *go_on.split()) == 0
    rest = int(capsys.readouterr().out.split(" events")[0])
    assert 0 < rest < sum(len(commands) + 1 for commands in LIVES.values())

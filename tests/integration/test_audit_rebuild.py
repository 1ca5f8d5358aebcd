"""Rebuild: new projections from the log, swapped in under load without a wrong answer."""

import asyncio
import random
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import pytest

from domain.errors import StoreUnavailable
from domain.identifiers import uuid7
from domain.ports import TaskView
from infrastructure.postgres import audit as reading
from infrastructure.postgres.audit import Range
from infrastructure.postgres.connect import Connection, Database
from infrastructure.postgres.event_log import PostgresEventLog
from infrastructure.postgres.rebuild import CannotRebuild, Filled, fill_range
from infrastructure.postgres.task_queries import PostgresTaskQueries
from service.audit import rebuild
from service.audit.__main__ import main
from service.audit.findings import Finding, Kind
from service.audit.rebuild import BrokenLog, Rebuild
from service.audit.replay import Replay
from service.audit.report import Report
from tests.support import tasks
from tests.support.forger import Forger
from tests.support.varied_log import LIVES, following, live, varied_log
from tests.support.waiting import eventually

STRUCTURE = """
    SELECT 'column', attname, format_type(atttypid, atttypmod), attnotnull::text
    FROM pg_attribute WHERE attrelid = 'tasks'::regclass AND attnum > 0
    UNION ALL
    SELECT 'index', indexrelid::regclass::text, pg_get_indexdef(indexrelid), indisvalid::text
    FROM pg_index WHERE indrelid = 'tasks'::regclass
    UNION ALL
    SELECT 'constraint', conname, pg_get_constraintdef(oid), convalidated::text
    FROM pg_constraint WHERE conrelid = 'tasks'::regclass
    UNION ALL
    SELECT 'table', relnamespace::regnamespace::text || array_to_string(relacl, ','),
        array_to_string(reloptions, ',') || obj_description(oid), relowner::regrole::text
    FROM pg_class WHERE oid = 'tasks'::regclass
    ORDER BY 1, 2
"""


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
    database: Database
    log: PostgresEventLog
    queries: PostgresTaskQueries
    owner: asyncpg.Connection
    ids: dict[str, UUID]

    @property
    def forger(self) -> Forger:
        return Forger(self.owner)

    async def rebuild(self, processes: int = 1, *, anew: bool = False) -> Rebuild:
        made = Rebuild(self.url, processes, anew)
        await made.run()
        return made

    async def differences(self) -> list[Finding]:
        report = Findings()
        await Replay(self.url, 1, report).run()
        return report.all

    async def rows(self) -> list[tuple[object, ...]]:
        return [tuple(row) for row in await self.owner.fetch("SELECT * FROM tasks ORDER BY 1")]

    async def schemas(self) -> set[str]:
        rows = await self.owner.fetch("SELECT nspname FROM pg_namespace WHERE nspname ~ '^ketlog'")
        return {row[0] for row in rows}


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    database = Database(database_url, size=8, application_name="test")
    owner = await asyncpg.connect(database_url)
    log = PostgresEventLog(database)
    queries = PostgresTaskQueries(database)
    yield World(database_url, database, log, queries, owner, await varied_log(log))
    await owner.close()
    await database.close()


async def test_what_was_right_is_the_same_again(world: World) -> None:
    before = await world.rows()
    made = await world.rebuild()
    assert await world.rows() == before
    assert made.tasks == len(LIVES)
    assert made.swapped is not None
    assert made.swapped.mended == 0
    assert await world.schemas() == set()


async def test_an_empty_log_makes_empty_projections(database_url: str) -> None:
    await Rebuild(database_url, 1).run()


async def test_everything_about_the_table_but_its_rows_stays(world: World) -> None:
    before = await world.owner.fetch(STRUCTURE)
    assert {row[0] for row in before} == {"column", "constraint", "index", "table"}
    await world.rebuild()
    await world.rebuild()
    assert await world.owner.fetch(STRUCTURE) == before


@pytest.mark.parametrize("processes", [1, 2])
async def test_whatever_was_wrong_is_right_again(
    world: World, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "EVENTS_A_PIECE", 4)
    before = await world.rows()
    waiting = "SELECT task_id, message_id, correlation_id, traceparent, waiting_since FROM outbox"
    outbox = set(map(tuple, await world.owner.fetch(waiting)))
    ids = world.ids
    for statement, task_id in (
        ("UPDATE tasks SET version = 9, head_hash = ''::bytea WHERE task_id = $1", ids["failed"]),
        ("UPDATE tasks SET current_status = 'failed' WHERE task_id = $1", ids["completed"]),
        ("DELETE FROM tasks WHERE task_id = $1", ids["reproduced"]),
        ("DELETE FROM tasks WHERE task_id = $1", ids["pending"]),
        ("DELETE FROM outbox WHERE task_id = $1", ids["pending"]),
        ("UPDATE outbox SET message_id = gen_random_uuid() WHERE task_id = $1", ids["requeued"]),
        (
            "INSERT INTO outbox (task_id, message_id, correlation_id, traceparent, waiting_since,"
            " turn_at) VALUES ($1, gen_random_uuid(), '', '', now(), now())",
            ids["cancelled"],
        ),
        (
            "INSERT INTO tasks SELECT $1, version, head_hash, head_recorded_at, current_status,"
            " shots, attempt, submitted_at, started_at, completed_at, error_code, error_message,"
            " correlation_id FROM tasks LIMIT 1",
            uuid7(),
        ),
    ):
        await world.forger.do(statement, task_id)
    assert len(await world.differences()) >= 8
    made = await world.rebuild(processes)
    assert made.swapped is not None
    assert made.swapped.mended == 3
    assert await world.differences() == []
    assert await world.rows() == before
    assert set(map(tuple, await world.owner.fetch(waiting))) == outbox


async def test_a_dispatched_row_of_the_outbox_keeps_its_number(world: World) -> None:
    await world.forger.do(
        "UPDATE outbox SET dispatch_number = nextval('dispatch_numbers') WHERE task_id = $1",
        world.ids["pending"],
    )
    before = await world.owner.fetch("SELECT * FROM outbox ORDER BY row_id")
    await world.rebuild()
    assert await world.owner.fetch("SELECT * FROM outbox ORDER BY row_id") == before


async def test_a_mended_row_does_not_look_claimed(world: World) -> None:
    await world.forger.do(
        "UPDATE outbox SET dispatch_number = 7, message_id = gen_random_uuid() WHERE task_id = $1",
        world.ids["requeued"],
    )
    await world.rebuild()
    assert await world.owner.fetchval("SELECT array_agg(dispatch_number) FROM withdrawn") == [7]
    assert await world.owner.fetchval("SELECT count(dispatch_number) FROM outbox") == 0


class Hammer:
    """Works on tasks and looks at them all the time.

    Attributes:
        known: how many events each task has at least.
        ended: answers of tasks to which nothing happens any more.
        wrong: answers that should not have been.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._chance = random.Random(1)
        self.known: dict[UUID, int] = {}
        self.ended: dict[UUID, TaskView] = {}
        self.wrong: list[str] = []
        self.reads = self.writes = 0
        self.finished = False

    async def write(self) -> None:
        names = list(LIVES)
        while not self.finished:
            commands = LIVES[self._chance.choice(names)]
            task_id = await live(self._world.log, ())
            self.known[task_id] = 1
            for command in commands:
                append = await following(self._world.log, task_id, command)
                await tasks.put(self._world.log, append)
                self.known[task_id] += 1
                self.writes += 1
            await self._check(task_id)
            view = await self._world.queries.view(task_id)
            if view is not None:
                self.ended[task_id] = view

    async def read(self) -> None:
        while not self.finished:
            if self.known:
                await self._check(self._chance.choice(list(self.known)))
            await asyncio.sleep(0)

    async def _check(self, task_id: UUID) -> None:
        version, ended = self.known[task_id], self.ended.get(task_id)
        view = await self._world.queries.view(task_id)
        self.reads += 1
        if view is None:
            self.wrong.append(f"{task_id} is missing")
        elif view.version < version or len(view.history) > view.version:
            self.wrong.append(f"{task_id} is at {view.version}, it was at {version} before")
        elif ended is not None and view != ended:
            self.wrong.append(f"{task_id} changed after its end: {view}")


async def test_nobody_sees_a_wrong_answer_while_the_tables_are_swapped(world: World) -> None:
    hammer = Hammer(world)
    async with asyncio.timeout(90), asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(hammer.write())
            group.create_task(hammer.read())
        await eventually(lambda: len(hammer.ended) > 5)
        for _ in range(4):
            before = hammer.reads, hammer.writes
            made = await world.rebuild()
            assert made.swapped is not None
            await eventually(lambda: hammer.reads > before[0] and hammer.writes > before[1])  # noqa: B023
        hammer.finished = True
    assert hammer.wrong == []
    assert await world.differences() == []
    for task_id, view in hammer.ended.items():
        assert await world.queries.view(task_id) == view


async def test_an_interrupted_rebuild_goes_on_where_it_was(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "EVENTS_A_PIECE", 4)
    calls = 0

    async def breaking(connection: Connection, piece: Range) -> Filled:
        nonlocal calls
        calls += 1
        filled = await fill_range(connection, piece)
        if calls == 3:
            raise StoreUnavailable("the test interrupts")
        return filled

    monkeypatch.setattr(rebuild, "fill_range", breaking)
    with pytest.raises(StoreUnavailable):
        await world.rebuild()
    assert await world.schemas() == {"ketlog_rebuild"}
    await varied_log(world.log)
    await world.forger.do("UPDATE tasks SET shots = 7")
    made = await world.rebuild()
    assert 0 < made.tasks < 2 * len(LIVES)
    assert await world.differences() == []


async def test_a_rebuild_can_begin_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def breaking(connection: Connection, piece: Range) -> Filled:
        await fill_range(connection, piece)
        raise StoreUnavailable("the test interrupts")

    with monkeypatch.context() as patch:
        patch.setattr(rebuild, "fill_range", breaking)
        with pytest.raises(StoreUnavailable):
            await world.rebuild()
    made = await world.rebuild(anew=True)
    assert made.tasks == len(LIVES)
    assert await world.differences() == []


async def test_what_another_schema_left_behind_is_not_gone_on_with(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaking(connection: Connection, piece: Range) -> Filled:
        raise StoreUnavailable("the test interrupts")

    with monkeypatch.context() as patch:
        patch.setattr(rebuild, "fill_range", breaking)
        with pytest.raises(StoreUnavailable):
            await world.rebuild()
    await world.owner.execute("ALTER TABLE ketlog_rebuild.tasks DROP COLUMN error_code")
    await world.rebuild()
    assert await world.differences() == []


async def test_a_log_that_cannot_be_folded_changes_nothing(world: World) -> None:
    before = await world.rows()
    for name in ("failed", "completed"):
        await world.forger.do(
            "UPDATE events SET type = 'TaskTeleported' WHERE task_id = $1 AND version = 2",
            world.ids[name],
        )
    with pytest.raises(BrokenLog) as caught:
        await world.rebuild()
    assert [(f.kind, f.task_id, f.version) for f in caught.value.findings] == [
        (Kind.IMPOSSIBLE, task_id, 2)
        for task_id in sorted((world.ids["failed"], world.ids["completed"]))
    ]
    assert await world.rows() == before
    assert await world.schemas() == set()


async def test_two_rebuilds_at_once_are_refused(world: World) -> None:
    await world.owner.execute("SELECT pg_advisory_lock($1)", 0x7265_6275_696C_64)
    with pytest.raises(CannotRebuild, match="another rebuild"):
        await world.rebuild()


@pytest.mark.parametrize(
    "obstacle",
    [
        "CREATE VIEW mine AS SELECT task_id FROM tasks",
        "CREATE TABLE mine (task_id uuid REFERENCES tasks)",
        "CREATE FUNCTION mine() RETURNS bigint RETURN (SELECT count(*) FROM tasks)",
    ],
)
async def test_what_holds_on_to_the_old_table_is_named(world: World, obstacle: str) -> None:
    await world.owner.execute(obstacle)
    with pytest.raises(CannotRebuild, match=r"drop them before: .*mine"):
        await world.rebuild()


async def test_a_long_reader_delays_the_swap_and_nobody_else(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    reader = world.owner.transaction()
    await reader.start()
    await world.owner.fetch("SELECT FROM tasks LIMIT 1")
    rebuilding = asyncio.create_task(world.rebuild())
    await eventually(lambda: "waiting for somebody" in capsys.readouterr().err, within=20)
    for _ in range(20):
        async with asyncio.timeout(3):
            assert await world.queries.view(world.ids["completed"]) is not None
            await live(world.log, LIVES["completed"])
    assert not rebuilding.done()
    await reader.rollback()
    async with asyncio.timeout(20):
        assert (await rebuilding).swapped is not None
    assert await world.differences() == []


def run(*arguments: str) -> int:
    """The command as a shell would run it, in a thread of its own for its event loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(main, ["rebuild", *arguments]).result(60)


async def test_the_command_says_what_it_did(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("ADMIN_DATABASE_URL", world.url)
    await world.forger.do("DELETE FROM outbox")
    assert run() == 0
    said = capsys.readouterr().out
    assert f"of {len(LIVES)} tasks" in said
    assert "4 rows of the outbox were mended" in said
    assert "OK: the projections are new; swapped in 0." in said


async def test_the_command_says_why_it_could_not(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ADMIN_DATABASE_URL", world.url)
    await world.forger.do(
        "UPDATE events SET data = '{}' WHERE task_id = $1 AND version = 1", world.ids["pending"]
    )
    assert run() == 1
    said = capsys.readouterr().out
    assert f"IMPOSSIBLE EVENT: task {world.ids['pending']}, version 1: TaskSubmitted" in said
    assert "NOT REBUILT: 1 tasks have events that cannot be" in said
    monkeypatch.setenv("ADMIN_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    assert run() == 2
    assert "are as before: PostgreSQL is away" in capsys.readouterr().err

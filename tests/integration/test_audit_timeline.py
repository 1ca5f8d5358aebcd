"""The log for people: a task's life, and the tasks as they stood at a time."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, tzinfo
from uuid import UUID

import asyncpg
import pytest

from domain.events import RequeueReason
from domain.identifiers import uuid7
from domain.log import Appended
from domain.task import GiveUp
from infrastructure.postgres.connect import Database
from infrastructure.postgres.event_log import PostgresEventLog
from service.audit import tasks as standing
from service.audit import timeline
from tests.support import tasks


@pytest.fixture
async def log(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[PostgresEventLog]:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "300")
    database = Database(database_url, size=2, application_name="test")
    yield PostgresEventLog(database)
    await database.close()


async def a_life(log: PostgresEventLog) -> tuple[UUID, list[Appended]]:
    """A task that lost its first worker and was completed by the second."""
    task = await tasks.submitted(log)
    steps = [await tasks.put(log, tasks.claim(task, "first"))]
    task = await tasks.load(log, task.task_id)
    lost = GiveUp(1, RequeueReason.WORKER_LOST, "its lease ran out")
    steps.append(await tasks.put(log, tasks.following(task, lost)))
    steps.append(await tasks.put(log, tasks.claim(await tasks.load(log, task.task_id), "second")))
    task = await tasks.load(log, task.task_id)
    steps.append(await tasks.put(log, tasks.completion(task, {"0": 1024})))
    return task.task_id, steps


async def show(*task_ids: UUID) -> int:
    return await asyncio.to_thread(timeline.main, [str(task_id) for task_id in task_ids])


async def test_a_timeline_tells_who_did_what_when(
    log: PostgresEventLog, capsys: pytest.CaptureFixture[str]
) -> None:
    task_id, _ = await a_life(log)
    assert await show(task_id) == 0
    lines = capsys.readouterr().out.splitlines()
    assert str(task_id) in lines[0]
    said = [
        "1024 shots",
        "attempt 1 on first",
        "its lease ran out",
        "attempt 2 on second",
        "seed 7",
    ]
    for line, words in zip(lines[1:6], said, strict=True):
        assert words in line
    assert "in 2 attempts" in lines[6]
    assert "0 of 5 events are sealed so far" in lines[7]


async def test_a_timeline_ticks_no_hash_from_an_altered_event_on(
    log: PostgresEventLog, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    task_id, _ = await a_life(log)
    owner = await asyncpg.connect(database_url)
    await owner.execute("ALTER TABLE events DISABLE TRIGGER events_are_final")
    await owner.execute(
        "UPDATE events SET data = replace(data::text, 'first', 'other')::json WHERE version = 2"
    )
    await owner.close()
    assert await show(task_id) == 1
    assert "from version 2 on the hashes are not right" in capsys.readouterr().out


async def test_a_timeline_of_no_task_says_so(
    log: PostgresEventLog, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await show(uuid7()) == 2
    assert "There is no task" in capsys.readouterr().err


async def test_an_unreachable_log_is_told_from_an_empty_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    assert await show(uuid7()) == 2
    assert await asyncio.to_thread(standing.main, []) == 2
    assert "cannot be read" in capsys.readouterr().err


async def test_tasks_stand_as_they_stood_then(
    log: PostgresEventLog, capsys: pytest.CaptureFixture[str]
) -> None:
    task_id, (claimed, requeued, _, completed) = await a_life(log)
    await tasks.submitted(log)
    for moment, status in [
        (claimed.recorded_at, "processing"),
        (requeued.recorded_at, "pending"),
        (completed.recorded_at, "completed"),
    ]:
        assert await asyncio.to_thread(standing.main, ["--as-of", moment.isoformat()]) == 0
        (line, summary) = capsys.readouterr().out.splitlines()
        assert line.startswith(str(task_id))
        assert f"  {status} " in line
        assert f"1 {status}" in summary
    before = claimed.recorded_at - timedelta(hours=1)
    assert await asyncio.to_thread(standing.main, ["--as-of", before.isoformat()]) == 0
    assert capsys.readouterr().out.startswith("0 tasks as of")


async def test_now_is_the_databases_wherever_the_command_runs(
    log: PostgresEventLog, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class SlowClock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "SlowClock":
            return cls.fromtimestamp(time.time() - 3_600, tz)

    monkeypatch.setattr(standing, "datetime", SlowClock)
    await tasks.submitted(log)
    assert await asyncio.to_thread(standing.main, []) == 0
    assert "1 pending" in capsys.readouterr().out


async def test_many_tasks_are_counted_and_few_shown(
    log: PostgresEventLog, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "PAGE_TASKS", 3)
    for _ in range(8):
        await tasks.submitted(log)
    await a_life(log)
    arguments = ["--limit", "2", "--status", "pending"]
    assert await asyncio.to_thread(standing.main, arguments) == 0
    *shown, summary = capsys.readouterr().out.splitlines()
    assert len(shown) == 2
    assert summary.endswith("8 pending")


async def test_a_time_without_a_zone_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        await asyncio.to_thread(standing.main, ["--as-of", "2026-01-01T00:00:00"])
    assert "--as-of" in capsys.readouterr().err

"""The checker of logs notices what is wrong with one."""

from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest

from domain.events import RequeueReason
from domain.identifiers import uuid7
from domain.task import GiveUp
from infrastructure.postgres.connect import Database
from infrastructure.postgres.event_log import PostgresEventLog
from tests.support import tasks
from tests.support.invariants import look


@pytest.fixture
async def log(database_url: str) -> AsyncIterator[PostgresEventLog]:
    database = Database(database_url, size=2, application_name="test")
    yield PostgresEventLog(database)
    await database.close()


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def completed(log: PostgresEventLog) -> str:
    task = await tasks.processing(log)
    await tasks.put(log, tasks.completion(task, {"0": 1024}))
    return str(task.task_id)


async def test_nothing_is_wrong_with_a_task_that_ended(
    log: PostgresEventLog, owner: asyncpg.Connection
) -> None:
    task_id = await completed(log)
    findings = await look(owner, [task_id])
    assert findings.wrong == []
    assert set(findings.tasks) == {task_id}


async def test_accepted_tasks_without_an_end_are_lost(
    log: PostgresEventLog, owner: asyncpg.Connection
) -> None:
    waiting = str((await tasks.submitted(log)).task_id)
    missing = str(uuid7())
    findings = await look(owner, [waiting, missing])
    assert sorted(findings.lost) == sorted([waiting, missing])
    assert any("left in outbox" in wrong for wrong in findings.wrong)


async def test_a_task_that_nobody_was_promised_shows(
    log: PostgresEventLog, owner: asyncpg.Connection
) -> None:
    task_id = await completed(log)
    findings = await look(owner, [])
    assert findings.wrong == [f"1 tasks exist that nobody was promised: {task_id}"]
    assert (await look(owner, [], possible=[task_id])).wrong == []


async def test_a_second_end_shows(log: PostgresEventLog, owner: asyncpg.Connection) -> None:
    task_id = await completed(log)
    await owner.execute(
        "INSERT INTO events (event_id, task_id, version, type, schema_version, data, metadata,"
        " recorded_at, hash) SELECT gen_random_uuid(), task_id, version + 1, type, schema_version,"
        " data, metadata, recorded_at, hash FROM events WHERE task_id = $1 AND version = 3",
        task_id,
    )
    findings = await look(owner, [task_id])
    assert findings.doubled == [task_id]
    assert any("broken hash chain" in wrong for wrong in findings.wrong)


async def test_the_outcome_of_an_attempt_that_was_over_shows(
    log: PostgresEventLog, owner: asyncpg.Connection
) -> None:
    task = await tasks.processing(log)
    lost = GiveUp(1, RequeueReason.WORKER_LOST, "its lease ran out")
    await tasks.put(log, tasks.following(task, lost))
    await tasks.put(log, tasks.claim(await tasks.load(log, task.task_id), "another-worker"))
    again = await tasks.load(log, task.task_id)
    late = replace(tasks.completion(task, {"0": 1024}), expected_version=again.version)
    await tasks.put(log, late)
    findings = await look(owner, [str(task.task_id)])
    assert findings.wrong == [
        f"1 tasks have the outcome of an attempt that was over: {task.task_id}"
    ]


async def test_a_status_that_the_events_do_not_give_shows(
    log: PostgresEventLog, owner: asyncpg.Connection
) -> None:
    task_id = await completed(log)
    await owner.execute("UPDATE tasks SET current_status = 'failed' WHERE task_id = $1", task_id)
    findings = await look(owner, [task_id])
    assert any("not in the projection" in wrong for wrong in findings.wrong)

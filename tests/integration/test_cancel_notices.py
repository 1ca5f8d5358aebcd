"""Notices of cancellations from one process to another, over PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest

from domain.identifiers import uuid7
from infrastructure.postgres.notifications import CancelNotices, CancelNotifier, worker_channel
from tests.support.waiting import eventually


class Heard:
    """What a worker hears."""

    def __init__(self) -> None:
        self.tasks: list[UUID] = []
        self.connections = 0

    def connected(self) -> None:
        self.connections += 1


@pytest.fixture
async def heard(database_url: str) -> AsyncIterator[Heard]:
    """The worker `w 1/é` listens."""
    heard = Heard()
    notices = CancelNotices(database_url, "w 1/é", "test listener")
    listening = asyncio.create_task(notices.run(heard.tasks.append, heard.connected))
    await eventually(lambda: heard.connections == 1)
    yield heard
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


@pytest.fixture
async def notifier(database_url: str) -> AsyncIterator[CancelNotifier]:
    notifier = CancelNotifier(database_url)
    yield notifier
    await notifier.close()


async def test_the_worker_that_holds_the_task_hears_of_it(
    heard: Heard, notifier: CancelNotifier
) -> None:
    mine, others = uuid7(), uuid7()
    notifier.tell("another", others)
    notifier.tell("w 1/é", mine)
    await eventually(lambda: heard.tasks == [mine])


async def test_many_at_once_are_all_heard_once(heard: Heard, notifier: CancelNotifier) -> None:
    cancelled = [uuid7() for _ in range(500)]
    for task_id in cancelled * 2:
        notifier.tell("w 1/é", task_id)
    await eventually(lambda: len(heard.tasks) == 500)
    assert heard.tasks == cancelled


async def test_what_is_no_task_id_is_passed_over(
    heard: Heard, notifier: CancelNotifier, database_url: str
) -> None:
    task_id = uuid7()
    connection = await asyncpg.connect(database_url)
    channel = worker_channel("w 1/é")
    await connection.execute("SELECT pg_notify($1, $2)", channel, f"nonsense {task_id}")
    await eventually(lambda: heard.tasks == [task_id])
    await connection.close()


async def test_a_listener_that_was_cut_off_says_so_and_hears_again(
    heard: Heard, notifier: CancelNotifier, database_url: str
) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'test listener'"
    )
    await eventually(lambda: heard.connections == 2)
    task_id = uuid7()
    notifier.tell("w 1/é", task_id)
    await eventually(lambda: heard.tasks == [task_id])
    await connection.close()


async def test_telling_never_fails_without_a_database() -> None:
    notifier = CancelNotifier("postgresql://nobody:nothing@127.0.0.1:1/nowhere")
    for _ in range(10):
        notifier.tell("w1", uuid7())
        await asyncio.sleep(0)
    await notifier.close()

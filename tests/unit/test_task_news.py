"""When tasks that somebody waits for are looked at."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import Literal
from uuid import UUID

import pytest

from domain.identifiers import uuid7
from domain.log import LoggedEvent
from infrastructure.memory import MemoryStore
from infrastructure.memory.live import MemoryLive
from service.api.live import news as module
from service.api.live.news import FEW_TASKS, TaskNews, Waiting
from service.api.live.pace import LONGEST_SECONDS, rest
from tests.support import tasks
from tests.support.waiting import eventually


class Asked(MemoryLive):
    """Live queries that keep what they are asked for."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.asked: list[set[UUID]] = []

    async def news(self, known: Mapping[UUID, int], limit: int) -> Sequence[LoggedEvent]:
        self.asked.append(set(known))
        return await super().news(known, limit)


@pytest.mark.parametrize(
    ("waited", "pause"), [(0.0, 0.002), (0.016, 0.002), (0.08, 0.01), (0.152, 0.019)]
)
def test_the_longer_nothing_happens_the_less_often_a_task_is_looked_at(
    waited: float, pause: float
) -> None:
    reader = Waiting(uuid7(), 1, lambda _event: None, since=100.0)
    reader.put_off(100.0 + waited, longest_seconds=0.02)
    assert reader.due == pytest.approx(100.0 + waited + pause)


def test_those_who_have_waited_for_long_are_due_together() -> None:
    readers = [Waiting(uuid7(), 1, lambda _event: None, since=0.0) for _ in range(3)]
    for reader, now in zip(readers, (100.001, 100.0105, 100.0199), strict=True):
        reader.put_off(now, longest_seconds=0.02)
    assert [reader.due for reader in readers] == [pytest.approx(100.02)] * 3


async def test_a_look_asks_for_what_is_due_alone() -> None:
    store = MemoryStore()
    queries = Asked(store)
    news = TaskNews(queries)
    later, now = await tasks.submitted(store), await tasks.submitted(store)
    heard: list[LoggedEvent] = []
    patient = news.join(later.task_id, 1, heard.append)
    patient.due = math.inf
    eager = news.join(now.task_id, 1, heard.append)
    await eventually(lambda: len(queries.asked) > 3)
    assert set.union(*queries.asked) == {now.task_id}
    news.leave(eager)
    patient.due = 0.0
    await tasks.put(store, tasks.claim(later))
    await eventually(lambda: [event.stored.task_id for event in heard] == [later.task_id])
    news.leave(patient)
    await eventually(lambda: not news.looking)


class Awaited(asyncio.Event):
    """An event that tells whether somebody has begun to wait for it."""

    awaited = False

    async def wait(self) -> Literal[True]:
        self.awaited = True
        return await super().wait()


async def test_who_joins_does_not_wait_for_the_others_to_be_due(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = MemoryStore()
    queries = Asked(store)
    news = TaskNews(queries, look_seconds=3600.0)
    joined = Awaited()
    monkeypatch.setattr(news, "_joined", joined)
    patient = news.join((await tasks.submitted(store)).task_id, 1, lambda _event: None)
    patient.since -= 1e9
    await eventually(lambda: joined.awaited)
    task = await tasks.submitted(store)
    heard: list[LoggedEvent] = []
    eager = news.join(task.task_id, 1, heard.append)
    await tasks.put(store, tasks.claim(task))
    await eventually(lambda: len(heard) == 1)
    assert set[UUID]().union(*queries.asked[1:]) == {task.task_id}
    news.leave(patient)
    news.leave(eager)


@pytest.mark.parametrize(("count", "rests"), [(FEW_TASKS, False), (FEW_TASKS + 1, True)])
async def test_looks_for_many_tasks_leave_the_database_time(
    count: int, rests: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rested: list[float] = []

    def remembered(least: float, took: float) -> float:
        rested.append(took)
        return least

    monkeypatch.setattr(module, "rest", remembered)
    store = MemoryStore()
    queries = Asked(store)
    news = TaskNews(queries)
    ids = [(await tasks.submitted(store)).task_id for _ in range(count)]
    readers = [news.join(task_id, 1, lambda _event: None) for task_id in ids]
    await eventually(lambda: len(queries.asked) > 1)
    assert bool(rested) is rests
    for reader in readers:
        news.leave(reader)


async def test_news_make_more_news_likely() -> None:
    store = MemoryStore()
    news = TaskNews(MemoryLive(store))
    task = await tasks.submitted(store)
    reader = news.join(task.task_id, 1, lambda _event: None)
    reader.since -= 100.0
    long_ago = reader.since
    await tasks.put(store, tasks.claim(task))
    await eventually(lambda: reader.version > 1)
    assert reader.since > long_ago + 50
    news.leave(reader)


def test_long_looks_make_long_rests() -> None:
    assert rest(0.002, 0.0001) == 0.002
    assert rest(0.002, 0.004) == pytest.approx(0.036)
    assert rest(0.002, 5.0) == LONGEST_SECONDS

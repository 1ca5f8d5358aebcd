"""When tasks that somebody waits for are looked at."""

import math
from collections.abc import Mapping, Sequence
from uuid import UUID

import pytest

from domain.identifiers import uuid7
from domain.log import LoggedEvent
from infrastructure.memory import MemoryStore
from infrastructure.memory.live import MemoryLive
from service.api.live.news import TaskNews, Waiting
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
    ("waited", "pause"), [(0.0, 0.002), (0.016, 0.002), (0.08, 0.01), (0.16, 0.02), (3600, 0.02)]
)
def test_the_longer_nothing_happens_the_less_often_a_task_is_looked_at(
    waited: float, pause: float
) -> None:
    reader = Waiting(uuid7(), 1, lambda _event: None, since=100.0)
    reader.put_off(100.0 + waited, longest_seconds=0.02)
    assert reader.due == pytest.approx(100.0 + waited + pause)


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
    patient.due = 0.0
    news.leave(eager)
    # Who joins wakes the reader that would else sleep until somebody is due.
    eager = news.join(now.task_id, 1, heard.append)
    await tasks.put(store, tasks.claim(later))
    await eventually(lambda: [event.stored.task_id for event in heard] == [later.task_id])
    news.leave(patient)
    news.leave(eager)
    await eventually(lambda: not news.looking)


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

"""How long a task of a lower priority may have to wait for higher ones that come after it."""

from datetime import UTC, datetime, timedelta
from itertools import combinations
from uuid import UUID

import pytest

from domain.labels import Labels, Priority
from infrastructure.memory.store import MemoryStore
from tests.support import tasks

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)


async def submitted(store: MemoryStore, priority: Priority, at: datetime) -> UUID:
    store.clock = lambda: at
    append = tasks.submission(labels=Labels(priority=priority))
    return (await tasks.put(store, append)).task_id


@pytest.mark.parametrize(("lower", "higher"), list(combinations(Priority, 2)))
async def test_it_is_passed_by_those_that_come_within_a_day_a_level(
    lower: Priority, higher: Priority
) -> None:
    levels = list(Priority).index(higher) - list(Priority).index(lower)
    store = MemoryStore()
    waiting = await submitted(store, lower, NOON)
    passing = await submitted(store, higher, NOON + levels * DAY - MOMENT)
    late = await submitted(store, higher, NOON + levels * DAY + MOMENT)
    assert [row.task_id for row in await store.choose(10)] == [passing, waiting, late]

"""Submissions end where as many tasks wait as may."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from domain.errors import StoreUnavailable
from service.api import backlog as module
from service.api.backlog import Backlog
from service.api.problems import Problem
from tests.support.api import InProcessApi, in_process_api, problem
from tests.support.waiting import eventually

LIMIT = 10


class Tasks:
    """As many pending tasks as a test says."""

    def __init__(self, pending: int = 0) -> None:
        self.count = pending
        self.asked = 0
        self.away = False
        self.during: Backlog | None = None

    async def pending(self, most: int) -> int:
        self.asked += 1
        if self.away:
            raise StoreUnavailable("the test has taken it away")
        seen = min(self.count, most)
        if self.during is not None:
            self.during.stored()
        return seen


def full(backlog: Backlog) -> bool:
    try:
        backlog.check()
    except Problem:
        return True
    return False


async def test_what_is_stored_between_two_counts_is_added() -> None:
    backlog = Backlog(Tasks(LIMIT - 2), LIMIT)
    await backlog.count()
    for expected in (False, False, True):
        assert full(backlog) is expected
        backlog.stored()


async def test_nothing_is_refused_before_the_first_count() -> None:
    backlog = Backlog(Tasks(LIMIT), LIMIT)
    for _ in range(2 * LIMIT):
        backlog.stored()
        backlog.check()


async def test_a_count_forgets_what_was_stored_before_it_and_nothing_else() -> None:
    tasks = Tasks(LIMIT - 1)
    backlog = Backlog(tasks, LIMIT)
    await backlog.count()
    backlog.stored()
    tasks.count = LIMIT - 2
    tasks.during = backlog
    await backlog.count()
    assert not full(backlog)
    backlog.stored()
    assert full(backlog)


async def test_a_refusal_says_when_to_come_back() -> None:
    backlog = Backlog(Tasks(LIMIT), LIMIT)
    await backlog.count()
    with pytest.raises(Problem) as refused:
        backlog.check()
    assert (refused.value.status, refused.value.kind) == (503, "backlog-full")
    assert refused.value.headers == {"retry-after": "1"}


async def test_a_count_that_takes_long_is_made_less_often() -> None:
    times = iter([100.0, 100.19])
    backlog = Backlog(Tasks(LIMIT), LIMIT, clock=lambda: next(times))
    await backlog.count()
    with pytest.raises(Problem) as refused:
        backlog.check()
    assert refused.value.headers == {"retry-after": "4"}


async def test_both_ends_of_a_full_backlog_are_logged_once() -> None:
    tasks = Tasks(LIMIT)
    backlog = Backlog(tasks, LIMIT)
    with capture_logs() as logs:
        for pending in (LIMIT, LIMIT, 0, 0):
            tasks.count = pending
            await backlog.count()
            full(backlog)
            full(backlog)
    assert [line["log_level"] for line in logs] == ["warning", "info"]


async def test_it_counts_in_the_background_and_survives_an_absent_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "SHORTEST_INTERVAL_SECONDS", 0.001)
    tasks = Tasks(LIMIT)
    tasks.away = True
    backlog = Backlog(tasks, LIMIT)
    backlog._interval = 0.001
    await backlog.start()
    await eventually(lambda: tasks.asked > 2)
    assert not full(backlog)
    tasks.away = False
    await eventually(lambda: full(backlog))
    tasks.count = 0
    await eventually(lambda: not full(backlog))
    await backlog.close()


@pytest.fixture
async def api() -> AsyncIterator[InProcessApi]:
    backlog = Backlog(Tasks(LIMIT - 1), LIMIT)
    await backlog.count()
    async with in_process_api(backlog=backlog) as made:
        yield made


async def test_submissions_are_answered_503_at_the_limit(api: InProcessApi) -> None:
    await api.accepted({"circuit": "x"})
    answer = await api.submit({"circuit": "x"})
    document = problem(answer, 503)
    assert document["type"].endswith(":backlog-full")
    assert answer.headers["retry-after"] == "1"
    assert len(api.store.streams) == 1


async def test_a_repeated_submission_takes_no_room(api: InProcessApi) -> None:
    headers = {"Idempotency-Key": "one"}
    answers = await asyncio.gather(*(api.submit({"circuit": "x"}, **headers) for _ in range(3)))
    assert {answer.status_code for answer in answers} == {202}
    assert (await api.submit({"circuit": "y"})).status_code == 503


async def test_looking_at_tasks_goes_on(api: InProcessApi) -> None:
    task = await api.accepted({"circuit": "x"})
    assert (await api.http.get(f"/tasks/{task['task_id']}")).status_code == 200

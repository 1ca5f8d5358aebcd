"""One tenant may only have so many tasks that wait."""

from collections.abc import Mapping

import pytest

from domain.errors import StoreUnavailable
from domain.keys import Scope, TenantLimits
from service.api.caller import Caller
from service.api.problems import Problem
from service.api.tenant_backlogs import IDLE_SECONDS, TenantBacklogs

LIMIT = 5


class Tasks:
    """As many pending tasks as a test says."""

    def __init__(self) -> None:
        self.pending: dict[str, int] = {}
        self.asked: list[Mapping[str, int]] = []
        self.away = False

    async def pending_of(self, most: Mapping[str, int]) -> Mapping[str, int]:
        self.asked.append(most)
        if self.away:
            raise StoreUnavailable("the test has taken it away")
        return {
            tenant: min(self.pending[tenant], limit)
            for tenant, limit in most.items()
            if tenant in self.pending
        }


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def tasks() -> Tasks:
    return Tasks()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def backlogs(tasks: Tasks, clock: Clock) -> TenantBacklogs:
    return TenantBacklogs(tasks, LIMIT, clock)


def tenant(name: str, backlog: int | None = None) -> Caller:
    return Caller(name, "key:x", frozenset(Scope), TenantLimits(backlog=backlog))


def submit(backlogs: TenantBacklogs, caller: Caller, tasks: int = 1) -> bool:
    """Store tasks if they may wait; tells whether they may."""
    try:
        backlogs.check(caller, tasks)
    except Problem:
        return False
    backlogs.stored(caller.tenant, tasks)
    return True


def test_a_tenant_gets_as_far_as_its_limit_and_no_other_is_touched(
    backlogs: TenantBacklogs,
) -> None:
    physics, chemistry = tenant("physics"), tenant("chemistry")
    assert [submit(backlogs, physics) for _ in range(7)] == [True] * LIMIT + [False] * 2
    assert submit(backlogs, chemistry)


async def test_what_waits_already_counts_and_what_is_claimed_makes_room(
    backlogs: TenantBacklogs, tasks: Tasks
) -> None:
    physics = tenant("physics")
    tasks.pending["physics"] = 3
    assert submit(backlogs, physics)
    tasks.pending["physics"] = 4
    await backlogs.count()
    assert [submit(backlogs, physics) for _ in range(2)] == [True, False]
    tasks.pending["physics"] = 2
    await backlogs.count()
    assert [submit(backlogs, physics) for _ in range(4)] == [True, True, True, False]


def test_several_tasks_at_once_all_have_to_fit(backlogs: TenantBacklogs) -> None:
    physics = tenant("physics")
    assert submit(backlogs, physics, 3)
    assert not submit(backlogs, physics, 3)
    assert submit(backlogs, physics, 2)


def test_a_tenant_may_have_a_limit_of_its_own(backlogs: TenantBacklogs) -> None:
    small, free = tenant("small", 1), tenant("free", 0)
    assert [submit(backlogs, small) for _ in range(2)] == [True, False]
    assert all(submit(backlogs, free) for _ in range(3 * LIMIT))


def test_a_limit_that_is_changed_holds_at_once(backlogs: TenantBacklogs) -> None:
    assert submit(backlogs, tenant("physics"), LIMIT)
    assert not submit(backlogs, tenant("physics"))
    assert submit(backlogs, tenant("physics", LIMIT + 1))


def test_without_a_limit_nothing_is_kept() -> None:
    tasks = Tasks()
    backlogs = TenantBacklogs(tasks, 0)
    assert all(submit(backlogs, tenant("physics")) for _ in range(3))
    assert backlogs._known == {}


def test_the_answer_says_what_to_do(backlogs: TenantBacklogs) -> None:
    physics = tenant("physics")
    assert submit(backlogs, physics, LIMIT)
    with pytest.raises(Problem) as refused:
        backlogs.check(physics)
    problem = refused.value
    assert (problem.status, problem.kind) == (429, "tenant-backlog-full")
    assert problem.headers == {"retry-after": "1"}
    assert "may have 5 tasks" in problem.detail


def test_more_at_once_than_may_ever_wait_are_told_so(backlogs: TenantBacklogs) -> None:
    with pytest.raises(Problem) as refused:
        backlogs.check(tenant("physics"), LIMIT + 1)
    assert refused.value.status == 422
    assert "at most 5 of your tenant may wait" in refused.value.errors[0].message
    assert submit(backlogs, tenant("physics"), LIMIT)


async def test_only_who_has_submitted_lately_is_counted(
    backlogs: TenantBacklogs, tasks: Tasks, clock: Clock
) -> None:
    await backlogs.count()
    assert tasks.asked == []
    submit(backlogs, tenant("physics"))
    clock.now += IDLE_SECONDS / 2
    submit(backlogs, tenant("chemistry", 7))
    await backlogs.count()
    clock.now += IDLE_SECONDS / 2
    await backlogs.count()
    assert tasks.asked == [{"physics": LIMIT, "chemistry": 7}, {"chemistry": 7}]


async def test_a_count_that_fails_changes_nothing(backlogs: TenantBacklogs, tasks: Tasks) -> None:
    physics = tenant("physics")
    assert submit(backlogs, physics, LIMIT)
    tasks.away = True
    with pytest.raises(StoreUnavailable):
        await backlogs.count()
    assert not submit(backlogs, physics)

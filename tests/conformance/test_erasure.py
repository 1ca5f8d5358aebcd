"""What every store promises of an erasure: the contents go, everything else stays."""

import asyncio
from collections.abc import Sequence

import pytest

from domain.codec import recorded
from domain.execution import RunFailed
from domain.log import Appended, Conflict
from domain.payloads import PayloadKind
from domain.task import Cancel, Claim, Command, Erase, Fail
from domain.view import view_of
from tests.support import tasks
from tests.support.stores import Store
from tests.support.varied_log import COMPLETE, live

ENDS: dict[str, tuple[Sequence[Command], list[str]]] = {
    "completed": ((Claim("a-worker"), COMPLETE), ["circuit", "result"]),
    "failed": ((Claim("a-worker"), Fail(1, RunFailed("parse_error", "bad"))), ["circuit"]),
    "cancelled": ((Cancel("no longer needed"),), ["circuit"]),
}


@pytest.mark.parametrize("end", ENDS)
async def test_contents_go_and_the_rest_stays(store: Store, end: str) -> None:
    commands, contents = ENDS[end]
    task_id = await live(store.log, commands)
    neighbour = await live(store.log, commands)
    before = await store.queries.view(task_id)
    stream = await store.log.stream(task_id)
    await tasks.erased(store.log, task_id)
    after = await store.queries.view(task_id)
    assert before is not None
    assert after is not None
    assert (after.status, after.error_code) == (before.status, before.error_code)
    assert (after.cancel_reason, after.execution) == (before.cancel_reason, before.execution)
    assert (after.history, after.completed_at) == (before.history, before.completed_at)
    assert (after.version, after.result) == (before.version + 1, None)
    assert (before.erased, before.erased_at) == ([], None)
    assert list(after.erased) == contents
    now = await store.log.stream(task_id)
    assert now[:-1] == stream
    assert after.erased_at == now[-1].recorded_at
    assert after == view_of([recorded(each) for each in now], {})
    histories = await store.log.histories([task_id, neighbour])
    assert histories[task_id].payloads == {}
    assert list(histories[neighbour].payloads) == ["circuit"]
    assert await store.queries.view(neighbour) is not None


async def test_of_two_erasures_at_once_one_is_recorded(store: Store) -> None:
    task_id = await live(store.log, ENDS["completed"][0])
    task = await tasks.load(store.log, task_id)
    command = Erase((PayloadKind.CIRCUIT, PayloadKind.RESULT))
    results = await asyncio.gather(
        *(store.log.append([tasks.following(task, command)]) for _ in range(2))
    )
    assert {type(result) for (result,) in results} == {Appended, Conflict}
    assert (await tasks.load(store.log, task_id)).erased

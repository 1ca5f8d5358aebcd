"""What every outbox promises about dispatched tasks that nobody claims any more."""

import asyncio

import pytest

from domain.log import Append, Appended
from domain.status import Status
from domain.task import Cancel, Requeue, Task
from tests.support import tasks
from tests.support.stores import Store


async def dispatch(store: Store, count: int) -> list[Task]:
    """Submit tasks and have their messages confirmed, in order."""
    made = [await tasks.submitted(store.log) for _ in range(count)]
    await store.outbox.record_dispatched(await store.outbox.choose(count))
    return made


async def withdrawn(store: Store) -> list[int]:
    return list((await store.outbox.dispatched()).withdrawn)


async def test_only_numbers_that_were_not_claimed_count_as_withdrawn(store: Store) -> None:
    pending = await dispatch(store, 5)
    await tasks.put(store.log, tasks.claim(pending[1]))
    await tasks.put(store.log, tasks.following(pending[2], Cancel("no longer needed")))
    claimed = await tasks.load(store.log, pending[1].task_id)
    await tasks.put(store.log, tasks.following(claimed, Cancel("no longer needed")))
    dispatched = await store.outbox.dispatched()
    assert (dispatched.numbers, list(dispatched.withdrawn)) == ([1, 4, 5], [3])
    assert await withdrawn(store) == [3], "to look at them takes nothing away"
    await store.outbox.forget([4])
    assert await withdrawn(store) == [3, 4]


async def test_a_cancelled_task_that_was_not_dispatched_withdraws_no_number(store: Store) -> None:
    task = await tasks.submitted(store.log)
    await tasks.put(store.log, tasks.following(task, Cancel("no longer needed")))
    assert await store.outbox.choose(10) == []
    assert await withdrawn(store) == []


async def test_withdrawn_numbers_are_dropped_when_nothing_before_them_is_dispatched(
    store: Store,
) -> None:
    first, *others = await dispatch(store, 4)
    for task in others[:2]:
        await tasks.put(store.log, tasks.following(task, Cancel("no longer needed")))
    assert await withdrawn(store) == [2, 3]
    await tasks.put(store.log, tasks.claim(first))
    await store.outbox.dispatched()
    assert await withdrawn(store) == []
    assert (await store.outbox.dispatched()).numbers == [4]


async def test_a_pending_task_that_is_requeued_waits_with_another_message(store: Store) -> None:
    first, second = await dispatch(store, 2)
    requeued = await tasks.put(store.log, tasks.following(second, Requeue("it was rejected")))
    dispatched = await store.outbox.dispatched()
    assert (dispatched.numbers, list(dispatched.withdrawn)) == ([1], [2])
    (row,) = await store.outbox.choose(10)
    assert (row.task_id, row.message_id) == (second.task_id, requeued.event_id)
    view = await store.queries.view(second.task_id)
    assert view is not None
    assert (view.status, view.attempt, view.version) == (Status.PENDING, 0, 2)
    assert [entry.notes for entry in view.history] == [
        "Task created",
        "Task requeued: dead_lettered",
    ]
    assert await store.outbox.record_dispatched([row]) == 1
    await tasks.put(store.log, tasks.claim(await tasks.load(store.log, second.task_id)))
    assert (await store.outbox.dispatched()).numbers == [1]
    await tasks.put(store.log, tasks.claim(first))


async def test_a_confirm_of_the_old_message_does_not_count_for_the_new_one(store: Store) -> None:
    task = await tasks.submitted(store.log)
    (row,) = await store.outbox.choose(1)
    await tasks.put(store.log, tasks.following(task, Requeue("it was rejected")))
    assert await store.outbox.record_dispatched([row]) == 0
    (again,) = await store.outbox.choose(1)
    assert again.row_id > row.row_id


async def test_a_batch_may_requeue_and_cancel_and_claim_beside_each_other(store: Store) -> None:
    pending = await dispatch(store, 4)
    results = await store.log.append(
        [
            tasks.following(pending[3], Requeue("it was rejected")),
            tasks.claim(pending[1]),
            tasks.following(pending[2], Cancel("no longer needed")),
            tasks.submission(),
        ]
    )
    assert all(isinstance(result, Appended) for result in results)
    dispatched = await store.outbox.dispatched()
    assert (dispatched.numbers, list(dispatched.withdrawn)) == ([1], [3, 4])
    assert len(await store.outbox.choose(10)) == 2


@pytest.mark.parametrize("first", ["cancel", "claim"])
async def test_of_a_cancellation_and_a_claim_one_wins(store: Store, first: str) -> None:
    (task,) = await dispatch(store, 1)
    racers = [tasks.following(task, Cancel("enough")), tasks.claim(task)]
    await one_wins(store, racers if first == "cancel" else racers[::-1])
    view = await store.queries.view(task.task_id)
    assert view is not None
    held = await store.leases.renew("a-worker", [task.task_id], 60)
    dispatched = await store.outbox.dispatched()
    assert dispatched.numbers == []
    assert (view.status is Status.PROCESSING) == bool(held)
    assert (view.status is Status.CANCELLED) == (list(dispatched.withdrawn) == [1])


@pytest.mark.parametrize("first", ["cancel", "complete"])
async def test_of_a_cancellation_and_a_result_one_wins(store: Store, first: str) -> None:
    task = await tasks.processing(store.log)
    racers = [tasks.following(task, Cancel("enough")), tasks.completion(task, {"0": 1024})]
    await one_wins(store, racers if first == "cancel" else racers[::-1])
    view = await store.queries.view(task.task_id)
    assert view is not None
    assert (view.status is Status.COMPLETED) == (view.result is not None)
    assert await store.leases.renew("a-worker", [task.task_id], 60) == set()


async def one_wins(store: Store, racers: list[Append]) -> None:
    results = [
        result for (result,) in await asyncio.gather(*(store.log.append([r]) for r in racers))
    ]
    assert sorted(type(result).__name__ for result in results) == ["Appended", "Conflict"]
    version = racers[0].expected_version + 1
    assert len(await store.log.stream(racers[0].task_id)) == version

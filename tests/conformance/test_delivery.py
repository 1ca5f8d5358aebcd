"""What every outbox and every keeper of leases promises."""

from datetime import UTC, datetime, timedelta

from domain.events import RequeueReason
from domain.identifiers import uuid7
from domain.labels import Labels
from domain.task import GiveUp
from tests.support import tasks
from tests.support.stores import Store


async def test_the_oldest_waiting_rows_are_chosen_first(store: Store) -> None:
    appended = [await tasks.put(store.log, tasks.submission()) for _ in range(5)]
    rows = await store.outbox.choose(3)
    assert [row.task_id for row in rows] == [result.task_id for result in appended[:3]]
    assert [row.message_id for row in rows] == [result.event_id for result in appended[:3]]
    assert rows[0].correlation_id == "a-correlation-id"


async def test_dispatched_rows_take_room_in_the_window_until_they_are_claimed(
    store: Store,
) -> None:
    for _ in range(6):
        await tasks.submitted(store.log)
    rows = await store.outbox.choose(4)
    assert await store.outbox.record_dispatched(rows) == 4
    assert await store.outbox.choose(4) == []
    claimed = await tasks.load(store.log, rows[1].task_id)
    await tasks.put(store.log, tasks.claim(claimed))
    (next_row,) = await store.outbox.choose(4)
    assert next_row.row_id > rows[-1].row_id
    dispatched = await store.outbox.dispatched()
    assert len(dispatched.numbers) == 3
    assert dispatched.last_number == 4


async def test_recording_a_row_that_was_claimed_meanwhile_changes_nothing(store: Store) -> None:
    task = await tasks.submitted(store.log)
    (row,) = await store.outbox.choose(10)
    await tasks.put(store.log, tasks.claim(task))
    assert await store.outbox.record_dispatched([row]) == 0
    assert (await store.outbox.dispatched()).numbers == []


async def test_a_window_that_is_overfull_chooses_nothing(store: Store) -> None:
    for _ in range(3):
        await tasks.submitted(store.log)
    await store.outbox.record_dispatched(await store.outbox.choose(3))
    await tasks.submitted(store.log)
    assert await store.outbox.choose(2) == []


async def test_forgotten_rows_wait_again_and_get_new_numbers(store: Store) -> None:
    for _ in range(3):
        await tasks.submitted(store.log)
    rows = await store.outbox.choose(3)
    await store.outbox.record_dispatched(rows)
    first, *others = (await store.outbox.dispatched()).numbers
    assert await store.outbox.forget([first]) == 1
    assert (await store.outbox.dispatched()).numbers == others
    assert len(await store.outbox.choose(3)) == 1
    assert await store.outbox.forget(None) == 2
    await store.outbox.record_dispatched(await store.outbox.choose(3))
    assert min((await store.outbox.dispatched()).numbers) > max(others)


async def test_a_requeued_task_waits_as_a_new_row(store: Store) -> None:
    task = await tasks.submitted(store.log)
    (first,) = await store.outbox.choose(1)
    await tasks.put(store.log, tasks.claim(task))
    task = await tasks.load(store.log, task.task_id)
    lost = GiveUp(1, RequeueReason.SIMULATOR_DIED, "killed")
    requeued = await tasks.put(store.log, tasks.following(task, lost))
    (again,) = await store.outbox.choose(1)
    assert again.row_id > first.row_id
    assert again.message_id == requeued.event_id


async def test_only_the_holder_renews_a_lease(store: Store) -> None:
    task = await tasks.processing(store.log, "a-worker")
    ids = [task.task_id, uuid7()]
    assert await store.leases.renew("another-worker", ids, 60) == set()
    assert await store.leases.renew("a-worker", ids, 60) == {task.task_id}


async def test_a_lease_that_is_not_renewed_expires(store: Store) -> None:
    task = await tasks.processing(store.log, "a-worker", lease=-1.0)
    other = await tasks.processing(store.log, "a-worker", lease=60.0)
    (expired,) = await store.leases.expired(10)
    assert (expired.task_id, expired.attempt, expired.worker_id) == (task.task_id, 1, "a-worker")
    await store.leases.renew("a-worker", [task.task_id], 60)
    assert await store.leases.expired(10) == []
    assert await store.leases.renew("a-worker", [other.task_id], -1) == {other.task_id}
    assert [lease.task_id for lease in await store.leases.expired(10)] == [other.task_id]


async def test_the_longest_expired_leases_come_first(store: Store) -> None:
    lately = await tasks.processing(store.log, lease=-1.0)
    long_ago = await tasks.processing(store.log, lease=-9.0)
    assert [lease.task_id for lease in await store.leases.expired(10)] == [
        long_ago.task_id,
        lately.task_id,
    ]
    assert len(await store.leases.expired(1)) == 1


async def test_a_task_is_not_chosen_before_its_time(store: Store) -> None:
    now = datetime.now(UTC)
    early, late = (Labels(not_before=now + timedelta(hours=hours)) for hours in (-1, 1))
    await tasks.put(store.log, tasks.submission(labels=late))
    due = await tasks.put(store.log, tasks.submission(labels=early))
    (row,) = await store.outbox.choose(10)
    assert row.task_id == due.task_id

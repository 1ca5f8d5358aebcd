"""What every store says about places in the line."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from domain.labels import NO_LABELS, Labels, Priority
from domain.status import Status
from domain.task import Cancel
from domain.waiting import QueuePlace, WaitReason
from tests.support import tasks
from tests.support.stores import Store


async def submitted(store: Store, tenant: str = "", labels: Labels = NO_LABELS) -> QueuePlace:
    """Let a task wait; returns its place."""
    append = tasks.submission(tenant=tenant, labels=labels)
    await tasks.put(store.log, append)
    return await look(store, append.task_id)


async def look(store: Store, task_id: UUID) -> QueuePlace:
    place = await store.queue.place(task_id)
    assert place is not None
    return place


async def test_a_line_is_in_the_order_of_turns(store: Store) -> None:
    first = await submitted(store)
    second = await submitted(store)
    urgent = await submitted(store, labels=Labels(priority=Priority.HIGH))
    assert (first.position, second.position, urgent.position) == (1, 2, 1)
    assert (await look(store, first.task_id)).position == 2
    assert (await look(store, second.task_id)).position == 3
    assert second.reason is WaitReason.TURN
    assert second.estimated_start is None


async def test_a_line_is_one_tenants(store: Store) -> None:
    for _ in range(3):
        await submitted(store, "large")
    place = await submitted(store, "small")
    assert (place.position, place.lines) == (1, 2)


async def test_what_is_sent_goes_first(store: Store) -> None:
    first = await submitted(store, "a")
    await submitted(store, "b")
    rows = await store.outbox.choose(8)
    assert await store.outbox.record_dispatched(rows) == 2
    later = await submitted(store, "a")
    assert (later.position, later.sent, later.sent_ahead) == (2, False, 2)
    place = await look(store, first.task_id)
    assert (place.position, place.sent, place.sent_ahead) == (1, True, 0)
    assert place.reason is WaitReason.WORKER


async def test_starts_of_the_last_minute_tell_when_it_begins(store: Store) -> None:
    for tenant in ("a", "a", "b"):
        begun = await submitted(store, tenant)
        await tasks.put(store.log, tasks.claim(await tasks.load(store.log, begun.task_id)))
    place = await submitted(store, "a")
    assert place.working
    assert 0 < place.own_starts < place.starts
    assert place.starts / place.own_starts == 1.5
    assert place.estimated_start is not None
    assert place.estimated_start >= place.now


async def test_a_task_that_is_held_waits_for_its_time(store: Store) -> None:
    start = datetime.now(UTC) + timedelta(hours=1)
    place = await submitted(store, labels=Labels(not_before=start))
    assert place.ready_since == start
    assert place.reason is WaitReason.NOT_BEFORE


async def test_a_pause_shows(store: Store) -> None:
    assert await store.pauses.pause("new disks", "operator")
    assert (await submitted(store)).reason is WaitReason.PAUSED
    assert await store.pauses.resume("operator")
    assert (await submitted(store)).reason is WaitReason.TURN


async def test_what_does_not_wait_has_its_status_alone(store: Store) -> None:
    place = await submitted(store)
    await tasks.put(
        store.log, tasks.following(await tasks.load(store.log, place.task_id), Cancel("enough"))
    )
    ended = await look(store, place.task_id)
    assert ended.status is Status.CANCELLED
    assert (ended.position, ended.reason) == (None, None)


async def test_tasks_of_others_are_unknown(store: Store) -> None:
    place = await submitted(store, "mine")
    assert await store.queue.place(place.task_id, "mine") is not None
    assert await store.queue.place(place.task_id, "others") is None
    assert await store.queue.place(uuid4()) is None

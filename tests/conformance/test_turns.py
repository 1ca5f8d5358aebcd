"""What every outbox promises about whose turn it is."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from domain.events import RequeueReason
from domain.labels import NO_LABELS, Labels, Priority
from domain.ports import OutboxRow
from domain.task import Cancel, GiveUp
from relay.loss import LossDetector
from tests.support import tasks
from tests.support.stores import Store

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
LOW, NORMAL, HIGH = (Labels(priority=priority) for priority in Priority)


async def wait_in_line(
    store: Store, count: int, tenant: str = "", labels: Labels = NO_LABELS
) -> list[UUID]:
    """Let tasks of a tenant wait, one submitted after the other; returns their ids in order."""
    appends = [tasks.submission(tenant=tenant, labels=labels) for _ in range(count)]
    for append in appends:
        await store.log.append([append])
    return [append.task_id for append in appends]


async def claim(store: Store, task_ids: Iterable[UUID]) -> None:
    for task_id in task_ids:
        await tasks.put(store.log, tasks.claim(await tasks.load(store.log, task_id)))


async def send(store: Store, window: int) -> list[UUID]:
    """Choose and record until nothing more goes out; returns what went, in order."""
    sent: list[OutboxRow] = []
    while rows := await store.outbox.choose(window):
        assert await store.outbox.record_dispatched(rows) == len(rows)
        sent += rows
    return [row.task_id for row in sent]


def starting(seconds: float) -> Labels:
    """Labels of a task that may start so many seconds from now."""
    return Labels(not_before=datetime.now(UTC) + timedelta(seconds=seconds))


async def test_a_higher_priority_goes_before_and_age_decides_within_one(store: Store) -> None:
    low = await wait_in_line(store, 2, labels=LOW)
    normal = await wait_in_line(store, 2, labels=NORMAL)
    high = await wait_in_line(store, 2, labels=HIGH)
    assert await send(store, 6) == high + normal + low


async def test_a_tenant_with_one_task_passes_another_ones_backlog(store: Store) -> None:
    backlog = await wait_in_line(store, 20, "large")
    assert await send(store, 8) == backlog[:8]
    (small,) = await wait_in_line(store, 1, "small")
    assert await send(store, 9) == [small]
    assert await send(store, 10) == [backlog[8]]


async def test_tenants_take_turns(store: Store) -> None:
    first, second, third = [await wait_in_line(store, 6, tenant) for tenant in ("a", "b", "c")]
    sent = await send(store, 9)
    assert sent == [
        task_id for turn in zip(first[:3], second[:3], third[:3], strict=True) for task_id in turn
    ]


async def test_what_is_being_processed_counts_as_well(store: Store) -> None:
    busy = await wait_in_line(store, 8, "busy")
    await claim(store, await send(store, 4))
    idle = await wait_in_line(store, 8, "idle")
    assert await send(store, 4) == idle[:4]
    assert await send(store, 6) == [busy[4], idle[4]]


async def test_the_room_that_a_tenant_cannot_use_goes_to_the_others(store: Store) -> None:
    await wait_in_line(store, 30, "a")
    await wait_in_line(store, 1, "b")
    await wait_in_line(store, 3, "c")
    await send(store, 20)
    left = Counter[str]()
    for row in await store.outbox.choose(100):
        view = await store.queries.view(row.task_id)
        assert view is not None
        left[view.tenant] += 1
    assert left == {"a": 14}


async def test_more_tenants_than_room_go_by_age_whatever_priority_they_give_themselves(
    store: Store,
) -> None:
    urgent = await wait_in_line(store, 3, "urgent", HIGH)
    others = [(await wait_in_line(store, 1, f"tenant {n}"))[0] for n in range(4)]
    assert await send(store, 2) == [urgent[0], others[0]]
    await claim(store, [urgent[0]])
    # One of it runs, so it is nobody's turn before those of whom none does.
    assert await send(store, 4) == others[1:4]
    assert await send(store, 5) == [urgent[1]]


async def test_priorities_count_within_a_tenant_only(store: Store) -> None:
    normal = await wait_in_line(store, 2, "modest", NORMAL)
    high = await wait_in_line(store, 4, "urgent", HIGH)
    assert await send(store, 4) == [normal[0], high[0], normal[1], high[1]]


async def test_a_task_is_held_until_its_earliest_start(store: Store) -> None:
    (later,) = await wait_in_line(store, 1, labels=starting(3600))
    (soon,) = await wait_in_line(store, 1, labels=starting(0.3))
    (past,) = await wait_in_line(store, 1, labels=starting(-3600))
    assert [row.task_id for row in await store.outbox.choose(10)] == [past]
    released = await store.outbox.release()
    assert released.count == 0
    assert released.next_seconds is not None
    assert 0 < released.next_seconds < 0.3
    await asyncio.sleep(released.next_seconds)
    released = await store.outbox.release()
    assert released.count == 1
    assert released.next_seconds is not None
    assert 3500 < released.next_seconds <= 3600
    assert await send(store, 10) == [past, soon]
    await tasks.put(
        store.log, tasks.following(await tasks.load(store.log, later), Cancel("not needed"))
    )
    assert (await store.outbox.release()).next_seconds is None


async def test_a_requeued_task_waits_at_the_end_of_its_priority(store: Store) -> None:
    labels = Labels(priority=Priority.HIGH, not_before=LONG_AGO)
    first, second = await wait_in_line(store, 2, "a tenant", labels)
    await wait_in_line(store, 1, "a tenant")
    await claim(store, await send(store, 1))
    lost = GiveUp(1, RequeueReason.WORKER_LOST, "its lease ran out")
    await tasks.put(store.log, tasks.following(await tasks.load(store.log, first), lost))
    assert (await send(store, 10))[:2] == [second, first]


async def test_numbers_are_given_in_the_order_of_the_messages(store: Store) -> None:
    await wait_in_line(store, 5, "a")
    await wait_in_line(store, 3, "b", LOW)
    await wait_in_line(store, 2, "a", HIGH)
    in_queue = await send(store, 10)
    detector = LossDetector(patience=10)
    for second, task_id in enumerate(in_queue):
        # Workers take one message a minute, the first in the queue; nothing of it is a loss.
        await claim(store, [task_id])
        for tick in range(0, 60, 4):
            dispatched = await store.outbox.dispatched()
            assert detector.observe(dispatched, 1, 60.0 * second + tick) == []

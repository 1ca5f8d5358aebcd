"""Pausing and resuming dispatch."""

import asyncio

from tests.support import tasks
from tests.support.stores import Store


async def test_nothing_is_chosen_while_dispatch_is_paused(store: Store) -> None:
    sent = await tasks.submitted(store.log)
    await store.outbox.record_dispatched(await store.outbox.choose(1))
    assert await store.pauses.pause("new disks", "a-test")
    waiting = await tasks.submitted(store.log)
    assert await store.outbox.choose(10) == []
    assert (await store.outbox.dispatched()).paused
    await tasks.put(store.log, tasks.claim(sent))
    await store.pauses.resume("a-test")
    assert not (await store.outbox.dispatched()).paused
    assert [row.task_id for row in await store.outbox.choose(10)] == [waiting.task_id]


async def test_the_pause_in_force_says_why_and_who(store: Store) -> None:
    assert await store.pauses.paused() is None
    await store.pauses.pause("new disks", "a-test")
    pause = await store.pauses.paused()
    assert pause is not None
    assert (pause.reason, pause.actor) == ("new disks", "a-test")
    assert await store.pauses.resume("another") == pause
    assert await store.pauses.paused() is None


async def test_a_second_pause_leaves_the_first_as_it_is(store: Store) -> None:
    assert await store.pauses.pause("new disks", "a-test")
    first = await store.pauses.paused()
    assert not await store.pauses.pause("lunch", "another")
    assert await store.pauses.paused() == first


async def test_what_is_not_paused_is_not_resumed(store: Store) -> None:
    assert await store.pauses.resume("a-test") is None
    assert await store.pauses.pause("new disks", "a-test")
    await store.pauses.resume("a-test")
    assert await store.pauses.resume("a-test") is None


async def test_of_many_pauses_at_once_exactly_one_begins(store: Store) -> None:
    begun = await asyncio.gather(*(store.pauses.pause(f"{n}", "a-test") for n in range(8)))
    assert begun.count(True) == 1

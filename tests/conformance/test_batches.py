"""What every store promises of batches: all of one is stored or none, and it stands as they do."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest

from domain.batches import SHOWN_FAILURES
from domain.errors import EmptyAppend
from domain.execution import RunOptions
from domain.identifiers import task_id_in_batch, uuid7
from domain.labels import Labels
from domain.log import Append, Appended
from domain.payloads import Payload, PayloadKind
from domain.status import Status
from domain.task import Cancel, Submit, decide
from tests.support import tasks
from tests.support.stores import Store

COUNTED = {Status.PENDING: 0, Status.PROCESSING: 0, Status.COMPLETED: 0} | {
    Status.FAILED: 0,
    Status.CANCELLED: 0,
}


def batch(count: int, batch_id: UUID | None = None, tenant: str = "") -> list[Append]:
    """The appends that submit a batch."""
    batch_id = batch_id or uuid7()
    appends = []
    for place in range(count):
        circuit = Payload(PayloadKind.CIRCUIT, b"// circuit %d" % place)
        command = Submit(RunOptions(), circuit.commitment(), labels=Labels(batch_id=batch_id))
        appends.append(
            Append(
                task_id_in_batch(batch_id, place),
                0,
                decide(None, command),
                tasks.metadata(tenant=tenant),
                (circuit,),
            )
        )
    return appends


async def stored(store: Store, appends: Sequence[Append]) -> list[Appended]:
    """Store a batch that must be accepted."""
    result = await store.batch_log.append_atomically(appends)
    assert result is not None
    return result


def id_of(appends: Sequence[Append]) -> UUID:
    """The batch that some appends submit."""
    labels = getattr(appends[0].event, "labels", None)
    assert isinstance(labels, Labels)
    assert labels.batch_id is not None
    return labels.batch_id


@pytest.mark.parametrize("count", [1, 7, 600])
async def test_all_of_a_batch_is_stored_in_one_transaction(store: Store, count: int) -> None:
    appends = batch(count)
    results = await stored(store, list(reversed(appends)))
    assert [result.task_id for result in results] == [a.task_id for a in reversed(appends)]
    ids = [append.task_id for append in appends]
    streams = [await store.log.stream(task_id) for task_id in (ids[0], ids[-1])]
    assert len({stored.xid for stream in streams for stored in stream}) == 1
    histories = await store.log.histories(ids)
    for append in appends:
        assert histories[append.task_id].payloads["circuit"] == append.payloads[0]
    waiting = await store.outbox.choose(10_000)
    assert {row.task_id for row in waiting} == set(ids)


@pytest.mark.parametrize("place", [0, 300, 599])
async def test_one_conflict_leaves_nothing_of_a_batch(store: Store, place: int) -> None:
    appends = batch(600)
    taken = tasks.submission("// another", task_id=appends[place].task_id)
    await tasks.put(store.log, taken)
    assert await store.batch_log.append_atomically(appends) is None
    others = [a.task_id for a in appends if a.task_id != taken.task_id]
    assert await store.log.histories(others) == {}
    assert await store.batches.view(id_of(appends)) is None
    assert [row.task_id for row in await store.outbox.choose(10)] == [taken.task_id]


async def test_a_batch_that_is_sent_again_is_recognised(store: Store) -> None:
    appends = batch(3)
    first = await stored(store, appends)
    assert await stored(store, appends) == first
    assert await store.batch_log.append_atomically(batch(3, id_of(appends))) is None
    assert await store.batch_log.append_atomically([*appends, *batch(1)]) is None


async def test_of_batches_with_the_same_ids_at_once_one_is_stored(store: Store) -> None:
    batch_id = uuid7()
    results = await asyncio.gather(
        *(store.batch_log.append_atomically(batch(40, batch_id)) for _ in range(6))
    )
    assert sum(result is not None for result in results) == 1
    view = await store.batches.view(batch_id)
    assert view is not None
    assert view.tasks == 40


async def test_an_empty_batch_is_refused(store: Store) -> None:
    with pytest.raises(EmptyAppend):
        await store.batch_log.append_atomically([])


async def test_a_batch_stands_as_its_tasks_do(store: Store) -> None:
    appends = batch(5)
    await stored(store, appends)
    await stored(store, batch(2))
    await tasks.submitted(store.log)
    batch_id = id_of(appends)
    view = await store.batches.view(batch_id)
    assert view is not None
    assert (view.batch_id, view.tasks, view.ended) == (batch_id, 5, False)
    assert view.counts == COUNTED | {Status.PENDING: 5}
    assert (view.started_at, view.completed_at, view.failures) == (None, None, [])
    assert view.correlation_id == "a-correlation-id"
    ids = [append.task_id for append in appends]
    for task_id in ids[:3]:
        await tasks.put(store.log, tasks.claim(await tasks.load(store.log, task_id)))
    await tasks.put(store.log, tasks.completion(await tasks.load(store.log, ids[0]), {"0": 1024}))
    await tasks.put(store.log, tasks.failure(await tasks.load(store.log, ids[1])))
    cancelling = tasks.following(await tasks.load(store.log, ids[3]), Cancel("enough"))
    await tasks.put(store.log, cancelling)
    view = await store.batches.view(batch_id)
    assert view is not None
    assert view.counts == dict.fromkeys(Status, 1)
    first = await store.queries.view(ids[0])
    last = await store.queries.view(ids[3])
    assert first is not None
    assert last is not None
    assert (view.started_at, view.completed_at) == (first.started_at, last.completed_at)
    assert view.submitted_at <= first.submitted_at
    assert [(failure.task_id, failure.code) for failure in view.failures] == [
        (ids[1], "parse_error")
    ]
    assert view.failures[0].message == "line 1, column 2: no circuit"
    await tasks.put(store.log, tasks.failure(await tasks.load(store.log, ids[2])))
    await tasks.put(store.log, tasks.claim(await tasks.load(store.log, ids[4])))
    await tasks.put(store.log, tasks.failure(await tasks.load(store.log, ids[4])))
    view = await store.batches.view(batch_id)
    assert view is not None
    assert view.ended
    assert [failure.task_id for failure in view.failures] == [ids[1], ids[2], ids[4]]


async def test_only_the_first_failures_are_shown(store: Store) -> None:
    appends = batch(SHOWN_FAILURES + 2)
    await stored(store, appends)
    for append in appends:
        await tasks.put(store.log, tasks.claim(await tasks.load(store.log, append.task_id)))
        await tasks.put(store.log, tasks.failure(await tasks.load(store.log, append.task_id)))
    view = await store.batches.view(id_of(appends))
    assert view is not None
    assert view.counts[Status.FAILED] == SHOWN_FAILURES + 2
    shown = [failure.task_id for failure in view.failures]
    assert shown == [append.task_id for append in appends[:SHOWN_FAILURES]]


async def test_the_tasks_that_have_not_ended_are_shown_in_order(store: Store) -> None:
    appends = batch(4)
    await stored(store, appends)
    ids = [append.task_id for append in appends]
    await tasks.put(store.log, tasks.claim(await tasks.load(store.log, ids[0])))
    ended = tasks.following(await tasks.load(store.log, ids[1]), Cancel("enough"))
    await tasks.put(store.log, ended)
    streams = await store.batches.open_streams(id_of(appends), None, 10)
    assert [stream[0].task_id for stream in streams] == [ids[0], ids[2], ids[3]]
    assert [len(stream) for stream in streams] == [2, 1, 1]
    assert streams[0] == (await store.log.histories([ids[0]]))[ids[0]].events
    first = await store.batches.open_streams(id_of(appends), None, 2)
    assert first == streams[:2]


async def test_the_batch_of_another_tenant_is_unknown(store: Store) -> None:
    appends = batch(2, tenant="one")
    await stored(store, appends)
    batch_id = id_of(appends)
    assert await store.batches.view(batch_id, "another") is None
    assert await store.batches.open_streams(batch_id, "another", 10) == []
    for tenant in ("one", None):
        assert await store.batches.view(batch_id, tenant) is not None
        assert len(await store.batches.open_streams(batch_id, tenant, 10)) == 2
    assert await store.batches.view(uuid7()) is None

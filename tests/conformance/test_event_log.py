"""What every event log promises: each append is accepted or refused by itself, and is read back."""

import asyncio
from datetime import timedelta

import pytest

from domain.errors import EmptyAppend
from domain.hashing import GENESIS, event_hash
from domain.identifiers import uuid7
from domain.log import Append, Appended, Conflict, LogCursor
from domain.payloads import Payload, PayloadKind
from infrastructure.memory import MemoryStore
from tests.support import tasks
from tests.support.stores import Store


async def test_an_append_is_in_the_stream_with_what_it_commits_to(store: Store) -> None:
    append = tasks.submission("qubit q;")
    result = await tasks.put(store.log, append)
    assert (result.task_id, result.version) == (append.task_id, 1)
    history = (await store.log.histories([append.task_id]))[append.task_id]
    (event,) = history.events
    assert (event.event, event.metadata) == (append.event, append.metadata)
    assert event.recorded_at == result.recorded_at
    assert history.payloads[PayloadKind.CIRCUIT].body == b"qubit q;"
    assert history.payloads[PayloadKind.CIRCUIT].matches(append.payloads[0].commitment())


async def test_an_empty_batch_is_refused(store: Store) -> None:
    with pytest.raises(EmptyAppend):
        await store.log.append([])


async def test_an_append_at_another_version_is_a_conflict_and_writes_nothing(
    store: Store,
) -> None:
    task = await tasks.submitted(store.log)
    await tasks.put(store.log, tasks.claim(task, "first"))
    before = await store.log.stream(task.task_id)
    (result,) = await store.log.append([tasks.claim(task, "second")])
    assert result == Conflict(task.task_id, expected_version=1, actual_version=2)
    assert await store.log.stream(task.task_id) == before


async def test_a_second_submission_of_the_same_id_is_a_conflict(store: Store) -> None:
    first = tasks.submission("one")
    await tasks.put(store.log, first)
    (result,) = await store.log.append([tasks.submission("two", task_id=first.task_id)])
    assert result == Conflict(first.task_id, expected_version=0, actual_version=1)


async def test_an_event_for_a_task_that_does_not_exist_is_a_conflict(store: Store) -> None:
    task = await tasks.submitted(MemoryStore())
    (result,) = await store.log.append([tasks.claim(task)])
    assert result == Conflict(task.task_id, expected_version=1, actual_version=0)
    assert await store.log.stream(task.task_id) == []


async def test_repeating_an_append_gives_its_first_answer(store: Store) -> None:
    append = tasks.submission()
    first = await tasks.put(store.log, append)
    assert await tasks.put(store.log, append) == first
    assert len(await store.log.stream(append.task_id)) == 1


async def test_a_repeated_append_is_recognised_after_later_ones(store: Store) -> None:
    append = tasks.submission()
    first = await tasks.put(store.log, append)
    await tasks.put(store.log, tasks.claim(await tasks.load(store.log, append.task_id)))
    assert await tasks.put(store.log, append) == first


async def test_one_loser_does_not_fail_its_neighbours(store: Store) -> None:
    taken = await tasks.submitted(store.log)
    await tasks.put(store.log, tasks.claim(taken))
    batch = [tasks.submission(), tasks.claim(taken, "late"), tasks.submission()]
    results = await store.log.append(batch)
    assert [type(result) for result in results] == [Appended, Conflict, Appended]
    assert [result.task_id for result in results] == [append.task_id for append in batch]


async def test_results_come_in_the_order_of_the_batch(store: Store) -> None:
    batch = [tasks.submission() for _ in range(20)][::-1]
    results = await store.log.append(batch)
    assert [result.task_id for result in results] == [append.task_id for append in batch]


async def test_of_many_claims_at_once_exactly_one_wins(store: Store) -> None:
    task = await tasks.submitted(store.log)
    claims = [store.log.append([tasks.claim(task, f"worker-{n}")]) for n in range(12)]
    results = [result for (result,) in await asyncio.gather(*claims)]
    assert sum(isinstance(result, Appended) for result in results) == 1
    assert len(await store.log.stream(task.task_id)) == 2


async def test_of_many_submissions_of_one_id_exactly_one_wins(store: Store) -> None:
    task_id = uuid7()
    twins = [
        store.log.append([tasks.submission(), tasks.submission(f"twin {n}", task_id=task_id)])
        for n in range(12)
    ]
    results = [pair[1] for pair in await asyncio.gather(*twins)]
    assert sum(isinstance(result, Appended) for result in results) == 1


async def test_overlapping_batches_in_any_order_never_deadlock(store: Store) -> None:
    pending = [await tasks.submitted(store.log) for _ in range(12)]
    claims = [
        store.log.append(
            [tasks.claim(task, f"worker-{n}") for task in pending[:: -1 if n % 2 else 1]]
        )
        for n in range(8)
    ]
    results = [result for batch in await asyncio.gather(*claims) for result in batch]
    assert sum(isinstance(result, Appended) for result in results) == len(pending)


async def test_any_text_can_be_a_circuit(store: Store) -> None:
    circuit = "\x00 é \U0001f600 \\u0000 \r\n"
    append = tasks.submission(circuit)
    await tasks.put(store.log, append)
    history = (await store.log.histories([append.task_id]))[append.task_id]
    assert history.payloads[PayloadKind.CIRCUIT].body.decode() == circuit


async def test_parameters_come_back_with_the_history(store: Store) -> None:
    task = await tasks.submitted(store.log)
    assert (
        PayloadKind.PARAMETERS
        not in (await store.log.histories([task.task_id]))[task.task_id].payloads
    )
    append = tasks.submission()
    values = Payload(PayloadKind.PARAMETERS, b'{"theta":0.5}')
    await tasks.put(
        store.log,
        Append(append.task_id, 0, append.event, append.metadata, (*append.payloads, values)),
    )
    history = (await store.log.histories([append.task_id]))[append.task_id]
    assert history.payloads[PayloadKind.PARAMETERS] == values


async def test_hashes_chain_over_a_stream_exactly_as_stored(store: Store) -> None:
    task = await tasks.processing(store.log)
    await tasks.put(store.log, tasks.failure(task, message="näh \x7f 😀"))
    previous = GENESIS
    stream = await store.log.stream(task.task_id)
    assert len(stream) == 3
    for event in stream:
        assert event.hash == event_hash(previous, event)
        previous = event.hash


async def test_unknown_ids_are_missing(store: Store) -> None:
    assert await store.log.histories([uuid7()]) == {}
    assert await store.log.stream(uuid7()) == []
    assert await store.queries.view(uuid7()) is None


async def test_the_whole_log_is_read_in_pages_without_a_gap(store: Store) -> None:
    appended = [await tasks.put(store.log, tasks.submission()) for _ in range(7)]
    seen = []
    cursor = LogCursor()
    while page := await store.log.read(cursor, 3):
        assert len(page) <= 3
        seen += [event.event_id for event in page]
        cursor = LogCursor(page[-1].xid, page[-1].position)
    assert seen == [result.event_id for result in appended]


async def test_the_clock_of_an_event_never_runs_backwards() -> None:
    now = [tasks.EPOCH]
    store = MemoryStore(clock=lambda: now[0])
    task = await tasks.submitted(store)
    now[0] -= timedelta(hours=1)
    result = await tasks.put(store, tasks.claim(task))
    assert result.recorded_at == tasks.EPOCH

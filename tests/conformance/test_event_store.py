"""One suite for every implementation of the log, the projection, the outbox and the leases."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.codec import recorded
from domain.errors import EmptyAppend, TransitionRefused
from domain.events import RequeueReason
from domain.execution import RunFailed
from domain.hashing import GENESIS, event_hash
from domain.identifiers import uuid7
from domain.log import Append, Appended, Conflict, LogCursor
from domain.payloads import Payload, PayloadKind
from domain.ports import EventLog, Leases, Outbox, TaskQueries
from domain.projection import status_history
from domain.status import Status
from domain.task import Cancel, Claim, Command, Compare, Complete, Fail, GiveUp, fold
from domain.view import view_of
from infrastructure.memory import MemoryStore
from infrastructure.postgres.connect import Database
from infrastructure.postgres.event_log import PostgresEventLog
from infrastructure.postgres.leases import PostgresLeases
from infrastructure.postgres.outbox import PostgresOutbox
from infrastructure.postgres.task_queries import PostgresTaskQueries
from tests.support import tasks


@dataclass
class Store:
    log: EventLog
    queries: TaskQueries
    outbox: Outbox
    leases: Leases


@pytest.fixture(params=["memory", "postgres"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    if request.param == "memory":
        twin = MemoryStore()
        yield Store(twin, twin, twin, twin)
        return
    dsn = request.getfixturevalue("database_url")
    database = Database(dsn, size=8, application_name="conformance")
    yield Store(
        PostgresEventLog(database),
        PostgresTaskQueries(database),
        PostgresOutbox(database),
        PostgresLeases(database),
    )
    await database.close()


# --- appending ---------------------------------------------------------------------------------


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


# --- reading -----------------------------------------------------------------------------------


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


# --- the projection ----------------------------------------------------------------------------


async def test_a_view_shows_a_task_through_its_life(store: Store) -> None:
    task = await tasks.submitted(store.log)
    view = await store.queries.view(task.task_id)
    assert view is not None
    assert (view.status, view.shots, view.attempt) == (Status.PENDING, 1024, 0)
    assert (view.started_at, view.completed_at, view.result) == (None, None, None)

    await tasks.put(store.log, tasks.claim(task))
    task = await tasks.load(store.log, task.task_id)
    await tasks.put(store.log, tasks.completion(task, {"0": 500, "1": 524}))
    view = await store.queries.view(task.task_id)
    assert view is not None
    assert (view.status, view.attempt, view.version) == (Status.COMPLETED, 1, 3)
    assert view.result == b'{"0":500,"1":524}'
    assert view.execution == b'{"seed":7}'
    assert view.memory is None
    assert [(entry.status, entry.notes) for entry in view.history] == [
        ("pending", "Task created"),
        ("processing", "Worker started processing"),
        ("completed", "Task completed successfully"),
    ]
    assert view.submitted_at < (view.started_at or view.submitted_at)
    assert view.completed_at == view.history[-1].transitioned_at


async def test_a_failure_shows_its_reason_and_place(store: Store) -> None:
    task = await tasks.processing(store.log)
    await tasks.put(store.log, tasks.failure(task, "parse_error", "needs a semicolon"))
    view = await store.queries.view(task.task_id)
    assert view is not None
    assert view.error_code == "parse_error"
    assert view.error_message == "line 1, column 2: needs a semicolon"
    assert view.history[-1].notes == "Task failed: parse_error"


async def test_a_requeued_task_has_not_started(store: Store) -> None:
    task = await tasks.processing(store.log)
    lost = GiveUp(1, RequeueReason.WORKER_LOST, "its lease ran out")
    await tasks.put(store.log, tasks.following(task, lost))
    view = await store.queries.view(task.task_id)
    assert view is not None
    assert (view.status, view.attempt, view.started_at) == (Status.PENDING, 1, None)
    assert view.history[-1].notes == "Task requeued: worker_lost"


async def test_a_comparison_is_shown_and_changes_nothing_else(store: Store) -> None:
    task = await tasks.processing(store.log)
    await tasks.put(store.log, tasks.completion(task, {"0": 1024}))
    before = await store.queries.view(task.task_id)
    assert before is not None
    newer = {"versions.qiskit": {"recorded": "2.5", "present": "2.6"}}
    for command in (Compare(0.0, {}, {"seed": 7}), Compare(0.5, newer, {"seed": 7}, "otherwise")):
        task = await tasks.load(store.log, task.task_id)
        await tasks.put(store.log, tasks.following(task, command))
    view = await store.queries.view(task.task_id)
    assert view is not None
    assert [(made.reproduced, made.distance) for made in view.reproductions] == [
        (True, 0.0),
        (False, 0.5),
    ]
    assert view.reproductions[1].differences == newer
    assert view.version == 5
    assert replace(view, version=3, reproductions=[]) == before
    assert await store.outbox.choose(10) == []
    assert await store.leases.renew("a-worker", [task.task_id], 60) == set()


NOTHING = Payload(PayloadKind.RESULT, b"{}").commitment()
steps: st.SearchStrategy[Command] = st.one_of(
    st.just(Claim("a-worker")),
    st.just(Claim("b-worker")),
    st.builds(Complete, st.integers(1, 3), st.just(NOTHING), st.just({"seed": 1})),
    st.builds(Fail, st.integers(1, 3), st.just(RunFailed("timeout", "too slow"))),
    st.builds(GiveUp, st.integers(1, 3), st.sampled_from(RequeueReason), st.just("gone")),
    st.just(Cancel("no longer needed")),
    st.just(Compare(0.0, {}, {"seed": 1})),
    st.just(Compare(0.5, {}, {"seed": 1}, "other counts")),
)


@given(runs=st.lists(st.lists(steps, max_size=10), min_size=1, max_size=4))
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
async def test_the_projection_is_the_fold_of_the_stored_events(
    store: Store, runs: list[list[Command]]
) -> None:
    for run in runs:
        task = await tasks.submitted(store.log)
        for command in run:
            try:
                append = tasks.following(task, command)
            except TransitionRefused:
                continue
            await tasks.put(store.log, append)
            task = await tasks.load(store.log, task.task_id)
        events = tuple(map(recorded, await store.log.stream(task.task_id)))
        view = await store.queries.view(task.task_id)
        assert view is not None
        assert fold(events) == task
        for name in (
            "version",
            "status",
            "attempt",
            "submitted_at",
            "started_at",
            "completed_at",
            "error_code",
            "error_message",
        ):
            assert getattr(view, name) == getattr(task, name), name
        assert (view.shots, view.correlation_id) == (
            task.options.shots,
            task.metadata.correlation_id,
        )
        assert list(view.history) == status_history(events)
        assert view == view_of(events, {})
        held = await store.leases.renew("a-worker", [task.task_id], 60) | (
            await store.leases.renew("b-worker", [task.task_id], 60)
        )
        assert (task.task_id in held) == (task.status is Status.PROCESSING)
        waiting = {row.task_id for row in await store.outbox.choose(10_000)}
        assert (task.task_id in waiting) == (task.status is Status.PENDING)


# --- the outbox --------------------------------------------------------------------------------


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
    assert await store.outbox.record_dispatched([row.row_id for row in rows]) == 4
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
    assert await store.outbox.record_dispatched([row.row_id]) == 0
    assert (await store.outbox.dispatched()).numbers == []


async def test_a_window_that_is_overfull_chooses_nothing(store: Store) -> None:
    for _ in range(3):
        await tasks.submitted(store.log)
    await store.outbox.record_dispatched([r.row_id for r in await store.outbox.choose(3)])
    await tasks.submitted(store.log)
    assert await store.outbox.choose(2) == []


async def test_forgotten_rows_wait_again_and_get_new_numbers(store: Store) -> None:
    for _ in range(3):
        await tasks.submitted(store.log)
    rows = await store.outbox.choose(3)
    await store.outbox.record_dispatched([row.row_id for row in rows])
    first, *others = (await store.outbox.dispatched()).numbers
    assert await store.outbox.forget([first]) == 1
    assert (await store.outbox.dispatched()).numbers == others
    assert len(await store.outbox.choose(3)) == 1
    assert await store.outbox.forget(None) == 2
    await store.outbox.record_dispatched([row.row_id for row in await store.outbox.choose(3)])
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


# --- leases ------------------------------------------------------------------------------------


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


async def test_the_clock_of_an_event_never_runs_backwards() -> None:
    now = [tasks.EPOCH]
    store = MemoryStore(clock=lambda: now[0])
    task = await tasks.submitted(store)
    now[0] -= timedelta(hours=1)
    result = await tasks.put(store, tasks.claim(task))
    assert result.recorded_at == tasks.EPOCH

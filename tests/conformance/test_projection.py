"""What every projection promises: a task's view is the fold of its events."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.codec import recorded
from domain.errors import TransitionRefused
from domain.events import RequeueReason
from domain.execution import RunFailed
from domain.identifiers import uuid7
from domain.labels import Labels, Priority
from domain.payloads import Payload, PayloadKind
from domain.projection import status_history
from domain.status import Status
from domain.task import (
    Cancel,
    Claim,
    Command,
    Compare,
    Complete,
    Erase,
    Fail,
    GiveUp,
    Requeue,
    fold,
)
from domain.view import view_of
from tests.support import tasks
from tests.support.stores import Store


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


async def test_a_view_shows_whose_a_task_is_and_what_its_client_said(store: Store) -> None:
    labels = Labels(
        "a Bell pair",
        {"device": "north", "run": "7"},
        Priority.HIGH,
        datetime(2100, 1, 1, 12, 0, 0, 5, tzinfo=UTC),
        uuid7(),
        uuid7(),
    )
    submission = tasks.submission(tenant="a tenant", labels=labels)
    await tasks.put(store.log, submission)
    task = await tasks.load(store.log, submission.task_id)
    view = await store.queries.view(task.task_id)
    assert view is not None
    assert (view.tenant, view.labels) == ("a tenant", labels)
    assert (task.metadata.tenant, task.labels) == ("a tenant", labels)
    await tasks.put(store.log, tasks.following(task, Cancel("no longer needed")))
    view = await store.queries.view(task.task_id)
    assert view is not None
    assert (view.tenant, view.labels) == ("a tenant", labels)


async def test_a_failure_shows_its_reason_and_place(store: Store) -> None:
    task = await tasks.processing(store.log)
    await tasks.put(store.log, tasks.failure(task, "parse_error", "needs a semicolon"))
    view = await store.queries.view(task.task_id)
    assert view is not None
    assert view.error_code == "parse_error"
    assert view.error_message == "line 1, column 2: needs a semicolon"
    assert view.history[-1].notes == "Task failed: parse_error"


async def test_a_cancelled_task_shows_why(store: Store) -> None:
    task = await tasks.processing(store.log)
    running = await store.queries.view(task.task_id)
    await tasks.put(store.log, tasks.following(task, Cancel("no longer needed")))
    view = await store.queries.view(task.task_id)
    assert running is not None
    assert view is not None
    assert (running.cancel_reason, view.cancel_reason) == (None, "no longer needed")
    assert (view.status, view.error_code, view.error_message) == (Status.CANCELLED, None, None)
    assert view.history[-1].notes == "Task cancelled"


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
    st.just(Requeue("its message was rejected")),
    st.just(Cancel("no longer needed")),
    st.just(Compare(0.0, {}, {"seed": 1})),
    st.just(Compare(0.5, {}, {"seed": 1}, "other counts")),
    st.just(Erase((PayloadKind.CIRCUIT,))),
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


async def test_a_task_of_another_tenant_is_not_there(store: Store) -> None:
    task_id = (await tasks.put(store.log, tasks.submission(tenant="physics"))).task_id
    views = await asyncio.gather(
        *(store.queries.view(task_id, who) for who in ("chemistry", "physics", "", None, "*"))
    )
    assert [view is not None for view in views] == [False, True, False, True, False]

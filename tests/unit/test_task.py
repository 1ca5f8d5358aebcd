"""The state machine: every sequence of commands keeps its rules."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidEvent, TransitionRefused
from domain.events import (
    Event,
    ProcessingStarted,
    RequeueReason,
    ResultDiverged,
    ResultReproduced,
    TaskCancelled,
    TaskCompleted,
    TaskErased,
    TaskFailed,
    TaskRequeued,
    TaskSubmitted,
)
from domain.execution import RunFailed, RunOptions
from domain.identifiers import uuid7
from domain.log import RecordedEvent
from domain.payloads import Payload, PayloadKind
from domain.status import Status
from domain.task import (
    MAX_MESSAGE_CHARACTERS,
    Cancel,
    Claim,
    Command,
    Compare,
    Complete,
    Erase,
    Fail,
    GiveUp,
    Requeue,
    Submit,
    Task,
    decide,
    evolve,
    fold,
    printable,
)
from tests.support.tasks import EPOCH, metadata

TASK_ID = uuid7()
COMMITMENT = Payload(PayloadKind.CIRCUIT, b"qubit q;").commitment()
ERASE = Erase((PayloadKind.CIRCUIT, PayloadKind.RESULT))
SUBMIT = Submit(RunOptions(shots=7), COMMITMENT)

attempts = st.integers(1, 4)
commands: st.SearchStrategy[Command] = st.one_of(
    st.just(SUBMIT),
    st.builds(Claim, st.sampled_from(["worker-a", "worker-b"])),
    st.builds(Complete, attempts, st.just(COMMITMENT), st.just({"seed": 1})),
    st.builds(Fail, attempts, st.just(RunFailed("parse_error", "no circuit"))),
    st.builds(GiveUp, attempts, st.sampled_from(RequeueReason), st.just("gone"), st.just(3)),
    st.just(Requeue("its message was rejected")),
    st.builds(Cancel, st.just("not needed")),
    st.just(Compare(0.0, {}, {"seed": 1})),
    st.just(Compare(0.5, {}, {"seed": 1}, "other counts")),
    st.just(Erase((PayloadKind.CIRCUIT,))),
)


def record(task: Task | None, event: Event, seconds: int = 0) -> RecordedEvent:
    version = 1 if task is None else task.version + 1
    recorded_at = EPOCH + timedelta(seconds=seconds or version)
    return RecordedEvent(uuid7(), TASK_ID, version, event, metadata(), recorded_at)


def after(*run: Command) -> Task:
    task: Task | None = None
    for command in run:
        task = evolve(task, record(task, decide(task, command)))
    assert task is not None
    return task


@given(st.lists(commands, max_size=30))
def test_no_sequence_of_commands_breaks_the_rules(sequence: list[Command]) -> None:
    task: Task | None = None
    history: list[RecordedEvent] = []
    for command in sequence:
        before = task
        try:
            event = decide(task, command)
        except TransitionRefused:
            continue
        recorded = record(task, event)
        task = evolve(task, recorded)
        history.append(recorded)
        if before is not None and before.status.terminal:
            assert event.status is None, "a terminal status changed"
            assert not before.erased, "something followed the erasure"
            noted = replace(before, version=task.version, last_event_id=task.last_event_id)
            assert task == replace(noted, erased=isinstance(command, Erase)), (
                "a note changed more than the version"
            )
        assert task.version == len(history)
    assert fold(history) == task
    starts = [r.event for r in history if isinstance(r.event, ProcessingStarted)]
    assert all(start.attempt <= 3 for start in starts)
    assert sum(r.event.status is not None and r.event.status.terminal for r in history) <= 1
    if task is not None:
        assert (task.completed_at is not None) == task.status.terminal
        assert task.status is not Status.PENDING or task.started_at is None


@given(st.lists(commands, max_size=12), st.data())
def test_no_event_is_accepted_where_no_command_could_have_put_it(
    sequence: list[Command], data: st.DataObject
) -> None:
    events: list[Event] = [
        TaskSubmitted(RunOptions(), COMMITMENT),
        ProcessingStarted(1, "worker-a"),
        TaskFailed(1, "parse_error", "no circuit"),
        TaskCancelled("not needed"),
        TaskRequeued(1, RequeueReason.HANDED_BACK, "draining"),
        TaskRequeued(0, RequeueReason.DEAD_LETTERED, "rejected"),
        ResultReproduced(0.0, {}, {}),
        TaskErased((PayloadKind.CIRCUIT,)),
    ]
    task: Task | None = None
    for command in sequence:
        try:
            task = evolve(task, record(task, decide(task, command)))
        except TransitionRefused:
            continue
    event = data.draw(st.sampled_from(events))
    try:
        moved = evolve(task, record(task, event))
    except InvalidEvent:
        return
    allowed = {
        None: {Status.PENDING},
        Status.PENDING: {Status.PROCESSING, Status.CANCELLED},
        Status.PROCESSING: {Status.FAILED, Status.CANCELLED},
    }
    if isinstance(event, TaskRequeued):
        assert task is not None
        assert (task.status is Status.PROCESSING) == event.reason.ends_attempt
        assert moved.status is Status.PENDING
        return
    if event.status is None:
        assert task is not None
        assert task.status is moved.status
        assert not task.erased
        assert moved.status.terminal if moved.erased else moved.status is Status.COMPLETED
        return
    assert moved.status in allowed.get(None if task is None else task.status, set())


def test_a_submission_makes_a_pending_task() -> None:
    task = after(SUBMIT)
    assert (task.status, task.options.shots, task.attempt) == (Status.PENDING, 7, 0)
    assert task.submitted_at == EPOCH + timedelta(seconds=1)


def test_a_result_of_another_attempt_is_refused() -> None:
    lost = after(SUBMIT, Claim("a"), GiveUp(1, RequeueReason.WORKER_LOST, "gone"), Claim("b"))
    assert lost.attempt == 2
    with pytest.raises(TransitionRefused, match="attempt 1 refused"):
        decide(lost, Complete(1, COMMITMENT, {}))


def test_a_task_handed_back_keeps_its_attempt() -> None:
    back = after(SUBMIT, Claim("a"), GiveUp(1, RequeueReason.HANDED_BACK, "draining"))
    assert decide(back, Claim("b")) == ProcessingStarted(1, "b")


def test_the_last_attempt_ends_in_failure_with_the_reason() -> None:
    lost = GiveUp(1, RequeueReason.WORKER_LOST, "lease ran out", max_attempts=2)
    task = after(SUBMIT, Claim("a"), lost, Claim("b"))
    event = decide(task, replace(lost, attempt=2))
    assert isinstance(event, TaskFailed)
    assert event.code == "worker_lost"
    assert event.message == "lease ran out (attempt 2 of 2, the last)"


def test_a_task_may_be_handed_back_any_number_of_times() -> None:
    task = after(SUBMIT)
    for _ in range(10):
        task = evolve(task, record(task, decide(task, Claim("a"))))
        event = decide(task, GiveUp(1, RequeueReason.HANDED_BACK, "draining", max_attempts=1))
        task = evolve(task, record(task, event))
    assert (task.status, task.attempts_spent) == (Status.PENDING, 0)


def test_a_pending_task_whose_message_died_stays_pending_and_untried() -> None:
    again = Requeue("its message was rejected")
    fresh = after(SUBMIT, again)
    assert (fresh.status, fresh.version, fresh.attempt) == (Status.PENDING, 2, 0)
    lost = GiveUp(1, RequeueReason.WORKER_LOST, "gone")
    tried = after(SUBMIT, Claim("a"), lost, again, again)
    assert (tried.status, tried.attempt, tried.attempts_spent) == (Status.PENDING, 1, 1)
    assert decide(tried, Claim("b")) == ProcessingStarted(2, "b")
    assert decide(tried, again) == TaskRequeued(
        1, RequeueReason.DEAD_LETTERED, "its message was rejected"
    )


@pytest.mark.parametrize("run", [(Claim("a"),), (Cancel("no"),)])
def test_only_a_pending_task_can_get_another_message(run: tuple[Command, ...]) -> None:
    task = after(SUBMIT, *run)
    with pytest.raises(TransitionRefused, match="Requeue refused"):
        decide(task, Requeue("its message was rejected"))
    with pytest.raises(InvalidEvent, match="cannot become pending"):
        evolve(task, record(task, TaskRequeued(0, RequeueReason.DEAD_LETTERED, "rejected")))


def test_a_running_attempt_is_not_given_up_for_a_dead_letter() -> None:
    with pytest.raises(TransitionRefused, match="dead_lettered ends no attempt"):
        decide(after(SUBMIT, Claim("a")), GiveUp(1, RequeueReason.DEAD_LETTERED, "rejected"))


@pytest.mark.parametrize("version", [1, 2, 4])
def test_an_event_out_of_order_is_invalid(version: int) -> None:
    task = after(SUBMIT, Claim("a"))
    out_of_order = replace(record(task, TaskCancelled("no")), version=version)
    with pytest.raises(InvalidEvent, match=f"event {version} right after event 2"):
        evolve(task, out_of_order)


def test_a_second_submission_is_invalid() -> None:
    task = after(SUBMIT)
    with pytest.raises(InvalidEvent, match="submitted twice"):
        evolve(task, record(task, TaskSubmitted(RunOptions(), COMMITMENT)))


@pytest.mark.parametrize("command", [Claim("a"), Cancel("no"), Complete(1, COMMITMENT, {})])
def test_commands_on_a_task_that_does_not_exist_are_refused(command: Command) -> None:
    with pytest.raises(TransitionRefused, match="needs a task that exists"):
        decide(None, command)


COMPLETED = (SUBMIT, Claim("a"), Complete(1, COMMITMENT, {"seed": 1}))


def test_a_comparison_says_what_came_of_it() -> None:
    done = after(*COMPLETED)
    same = decide(done, Compare(0.0, {}, {"seed": 1}))
    assert same == ResultReproduced(0.0, {}, {"seed": 1})
    newer = {"versions.qiskit": {"recorded": "2.5", "present": "2.6"}}
    explained = decide(done, Compare(0.1, newer, {}, "other counts"))
    assert isinstance(explained, ResultDiverged)
    assert explained.explained
    unexplained = decide(done, Compare(0.1, {}, {}, "other counts"))
    assert isinstance(unexplained, ResultDiverged)
    assert not unexplained.explained


@pytest.mark.parametrize("run", [(SUBMIT,), (SUBMIT, Claim("a")), (SUBMIT, Cancel("no"))])
def test_only_a_result_can_be_compared(run: tuple[Command, ...]) -> None:
    task = after(*run)
    with pytest.raises(TransitionRefused, match="Compare refused"):
        decide(task, Compare(0.0, {}, {}))
    with pytest.raises(InvalidEvent, match="has no result to be compared"):
        evolve(task, record(task, ResultReproduced(0.0, {}, {})))


def test_a_task_completes_once_however_often_it_is_compared() -> None:
    task = after(*COMPLETED, Compare(0.0, {}, {}), Compare(1.0, {}, {}, "other counts"))
    assert (task.status, task.version) == (Status.COMPLETED, 5)
    with pytest.raises(InvalidEvent, match="cannot become completed"):
        evolve(task, record(task, TaskCompleted(1, COMMITMENT, {})))


@pytest.mark.parametrize("run", [(SUBMIT,), (SUBMIT, Claim("a"))])
def test_only_a_task_that_has_ended_can_be_erased(run: tuple[Command, ...]) -> None:
    task = after(*run)
    with pytest.raises(TransitionRefused, match="Erase refused"):
        decide(task, ERASE)
    with pytest.raises(InvalidEvent, match="cannot be erased"):
        evolve(task, record(task, TaskErased((PayloadKind.CIRCUIT,))))


@pytest.mark.parametrize("command", [ERASE, Compare(0.0, {}, {})])
def test_nothing_follows_an_erasure(command: Command) -> None:
    task = after(*COMPLETED, ERASE)
    assert (task.status, task.version, task.erased) == (Status.COMPLETED, 4, True)
    with pytest.raises(TransitionRefused, match="were erased"):
        decide(task, command)
    with pytest.raises(InvalidEvent, match="nothing may follow"):
        evolve(task, record(task, decide(after(*COMPLETED), command)))


def test_a_failure_keeps_its_place_in_the_circuit() -> None:
    failure = RunFailed("parse_error", "needs a semicolon", 3, 14)
    task = after(SUBMIT, Claim("a"), Fail(1, failure))
    assert task.error_message == "line 3, column 14: needs a semicolon"
    assert task.error_code == "parse_error"


@given(st.text())
def test_printable_text_is_bounded_and_has_no_control_characters(text: str) -> None:
    safe = printable(text)
    assert len(safe) <= MAX_MESSAGE_CHARACTERS
    assert all(c.isprintable() or c == "\n" for c in safe)
    safe.encode()


def test_printable_text_shows_what_was_there() -> None:
    assert printable("a\x00b\x1b[31mé") == r"a\x00b\x1b[31mé"
    assert printable("x" * 2_000).endswith("…")

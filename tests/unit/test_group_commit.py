"""Group commit: who shares a batch, who is answered what, and when."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from domain.errors import AppendRefused, OutcomeUnknown, StoreUnavailable
from domain.log import Append, Appended, AppendResult, Conflict
from infrastructure import group_commit
from infrastructure.group_commit import GroupCommit
from infrastructure.memory import MemoryStore
from tests.support import tasks


class ScriptedLog(MemoryStore):
    """An event log that stops at a gate and fails as told."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[Append]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.arrived = asyncio.Event()
        self.faults: list[Exception] = []
        self.fault_after_commit = False
        self.refuses: Callable[[Append], bool] = lambda _: False

    async def append(self, appends: Sequence[Append]) -> list[AppendResult]:
        self.batches.append(list(appends))
        self.arrived.set()
        await self.gate.wait()
        if self.faults and not self.fault_after_commit:
            raise self.faults.pop(0)
        if any(map(self.refuses, appends)):
            raise AppendRefused("this cannot be stored")
        results = await super().append(appends)
        if self.faults:
            raise self.faults.pop(0)
        return results


@pytest.fixture
def log() -> ScriptedLog:
    return ScriptedLog()


@pytest.fixture
async def commits(log: ScriptedLog, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[GroupCommit]:
    monkeypatch.setattr(group_commit, "FIRST_RETRY_SECONDS", 0.001)
    monkeypatch.setattr(group_commit, "SWEEP_SECONDS", 0.005)
    commits = GroupCommit(log, max_batch=10)
    await commits.start()
    yield commits
    log.gate.set()
    await commits.close(1.0)


async def start_together(
    commits: GroupCommit, log: ScriptedLog, appends: Sequence[Append]
) -> list[asyncio.Task[AppendResult]]:
    """Call append for each while the first batch is held at the gate."""
    log.gate.clear()
    calls = [asyncio.create_task(commits.append(append)) for append in appends]
    await asyncio.wait_for(log.arrived.wait(), 5)
    return calls


async def test_what_waits_during_one_batch_forms_the_next(
    commits: GroupCommit, log: ScriptedLog
) -> None:
    first = await start_together(commits, log, [tasks.submission()])
    rest = [asyncio.create_task(commits.append(tasks.submission())) for _ in range(7)]
    while commits.waiting < 8:
        await asyncio.sleep(0)
    log.gate.set()
    results = await asyncio.gather(*first, *rest)
    assert [len(batch) for batch in log.batches] == [1, 7]
    assert all(isinstance(result, Appended) for result in results)


async def test_a_batch_is_bounded(commits: GroupCommit, log: ScriptedLog) -> None:
    calls = await start_together(commits, log, [tasks.submission() for _ in range(25)])
    log.gate.set()
    await asyncio.gather(*calls)
    assert [len(batch) for batch in log.batches] == [10, 10, 5]


async def test_a_batch_is_bounded_in_bytes(
    commits: GroupCommit, log: ScriptedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "MAX_BATCH_BYTES", 100)
    calls = await start_together(commits, log, [tasks.submission("x" * 60) for _ in range(4)])
    log.gate.set()
    await asyncio.gather(*calls)
    assert [len(batch) for batch in log.batches] == [2, 2]


async def test_two_appends_for_one_task_never_share_a_batch(
    commits: GroupCommit, log: ScriptedLog
) -> None:
    append = tasks.submission()
    rival = tasks.submission(task_id=append.task_id)
    calls = await start_together(commits, log, [append, rival, tasks.submission()])
    log.gate.set()
    first, second, third = await asyncio.gather(*calls)
    assert [len(batch) for batch in log.batches] == [2, 1]
    assert isinstance(first, Appended)
    assert isinstance(second, Conflict)
    assert isinstance(third, Appended)


async def test_what_cannot_be_stored_is_told_to_its_caller_alone(
    commits: GroupCommit, log: ScriptedLog
) -> None:
    bad = tasks.submission("bad")
    log.refuses = lambda append: append is bad
    good = [tasks.submission() for _ in range(6)]
    calls = await start_together(commits, log, [*good[:3], bad, *good[3:]])
    log.gate.set()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(result) for result in results] == [Appended] * 3 + [AppendRefused] + [Appended] * 3


async def test_a_mistake_in_one_append_reaches_its_caller_and_nobody_else(
    commits: GroupCommit, log: ScriptedLog
) -> None:
    log.faults = [ValueError("a bug of ours")]
    with pytest.raises(ValueError, match="a bug of ours"):
        await commits.append(tasks.submission())
    assert isinstance(await commits.append(tasks.submission()), Appended)


async def test_an_outage_is_waited_out(commits: GroupCommit, log: ScriptedLog) -> None:
    log.faults = [StoreUnavailable("away")] * 5
    result = await asyncio.wait_for(commits.append(tasks.submission()), 5)
    assert isinstance(result, Appended)
    assert len(log.batches) == 6


async def test_each_failure_is_announced(log: ScriptedLog) -> None:
    failures: list[int] = []
    commits = GroupCommit(log, on_failure=lambda: failures.append(1))
    await commits.start()
    log.faults = [StoreUnavailable("away"), OutcomeUnknown("cut")]
    await asyncio.wait_for(commits.append(tasks.submission()), 5)
    await commits.close()
    assert len(failures) == 2


async def test_an_append_that_was_stored_before_the_connection_broke_is_stored_once(
    commits: GroupCommit, log: ScriptedLog
) -> None:
    log.faults = [OutcomeUnknown("cut")]
    log.fault_after_commit = True
    append = tasks.submission()
    result = await asyncio.wait_for(commits.append(append), 5)
    assert isinstance(result, Appended)
    assert len(log.streams[append.task_id]) == 1
    assert len(log.batches) == 2


async def test_an_outage_longer_than_the_deadline_says_that_nothing_was_written(
    commits: GroupCommit, log: ScriptedLog
) -> None:
    log.faults = [StoreUnavailable("away")] * 100_000
    with pytest.raises(StoreUnavailable):
        await asyncio.wait_for(commits.append(tasks.submission(), deadline=0.05), 5)
    assert commits.waiting == 0


async def test_a_commit_that_cannot_be_settled_in_time_is_unknown(
    commits: GroupCommit, log: ScriptedLog
) -> None:
    log.faults = [OutcomeUnknown("cut"), *[StoreUnavailable("away")] * 100_000]
    with pytest.raises(OutcomeUnknown):
        await asyncio.wait_for(commits.append(tasks.submission(), deadline=0.05), 5)


async def test_a_commit_under_way_at_the_deadline_is_unknown(
    commits: GroupCommit, log: ScriptedLog
) -> None:
    log.gate.clear()
    with pytest.raises(OutcomeUnknown):
        await asyncio.wait_for(commits.append(tasks.submission(), deadline=0.05), 5)


async def test_callers_that_gave_up_are_not_sent_again(
    commits: GroupCommit, log: ScriptedLog
) -> None:
    log.faults = [StoreUnavailable("away")] * 100_000
    with pytest.raises(StoreUnavailable):
        await asyncio.wait_for(commits.append(tasks.submission(), deadline=0.05), 5)
    log.faults = []
    log.batches.clear()
    await asyncio.wait_for(commits.append(tasks.submission()), 5)
    assert [len(batch) for batch in log.batches] == [1]


async def test_a_caller_that_went_away_loses_nothing(
    commits: GroupCommit, log: ScriptedLog
) -> None:
    append = tasks.submission()
    (call,) = await start_together(commits, log, [append])
    call.cancel()
    log.gate.set()
    await commits.append(tasks.submission())
    assert len(log.streams[append.task_id]) == 1


async def test_closing_stores_what_waits_and_refuses_what_comes_later(log: ScriptedLog) -> None:
    commits = GroupCommit(log)
    await commits.start()
    calls = await start_together(commits, log, [tasks.submission() for _ in range(3)])
    closing = asyncio.create_task(commits.close(5.0))
    log.gate.set()
    results = await asyncio.gather(*calls)
    await closing
    assert all(isinstance(result, Appended) for result in results)
    with pytest.raises(StoreUnavailable, match="shutting down"):
        await commits.append(tasks.submission())


async def test_closing_answers_everyone_when_the_store_does_not(log: ScriptedLog) -> None:
    commits = GroupCommit(log)
    await commits.start()
    stuck, queued = tasks.submission(), tasks.submission()
    calls = await start_together(commits, log, [stuck])
    calls.append(asyncio.create_task(commits.append(queued)))
    while commits.waiting < 2:
        await asyncio.sleep(0)
    await asyncio.wait_for(commits.close(0.01), 5)
    first, second = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(first, OutcomeUnknown)
    assert isinstance(second, StoreUnavailable)


async def test_each_commit_is_announced_with_what_it_stored(log: ScriptedLog) -> None:
    announced: list[Append] = []
    commits = GroupCommit(log, on_commit=announced.extend)
    await commits.start()
    append = tasks.submission()
    await commits.append(append)
    await commits.append(tasks.submission(task_id=append.task_id))
    await commits.close()
    assert announced == [append]


async def test_several_at_once_share_a_batch_and_each_has_its_own_answer(
    commits: GroupCommit, log: ScriptedLog
) -> None:
    good, bad, other = (tasks.submission() for _ in range(3))
    log.refuses = lambda append: append is bad
    stored, refused, stored_too = await commits.append_all([good, bad, other])
    assert len(log.batches[0]) == 3
    assert isinstance(stored, Appended)
    assert isinstance(refused, AppendRefused)
    assert isinstance(stored_too, Appended)
    assert await commits.append_all([]) == []


async def test_several_at_once_are_refused_one_by_one_after_the_end(log: ScriptedLog) -> None:
    commits = GroupCommit(log)
    await commits.start()
    await commits.close()
    answers = await commits.append_all([tasks.submission(), tasks.submission()])
    assert [type(answer) for answer in answers] == [StoreUnavailable, StoreUnavailable]


async def test_a_caller_of_several_that_went_away_loses_nothing(
    commits: GroupCommit, log: ScriptedLog
) -> None:
    log.gate.clear()
    appends = [tasks.submission(), tasks.submission()]
    call = asyncio.create_task(commits.append_all(appends))
    await asyncio.wait_for(log.arrived.wait(), 5)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    log.gate.set()
    while commits.waiting:
        await asyncio.sleep(0)
    assert set(log.streams) == {append.task_id for append in appends}

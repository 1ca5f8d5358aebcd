"""Batch commit: a batch is stored once, whatever breaks in between."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from domain.errors import AppendRefused, OutcomeUnknown, StoreUnavailable
from domain.log import Append, Appended
from infrastructure import batch_commit
from infrastructure.batch_commit import BatchCommit
from infrastructure.memory import MemoryStore
from tests.support import tasks


class ScriptedLog(MemoryStore):
    """An event log that stops at a gate and fails as told."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.arrived = asyncio.Event()
        self.faults: list[Exception] = []
        self.fault_after_commit = False
        self.tries = 0

    async def append_atomically(self, appends: Sequence[Append]) -> list[Appended] | None:
        self.tries += 1
        self.arrived.set()
        await self.gate.wait()
        if self.faults and not self.fault_after_commit:
            raise self.faults.pop(0)
        results = await MemoryStore.append_atomically(self, appends)
        if self.faults:
            raise self.faults.pop(0)
        return results


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> ScriptedLog:
    monkeypatch.setattr(batch_commit, "FIRST_RETRY_SECONDS", 0.001)
    return ScriptedLog()


@pytest.fixture
def told() -> list[Sequence[Append]]:
    return []


@pytest.fixture
async def commits(log: ScriptedLog, told: list[Sequence[Append]]) -> AsyncIterator[BatchCommit]:
    commits = BatchCommit(log, on_commit=told.append)
    await commits.start()
    yield commits
    log.gate.set()
    await commits.close(1.0)


def some() -> list[Append]:
    return [tasks.submission(f"// {number}") for number in range(3)]


async def test_a_batch_is_stored_and_told(
    commits: BatchCommit, log: ScriptedLog, told: list[Sequence[Append]]
) -> None:
    appends = some()
    stored = await commits.append_atomically(appends, 5.0)
    assert stored is not None
    assert [result.task_id for result in stored] == [append.task_id for append in appends]
    assert told == [appends]
    assert log.tries == 1


async def test_a_conflict_is_a_value_and_is_told_to_nobody(
    commits: BatchCommit, log: ScriptedLog, told: list[Sequence[Append]]
) -> None:
    appends = some()
    await tasks.put(log, tasks.submission("// other", task_id=appends[1].task_id))
    assert await commits.append_atomically(appends, 5.0) is None
    assert told == []


@pytest.mark.parametrize("after_commit", [False, True])
async def test_a_batch_is_sent_again_until_it_is_stored_once(
    commits: BatchCommit, log: ScriptedLog, told: list[Sequence[Append]], after_commit: bool
) -> None:
    log.fault_after_commit = after_commit
    log.faults = [OutcomeUnknown("the connection broke"), StoreUnavailable("it is away")]
    appends = some()
    stored = await commits.append_atomically(appends, 5.0)
    assert stored is not None
    assert log.tries == 3
    assert told == [appends]
    assert {len(stream) for stream in log.streams.values()} == {1}


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [(StoreUnavailable("away"), StoreUnavailable), (OutcomeUnknown("broke"), OutcomeUnknown)],
)
async def test_what_is_known_when_time_runs_out_is_said(
    commits: BatchCommit, log: ScriptedLog, fault: Exception, outcome: type[Exception]
) -> None:
    log.faults = [fault] * 1_000
    with pytest.raises(outcome):
        await commits.append_atomically(some(), 0.05)
    assert log.tries > 1


async def test_a_batch_that_takes_too_long_may_be_stored_later(
    commits: BatchCommit, log: ScriptedLog, told: list[Sequence[Append]]
) -> None:
    log.gate.clear()
    appends = some()
    with pytest.raises(OutcomeUnknown):
        await commits.append_atomically(appends, 0.01)
    log.gate.set()
    await commits.close(5.0)
    assert told == [appends]


async def test_a_caller_that_goes_away_takes_nothing_with_it(
    commits: BatchCommit, log: ScriptedLog, told: list[Sequence[Append]]
) -> None:
    log.gate.clear()
    appends = some()
    asking = asyncio.create_task(commits.append_atomically(appends, 5.0))
    await log.arrived.wait()
    asking.cancel()
    log.gate.set()
    await commits.close(5.0)
    assert told == [appends]


async def test_what_cannot_be_stored_is_refused_at_once(
    commits: BatchCommit, log: ScriptedLog
) -> None:
    log.faults = [AppendRefused("this cannot be stored")]
    with pytest.raises(AppendRefused):
        await commits.append_atomically(some(), 5.0)
    assert log.tries == 1


async def test_a_closed_one_takes_nothing_more(commits: BatchCommit) -> None:
    await commits.close()
    with pytest.raises(StoreUnavailable, match="shutting down"):
        await commits.append_atomically(some(), 5.0)

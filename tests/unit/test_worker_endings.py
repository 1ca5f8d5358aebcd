"""When ends of runs go to the log, and which of them together."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from infrastructure.group_commit import GroupCommit
from infrastructure.memory.store import MemoryStore
from service.worker import decisions, endings
from service.worker.counters import Counters
from service.worker.endings import Endings
from service.worker.run import Run
from tests.support import tasks
from tests.support.worker_fakes import FlakyLog, succeeded, until
from tests.support.worker_scene import Scene, small_circuits_run, start_scene


class Desk:
    """Runs that end, and the log that they are written to."""

    def __init__(self, commits: GroupCommit, log: FlakyLog) -> None:
        self.log = log
        self.counters = Counters()
        self.over: list[Run] = []
        self.endings = Endings(
            commits,
            worker_id="w1",
            counters=self.counters,
            on_ended=lambda _run, _append: None,
            on_over=self.over.append,
        )

    async def end(self, *, more_follow: bool) -> Run:
        """Let a run complete."""
        task = await tasks.processing(self.log.store)
        run = Run(task, 0.0)
        append = decisions.conclude(task, succeeded(), "w1", 0.0)
        self.endings.add(run, append, more_follow=more_follow)
        return run


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    log = FlakyLog(MemoryStore())
    commits = GroupCommit(log)
    await commits.start()
    yield Desk(commits, log)
    await commits.close()


async def test_the_end_of_the_only_run_is_written_at_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endings, "GATHER_SECONDS", 60.0)
    run = await desk.end(more_follow=False)
    await until(lambda: desk.over == [run])
    assert desk.log.batches == [1]
    assert desk.counters.completed == 1


async def test_ends_of_a_busy_worker_share_a_transaction(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endings, "GATHER_SECONDS", 60.0)
    first = await desk.end(more_follow=True)
    second = await desk.end(more_follow=True)
    assert desk.log.batches == []
    last = await desk.end(more_follow=False)
    await until(lambda: desk.over == [first, second, last])
    assert desk.log.batches == [3]


async def test_no_end_waits_long_for_others(desk: Desk) -> None:
    run = await desk.end(more_follow=True)
    await until(lambda: desk.over == [run])


async def test_no_end_waits_for_more_than_so_many(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endings, "GATHER_SECONDS", 60.0)
    monkeypatch.setattr(endings, "GATHERED_AT_MOST", 2)
    runs = [await desk.end(more_follow=True) for _ in range(2)]
    await until(lambda: desk.over == runs)
    assert desk.log.batches == [2]


async def test_all_that_was_gathered_is_written_before_a_worker_ends(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endings, "GATHER_SECONDS", 60.0)
    run = await desk.end(more_follow=True)
    await desk.endings.written()
    assert desk.over == [run]
    assert desk.counters.completed == 1


async def test_claims_take_ends_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    scene: Scene = await start_scene(slots=2)
    await small_circuits_run(scene, 20)
    monkeypatch.setattr(endings, "GATHER_SECONDS", 60.0)
    ended, _ = await scene.running(), await scene.running()
    scene.simulators.finish(scene.simulators.running[0], succeeded())
    await asyncio.sleep(0)
    assert scene.events(ended)[-1] == "ProcessingStarted"
    await scene.running()
    await until(lambda: scene.events(ended)[-1] == "TaskCompleted")
    await scene.end()

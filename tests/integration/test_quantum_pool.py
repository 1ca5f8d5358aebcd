"""The pool's own conduct, with processes that do what they are told."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

import psutil
import pytest

from domain.execution import RunFailed, RunOptions, RunOutcome, RunRequest
from infrastructure.quantum.job import JobState
from infrastructure.quantum.pool import EngineLimits, Job, PoolClosed, SimulatorDied, SimulatorPool
from infrastructure.quantum.slot import PIPE_DEPTH

T = TypeVar("T")
PATIENCE = 10.0
SCRIPTED = "tests.support.scripted_simulator"

MakePool = Callable[..., AbstractAsyncContextManager[SimulatorPool]]


@asynccontextmanager
async def scripted_pool(
    slots: int = 1, spares: int = 1, limits: EngineLimits | None = None
) -> AsyncIterator[SimulatorPool]:
    pool = SimulatorPool(slots, limits or EngineLimits(), spares, program=SCRIPTED)
    await pool.start()
    try:
        yield pool
    finally:
        await pool.close()


async def soon(waiting: Awaitable[T]) -> T:
    return await asyncio.wait_for(asyncio.shield(asyncio.ensure_future(waiting)), PATIENCE)


async def until(condition: Callable[[], bool]) -> None:
    """Let the event loop run until the condition holds."""

    async def poll() -> None:
        while not condition():
            await asyncio.sleep(0.001)

    await soon(poll())


def ask(pool: SimulatorPool, text: str, timeout_seconds: float | None = None) -> Job:
    return pool.submit(RunRequest(text, RunOptions(timeout_seconds=timeout_seconds)))


def code_in(future: asyncio.Future[RunOutcome]) -> str:
    outcome = future.result()
    assert isinstance(outcome, RunFailed)
    return outcome.code


def pool_slot_is_shared(pool: SimulatorPool, one: Job, other: Job) -> bool:
    return any(slot.holds(one) and slot.holds(other) for slot in pool._slots)


async def code_of(job: Job) -> str:
    await soon(job.outcome)
    return code_in(job.outcome)


async def pid_of(job: Job) -> str:
    outcome = await soon(job.outcome)
    assert isinstance(outcome, RunFailed)
    return outcome.message


async def test_jobs_are_answered_in_order() -> None:
    async with scripted_pool() as pool:
        finished: list[str] = []
        jobs = [ask(pool, f"say {number}") for number in range(20)]
        for job in jobs:
            job.outcome.add_done_callback(lambda future: finished.append(code_in(future)))
        await soon(asyncio.gather(*(job.outcome for job in jobs)))
        assert finished == [str(number) for number in range(20)]
        assert pool.statistics.finished == 20


async def test_a_job_starts_before_it_is_over() -> None:
    async with scripted_pool() as pool:
        job = ask(pool, "hang")
        assert job.running
        await soon(job.started)
        assert (pool.busy, pool.queued) == (1, 0)


async def test_a_free_slot_is_taken_before_a_pipe() -> None:
    async with scripted_pool(slots=2) as pool:
        jobs = [ask(pool, "hang"), ask(pool, "hang")]
        assert [job.state for job in jobs] == [JobState.RUNNING, JobState.RUNNING]
        assert pool.room == 2 * PIPE_DEPTH


async def test_the_job_behind_a_long_one_is_taken_back_and_runs_elsewhere() -> None:
    async with scripted_pool(slots=2) as pool:
        long, other = ask(pool, "hang"), ask(pool, "hang")
        small = ask(pool, "say small")
        assert small.state is JobState.PIPED
        await until(lambda: small.state is JobState.QUEUED)
        other.cancel()
        assert await code_of(small) == "small"
        assert long.running


async def test_jobs_that_wait_behind_long_ones_are_reported() -> None:
    async with scripted_pool() as pool:
        blocked = asyncio.Event()
        pool.on_blocked = blocked.set
        ask(pool, "hang")
        waiting = ask(pool, "say late")
        await soon(blocked.wait())
        assert waiting.state is JobState.QUEUED
        assert pool.waiting == 1
        assert pool.withdraw(waiting)


async def test_a_later_job_does_not_overtake_one_that_was_taken_back() -> None:
    async with scripted_pool() as pool:
        long = ask(pool, "hang")
        first, second = ask(pool, "say first"), ask(pool, "say second")
        await until(lambda: first.state is JobState.QUEUED)
        order: list[str] = []
        for job in (first, second):
            job.outcome.add_done_callback(lambda future: order.append(code_in(future)))
        long.cancel()
        await soon(second.outcome)
        assert order == ["first", "second"]


async def test_a_queued_job_can_be_withdrawn() -> None:
    async with scripted_pool() as pool:
        ask(pool, "hang")
        for _ in range(PIPE_DEPTH):
            ask(pool, "hang")
        job = ask(pool, "say never")
        assert job.state is JobState.QUEUED
        assert (pool.queued, pool.waiting) == (PIPE_DEPTH + 1, 1)
        assert pool.withdraw(job)
        assert job.outcome.cancelled()
        assert job.started.cancelled()
        assert not pool.withdraw(job)


async def test_a_job_in_the_pipe_can_be_withdrawn_and_never_runs() -> None:
    async with scripted_pool() as pool:
        long = ask(pool, "hang")
        piped = ask(pool, "exit 1")
        assert piped.state is JobState.PIPED
        assert pool.withdraw(piped)
        long.cancel()
        assert await code_of(ask(pool, "say alive")) == "alive"
        assert pool.statistics.deaths == 0


async def test_an_idle_slot_takes_over_what_lies_ready_elsewhere() -> None:
    async with scripted_pool(slots=2) as pool:
        jobs = [ask(pool, "hang") for _ in range(3)]
        assert jobs[2].state is JobState.PIPED
        other = jobs[1] if pool_slot_is_shared(pool, jobs[0], jobs[2]) else jobs[0]
        other.cancel()
        await soon(jobs[2].started)
        assert jobs[2].running


async def test_a_running_job_cannot_be_withdrawn() -> None:
    async with scripted_pool() as pool:
        job = ask(pool, "hang")
        assert not pool.withdraw(job)
        assert job.running


async def test_a_job_is_either_withdrawn_or_answered_however_close_the_race() -> None:
    async with scripted_pool() as pool:
        withdrawn = 0
        for number in range(300):
            ahead = ask(pool, "say ahead")
            job = ask(pool, f"say {number}")
            if number % 2:
                await soon(ahead.outcome)
            if pool.withdraw(job):
                withdrawn += 1
                assert job.outcome.cancelled()
            else:
                assert await code_of(job) == str(number)
            await soon(ahead.outcome)
        assert 0 < withdrawn < 300


async def test_cancelling_kills_the_run_and_the_slot_is_usable_at_once() -> None:
    async with scripted_pool() as pool:
        await until(lambda: pool.spares_ready == 1)
        warm = [ask(pool, "say warm"), ask(pool, "hang")]
        await soon(warm[1].started)
        begun = time.perf_counter()
        warm[1].cancel()
        assert await code_of(warm[1]) == "cancelled"
        assert await code_of(ask(pool, "say next")) == "next"
        assert time.perf_counter() - begun < 0.5
        assert pool.statistics.cancellations == 1


async def test_a_job_in_the_queue_is_cancelled_without_a_kill() -> None:
    async with scripted_pool() as pool:
        ask(pool, "hang")
        jobs = [ask(pool, "say piped"), ask(pool, "say queued")]
        for job in jobs:
            job.cancel()
            assert await code_of(job) == "cancelled"
        assert pool.statistics.cancellations == 0


async def test_cancelling_twice_or_after_the_end_changes_nothing() -> None:
    async with scripted_pool() as pool:
        job = ask(pool, "say done")
        assert await code_of(job) == "done"
        job.cancel()
        job.cancel()
        assert await code_of(job) == "done"


async def test_the_job_behind_a_cancelled_one_runs_in_the_next_process() -> None:
    async with scripted_pool() as pool:
        ahead, behind = ask(pool, "hang"), ask(pool, "say behind")
        ahead.cancel()
        assert await code_of(behind) == "behind"


@pytest.mark.parametrize("seconds", [0.005, 0.1])
async def test_a_run_is_killed_at_its_wall_clock_limit(seconds: float) -> None:
    async with scripted_pool() as pool:
        begun = time.perf_counter()
        job = ask(pool, "hang", timeout_seconds=seconds)
        assert await code_of(job) == "timeout"
        assert seconds <= time.perf_counter() - begun < seconds + 0.5
        assert job.peak_memory_bytes is not None
        assert pool.statistics.timeouts == 1


async def test_the_default_limit_holds_where_none_was_asked_for() -> None:
    limits = EngineLimits(default_timeout_seconds=0.05)
    async with scripted_pool(limits=limits) as pool:
        assert await code_of(ask(pool, "hang")) == "timeout"


async def test_a_piped_job_has_its_own_time_from_the_moment_it_begins() -> None:
    async with scripted_pool() as pool:
        ask(pool, "say ahead")
        piped = ask(pool, "hang", timeout_seconds=0.05)
        assert await code_of(piped) == "timeout"


@pytest.mark.parametrize(
    ("text", "reason"),
    [("signal 9", "SIGKILL"), ("signal 11", "SIGSEGV"), ("exit 7", "status 7"),
     ("babble", "no valid message")],
)  # fmt: skip
async def test_a_death_costs_its_own_job_alone(text: str, reason: str) -> None:
    async with scripted_pool() as pool:
        doomed, behind = ask(pool, text), ask(pool, "say behind")
        with pytest.raises(SimulatorDied, match=reason):
            await soon(doomed.outcome)
        assert await code_of(behind) == "behind"
        assert pool.statistics.deaths == 1


async def test_too_much_processor_time_is_the_clients_matter() -> None:
    async with scripted_pool() as pool:
        assert await code_of(ask(pool, "signal 24")) == "too_much_cpu"


async def test_an_endless_loop_is_the_clients_matter() -> None:
    async with scripted_pool() as pool:
        assert await code_of(ask(pool, "signal 27")) == "endless_loop"


async def test_a_spare_that_dies_is_replaced_without_a_word_to_anyone() -> None:
    # The servers of other tests.
    before = psutil.Process().children()
    async with scripted_pool() as pool:
        await until(lambda: pool.spares_ready == 1)
        running = ask(pool, "say pid")
        mine = int((await pid_of(running)).removeprefix("pid "))
        (spare,) = [
            child
            for child in psutil.Process().children()
            if child.pid != mine and child not in before
        ]
        spare.kill()
        await until(lambda: pool.simulators_started == 3)
        assert await code_of(ask(pool, "say fine")) == "fine"


async def test_a_process_that_asks_to_retire_is_replaced() -> None:
    async with scripted_pool() as pool:
        first = await pid_of(ask(pool, "retire done"))
        second = await pid_of(ask(pool, "say next"))
        assert first != second
        assert pool.statistics.recycled == 1


async def test_a_job_behind_a_process_that_retires_is_not_lost() -> None:
    async with scripted_pool() as pool:
        for _ in range(5):
            jobs = [ask(pool, "retire done"), ask(pool, "say behind")]
            assert [await code_of(job) for job in jobs] == ["done", "behind"]


async def test_capacity_is_announced_when_a_job_ends() -> None:
    async with scripted_pool() as pool:
        announced = asyncio.Event()
        job = ask(pool, "hang")
        behind = ask(pool, "hang")
        pool.on_capacity = announced.set
        job.cancel()
        await soon(behind.started)
        await soon(announced.wait())


async def test_closing_is_quick_leaves_no_process_and_settles_every_job() -> None:
    before = set(psutil.Process().children())
    async with scripted_pool(slots=2) as pool:
        jobs = [ask(pool, "hang") for _ in range(6)]
        await soon(jobs[0].started)
        begun = time.perf_counter()
        await pool.close()
        assert time.perf_counter() - begun < 0.5
        for job in jobs:
            with pytest.raises(PoolClosed):
                await soon(job.outcome)
        assert set(psutil.Process().children()) <= before
        with pytest.raises(PoolClosed):
            ask(pool, "say late")


def test_the_parent_side_never_imports_the_simulator() -> None:
    program = (
        "import sys, infrastructure.quantum.pool; sys.exit('qiskit' in sys.modules or 'numpy' in"
        " sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


async def test_processes_that_cannot_start_are_reported_with_the_reason() -> None:
    pool = SimulatorPool(1, EngineLimits(), program="tests.support.broken_simulator")
    with pytest.raises(SimulatorDied, match="could not start: it exited with status 3"):
        await soon(pool.start())
    assert "it exited with status 3" in (pool.start_problem or "")


async def test_a_pool_that_started_has_its_slots_and_no_problem() -> None:
    async with scripted_pool(slots=2) as pool:
        assert (pool.slots, pool.busy, pool.start_problem) == (2, 0, None)


@pytest.mark.parametrize(("user", "hides"), [(0, False), (1_000, True)])
async def test_only_roots_children_need_no_hiding_from(
    user: int, hides: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden: list[bool] = []
    monkeypatch.setattr("infrastructure.quantum.pool.os.geteuid", lambda: user)
    monkeypatch.setattr(
        "infrastructure.quantum.pool.hide_from_children", lambda: hidden.append(True)
    )
    pool = SimulatorPool(1, EngineLimits(), program="tests.support.broken_simulator")
    with pytest.raises(SimulatorDied):
        await soon(pool.start())
    assert bool(hidden) is hides


async def test_an_idle_simulator_that_dies_is_replaced() -> None:
    async with scripted_pool() as pool:
        first = await pid_of(ask(pool, "say pid"))
        psutil.Process(int(first.removeprefix("pid "))).kill()
        await until(lambda: pool.statistics.deaths == 1)
        assert await pid_of(ask(pool, "say next")) != first


async def test_a_request_larger_than_the_socket_buffer_arrives() -> None:
    async with scripted_pool() as pool:
        text = "say big " + "x" * 3_000_000
        assert len(await code_of(ask(pool, text))) > 3_000_000


async def test_large_requests_that_are_withdrawn_do_not_confuse_the_next() -> None:
    async with scripted_pool() as pool:
        for number in range(10):
            ahead = ask(pool, "say ahead")
            unwanted = ask(pool, "say unwanted " + "x" * 500_000)
            pool.withdraw(unwanted)
            assert await code_of(ask(pool, f"say {number}")) == str(number)
            await soon(ahead.outcome)

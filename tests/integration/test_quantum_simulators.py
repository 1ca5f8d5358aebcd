"""Real simulator processes: what they run, what they may, and how they end."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from domain.execution import RunFailed, RunOptions, RunOutcome, RunRequest, RunSucceeded
from infrastructure.quantum.pool import EngineLimits, Job, SimulatorDied, SimulatorPool

T = TypeVar("T")
PATIENCE = 60.0
BELL = "OPENQASM 3; qubit[2] q; h q[0]; cx q[0], q[1]; measure q;"
FOREVER = "OPENQASM 3; qubit q; bit c; c = measure q; while (!c) { c = measure q; }"
WIDE = "OPENQASM 3; qubit[25] q; h q; t q; for int i in [0:23] { cp(0.1) q[i], q[i+1]; h q; t q; }"
WIDE_MEASURED = WIDE + " measure q;"


@asynccontextmanager
async def real_pool(
    slots: int = 1, limits: EngineLimits | None = None
) -> AsyncIterator[SimulatorPool]:
    pool = SimulatorPool(slots, limits or EngineLimits())
    await soon(pool.start())
    try:
        yield pool
    finally:
        await pool.close()


async def soon(waiting: Awaitable[T]) -> T:
    return await asyncio.wait_for(asyncio.shield(asyncio.ensure_future(waiting)), PATIENCE)


async def until(condition: Callable[[], bool]) -> None:
    async def poll() -> None:
        while not condition():
            await asyncio.sleep(0.005)

    await soon(poll())


def ask(pool: SimulatorPool, text: str, **options: object) -> Job:
    return pool.submit(RunRequest(text, RunOptions(**options)))  # type: ignore[arg-type]


async def success(pool: SimulatorPool, text: str, **options: object) -> RunSucceeded:
    outcome = await soon(ask(pool, text, **options).outcome)
    assert isinstance(outcome, RunSucceeded), outcome
    return outcome


async def failure(pool: SimulatorPool, text: str, **options: object) -> RunFailed:
    outcome: RunOutcome = await soon(ask(pool, text, **options).outcome)
    assert isinstance(outcome, RunFailed), outcome
    return outcome


def children() -> list[psutil.Process]:
    """The simulators alone: the servers of other tests are children of this process too."""
    return [
        child
        for child in psutil.Process().children()
        if lives(child) and "infrastructure.quantum.child" in child.cmdline()
    ]


def lives(process: psutil.Process) -> bool:
    """Whether it runs. In a container without an init, a dead orphan stays listed for ever."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


async def test_the_quickstarts_circuit_runs() -> None:
    async with real_pool() as pool:
        outcome = await success(pool, "OPENQASM 3; qubit q; h q; measure q;")
        assert set(outcome.counts) == {"0", "1"}
        assert sum(outcome.counts.values()) == 1024


@pytest.mark.parametrize(
    "text",
    [
        BELL,
        "OPENQASM 3; qubit[3] q; ry(0.7) q; cp(0.4) q[0], q[1]; h q; measure q;",
        "OPENQASM 3; qubit[2] q; bit[3] c; h q; c[0] = measure q[0]; if (c[0]) { x q[1]; }"
        " h q[0]; c[1] = measure q[0]; c[2] = measure q[1];",
    ],
)
async def test_the_same_seed_gives_the_same_shots_in_every_process(text: str) -> None:
    outcomes = []
    for _ in range(2):
        async with real_pool() as pool:
            outcomes.append(await success(pool, text, shots=500, seed=2**63 - 1, memory=True))
    assert outcomes[0].counts == outcomes[1].counts
    assert outcomes[0].memory == outcomes[1].memory


async def test_a_run_can_be_repeated_from_its_execution_record() -> None:
    async with real_pool(slots=2) as pool:
        text = "OPENQASM 3; qubit[2] q; h q; t q; h q; measure q;"
        first = await success(pool, text, shots=2000)
        record = first.execution
        again = await success(
            pool, text, shots=record["shots"], seed=record["seed"], method=record["method"]
        )
        assert again.counts == first.counts
        assert again.execution["normalised_sha256"] == record["normalised_sha256"]


async def test_a_simulator_knows_no_secret_and_holds_no_foreign_descriptor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("DATABASE_URL", "RABBITMQ_URL", "PGPASSWORD", "KETLOG_SECRET"):
        monkeypatch.setenv(name, "do-not-tell")
    foreign = os.open("/dev/zero", os.O_RDONLY)
    os.set_inheritable(foreign, True)
    try:
        async with real_pool() as pool:
            await until(lambda: pool.spares_ready == 1)
            for child in children():
                folder = Path(f"/proc/{child.pid}")
                assert b"do-not-tell" not in (folder / "environ").read_bytes()
                targets = [os.readlink(link) for link in (folder / "fd").iterdir()]  # noqa: PTH115
                assert not any("zero" in target for target in targets)
                assert sum(target.startswith("socket:") for target in targets) == 1
    finally:
        os.close(foreign)


async def test_a_simulator_has_no_privileges_and_goes_first_when_memory_runs_out() -> None:
    async with real_pool() as pool:
        await until(lambda: pool.spares_ready == 1)
        for child in children():
            status = Path(f"/proc/{child.pid}/status").read_text(encoding="ascii")
            fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
            assert fields["NoNewPrivs"].strip() == "1"
            assert int(fields["CapEff"], 16) == 0
            assert int(fields["CapPrm"], 16) == 0
            score = Path(f"/proc/{child.pid}/oom_score_adj").read_text(encoding="ascii")
            assert int(score) >= 500
            assert child.rlimit(psutil.RLIMIT_CORE) == (0, 0)
            assert os.getsid(child.pid) == child.pid


async def test_simulators_die_with_the_process_that_started_them() -> None:
    program = (
        "import asyncio, os, signal\n"
        "from infrastructure.quantum.pool import EngineLimits, SimulatorPool\n"
        "async def main():\n"
        "    pool = SimulatorPool(1, EngineLimits())\n"
        "    await pool.start()\n"
        "    await asyncio.sleep(3600)\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    watched = psutil.Process(parent.pid)
    await until(lambda: len(watched.children()) == 2)
    offspring = watched.children()
    parent.kill()
    await parent.wait()
    await until(lambda: not any(map(lives, offspring)))


async def test_a_run_that_never_ends_is_stopped_and_the_slot_is_usable_at_once() -> None:
    async with real_pool() as pool:
        await success(pool, BELL)
        await until(lambda: pool.spares_ready == 1)
        begun = time.perf_counter()
        stopped = ask(pool, FOREVER, timeout_seconds=0.5)
        behind = ask(pool, BELL)
        outcome = await soon(stopped.outcome)
        killed = time.perf_counter()
        await soon(behind.outcome)
        assert isinstance(outcome, RunFailed)
        assert outcome.code == "timeout"
        assert killed - begun < 1.0
        assert time.perf_counter() - killed < 0.5


async def test_a_loop_that_never_ends_is_found_out_in_its_first_shot() -> None:
    limits = EngineLimits(max_loop_seconds=0.3)
    async with real_pool(limits=limits) as pool:
        assert (await failure(pool, FOREVER)).code == "endless_loop"


async def test_a_loop_that_ends_is_run_in_full() -> None:
    text = "OPENQASM 3; qubit q; bit c = 1; while (c) { reset q; h q; c = measure q; }"
    async with real_pool() as pool:
        assert (await success(pool, text, shots=500)).counts == {"0": 500}


async def test_a_running_simulation_is_cancelled_in_time() -> None:
    async with real_pool() as pool:
        await until(lambda: pool.spares_ready == 1)
        job = ask(pool, WIDE_MEASURED)
        await soon(job.started)
        begun = time.perf_counter()
        job.cancel()
        outcome = await soon(job.outcome)
        assert time.perf_counter() - begun < 0.5
        assert isinstance(outcome, RunFailed)
        assert outcome.code == "cancelled"


async def test_small_circuits_do_not_wait_behind_a_long_one() -> None:
    async with real_pool(slots=2) as pool:
        long = ask(pool, WIDE_MEASURED)
        small = [ask(pool, BELL) for _ in range(20)]
        await soon(asyncio.gather(*(job.outcome for job in small)))
        assert long.running


async def test_a_simulator_killed_from_outside_costs_its_own_run_alone() -> None:
    async with real_pool() as pool:
        doomed = ask(pool, WIDE_MEASURED)
        behind = ask(pool, BELL)
        await soon(doomed.started)
        # Idle from now on, so that the other one is the busy one.
        await until(lambda: pool.spares_ready == 1)
        max(children(), key=lambda child: child.cpu_percent(interval=0.2)).kill()
        with pytest.raises(SimulatorDied, match="SIGKILL"):
            await soon(doomed.outcome)
        assert isinstance(await soon(behind.outcome), RunSucceeded)


async def test_memory_beyond_the_limit_is_refused_before_it_is_taken() -> None:
    limits = EngineLimits(simulator_memory_mb=256)
    async with real_pool(limits=limits) as pool:
        job = ask(pool, WIDE_MEASURED)
        outcome = await soon(job.outcome)
        assert isinstance(outcome, RunFailed)
        assert outcome.code == "too_much_memory"
        assert job.peak_memory_bytes is not None
        assert job.peak_memory_bytes < 512 * 2**20


async def test_memory_that_no_estimate_foresaw_is_refused_by_the_system() -> None:
    limits = EngineLimits(simulator_memory_mb=64)
    text = (
        "OPENQASM 3; qubit[40] q; h q; t q;"
        " for int i in [0:19] { for int k in [0:19] { cp(0.37) q[i], q[20 + (i + k) % 20]; } h q; }"
        " measure q;"
    )
    async with real_pool(limits=limits) as pool:
        job = ask(pool, text, method="matrix_product_state", shots=10, timeout_seconds=30)
        try:
            outcome = await soon(job.outcome)
        except SimulatorDied:
            pass
        else:
            assert isinstance(outcome, RunFailed)
            assert outcome.code in {"too_much_memory", "timeout"}
        assert isinstance(await soon(ask(pool, BELL).outcome), RunSucceeded)


async def test_processor_time_is_bounded_on_its_own() -> None:
    limits = EngineLimits(simulator_cpu_seconds=1)
    async with real_pool(limits=limits) as pool:
        failed = await failure(pool, WIDE_MEASURED, timeout_seconds=50)
        assert failed.code == "too_much_cpu"
        assert (await success(pool, BELL)).counts


async def test_a_simulator_that_keeps_too_much_memory_is_replaced() -> None:
    limits = EngineLimits(simulator_recycle_mb=1)
    async with real_pool(limits=limits) as pool:
        await success(pool, BELL)
        await success(pool, BELL)
        assert pool.statistics.recycled == 2

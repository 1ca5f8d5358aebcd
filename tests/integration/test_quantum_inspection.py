"""Circuits that are looked at in a process of its own, also when it misbehaves."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import psutil
import pytest

from domain.errors import InspectionTooLong, InspectorAway
from domain.execution import RunFailed, RunRequest
from domain.inspection import CircuitDrawing, CircuitReport, Inspection
from infrastructure.quantum.inspection import IDLE_SECONDS, InspectionProcess
from infrastructure.quantum.limits import EngineLimits
from tests.support.tasks import BELL
from tests.support.waiting import eventually

SCRIPTED = "tests.support.scripted_simulator"
PATIENCE = 20.0
BOMB = "OPENQASM 3; gate g0 a { x a; } " + "".join(
    f"gate g{n} a {{ g{n - 1} a; g{n - 1} a; }} " for n in range(1, 40)
)
"""Gates that double forty times."""


@contextlib.asynccontextmanager
async def scripted(
    seconds: float = 5.0, idle: float = IDLE_SECONDS
) -> AsyncIterator[InspectionProcess]:
    process = InspectionProcess(
        EngineLimits(), seconds=seconds, idle_seconds=idle, program=SCRIPTED
    )
    try:
        async with asyncio.timeout(PATIENCE):
            yield process
    finally:
        await process.close()


def check(circuit: str) -> Inspection:
    return Inspection("check", RunRequest(circuit))


async def said(process: InspectionProcess, circuit: str) -> RunFailed:
    """What a scripted process says; its message names the process."""
    answer = await process.inspect(check(circuit))
    assert isinstance(answer, RunFailed)
    return answer


def children() -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE and SCRIPTED in child.cmdline()
    ]


async def test_the_process_is_started_for_the_first_question_and_kept() -> None:
    async with scripted() as process:
        assert (process.started, children()) == (0, [])
        first, second = await said(process, "say one"), await said(process, "say two")
        assert (first.code, second.code) == ("one", "two")
        assert first.message == second.message
        assert process.started == 1
    assert children() == []


async def test_questions_at_the_same_time_take_turns() -> None:
    async with scripted() as process:
        answers = await asyncio.gather(*(said(process, f"say {n}") for n in range(20)))
        assert [answer.code for answer in answers] == [str(n) for n in range(20)]
        assert process.started == 1


async def test_a_process_that_is_asked_nothing_is_ended() -> None:
    async with scripted(idle=0.05) as process:
        before = await said(process, "say one")
        await eventually(lambda: children() == [], what="no process")
        after = await said(process, "say two")
        assert before.message != after.message
        assert process.started == 2


async def test_what_takes_too_long_is_killed_and_the_next_question_answered() -> None:
    async with scripted() as process:
        await said(process, "say ready")
        process._seconds = 0.1
        with pytest.raises(InspectionTooLong, match=r"stopped after 0\.1 seconds"):
            await process.inspect(check("hang"))
        process._seconds = 5.0
        assert (await said(process, "say well")).code == "well"


async def test_a_limit_of_processor_time_counts_as_too_long() -> None:
    async with scripted() as process:
        with pytest.raises(InspectionTooLong):
            await process.inspect(check("signal 24"))
        assert (await said(process, "say well")).code == "well"


@pytest.mark.parametrize("verb", ["exit 3", "signal 9", "signal 11", "babble"])
async def test_a_process_that_dies_costs_one_question(verb: str) -> None:
    async with scripted() as process:
        with pytest.raises(InspectorAway, match="ended"):
            await process.inspect(check(verb))
        assert (await said(process, "say well")).code == "well"


async def test_a_process_that_died_idle_is_replaced() -> None:
    async with scripted() as process:
        await said(process, "say one")
        (child,) = children()
        child.kill()
        await eventually(lambda: process._child is not None and process._child.ended)
        assert (await said(process, "say two")).code == "two"


async def test_a_process_that_keeps_too_much_memory_is_replaced() -> None:
    async with scripted() as process:
        first, second = await said(process, "retire one"), await said(process, "say two")
        assert first.message != second.message


async def test_a_process_that_cannot_start_is_named() -> None:
    process = InspectionProcess(
        EngineLimits(), seconds=5.0, program="tests.support.broken_simulator"
    )
    with pytest.raises(InspectorAway, match="exited with status 3"):
        await process.inspect(check("say one"))


async def test_a_question_that_is_given_up_leaves_no_process() -> None:
    async with scripted() as process:
        await said(process, "say ready")
        waiting = asyncio.create_task(process.inspect(check("hang")))
        await eventually(lambda: process._child is None)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await eventually(lambda: children() == [], what="no process")


async def test_real_circuits_are_checked_and_drawn_and_hostile_ones_refused() -> None:
    process = InspectionProcess(EngineLimits(), seconds=10.0)
    try:
        report = await process.inspect(check(BELL))
        drawn = await process.inspect(Inspection("drawing", RunRequest(BELL)))
        began = time.monotonic()
        bomb = await process.inspect(check(f"{BOMB} qubit q; g39 q; measure q;"))
        assert time.monotonic() - began < 10
        assert isinstance(report, CircuitReport)
        assert report.facts["operations"] == {"h": 1, "cx": 1, "measure": 2}
        assert isinstance(drawn, CircuitDrawing)
        assert "┤ H ├" in drawn.text
        assert isinstance(bomb, RunFailed)
        assert bomb.code in {"too_many_operations", "too_many_steps"}
        assert process.started == 1
    finally:
        await process.close()

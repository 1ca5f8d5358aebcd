"""What clients of the API may count on, through the real processes."""

import asyncio
from collections import Counter

import pytest

from service.api.models import TaskStatus
from tests.support.client import Client
from tests.support.processes import System
from tests.support.tasks import BELL

ROTATION = (
    'OPENQASM 3.0; include "stdgates.inc"; input float theta; '
    "qubit q; bit c; rx(theta) q; c = measure q;"
)
OPENQASM_2 = (
    'OPENQASM 2.0; include "qelib1.inc"; qreg q[3]; creg a[1]; creg b[2]; '
    "x q[0]; x q[2]; measure q[0] -> a[0]; measure q[1] -> b[0]; measure q[2] -> b[1];"
)


@pytest.fixture
def stack(ketlog: System) -> System:
    """A whole system that is ready."""
    for start in (ketlog.api, ketlog.relay, ketlog.worker):
        start()
    ketlog.wait_ready()
    return ketlog


async def test_a_circuit_that_cannot_be_run_is_accepted_and_fails_with_a_reason(
    stack: System,
) -> None:
    async with Client(stack.api_url) as client:
        ids = await client.submit_all({"circuit": text} for text in ("test", "task 1", "\x00", "é"))
        for task in await client.all_ended(ids):
            TaskStatus.model_validate(task)
            assert task["status"] == "failed"
            assert task["error_code"]
            assert "line 1, column" in task["error_message"]
            assert "result" not in task
            assert task["status_history"][-1]["notes"] == f"Task failed: {task['error_code']}"


async def test_options_are_honoured(stack: System) -> None:
    async with Client(stack.api_url) as client:
        seeded = {"circuit": BELL, "shots": 500, "seed": 7, "memory": True}
        one, two = await client.all_ended(await client.submit_all([seeded, seeded]))
        assert one["result"] == two["result"]
        assert one["memory"] == two["memory"]
        assert Counter(one["memory"]) == one["result"]
        assert set(one["result"]) == {"00", "11"}
        assert one["execution"]["seed"] == 7
        TaskStatus.model_validate(one)

        other = {
            "circuit": "OPENQASM 3; qubit[2] q; x q[1];",
            "measure_all": True,
            "method": "statevector",
            "shots": 3,
        }
        ended = await client.ended(await client.submit(other))
        assert ended["result"] == {"10": 3}
        assert ended["execution"]["method"] == "statevector"
        assert "memory" not in ended

        full_turn = {"circuit": ROTATION, "parameters": {"theta": 3.141592653589793}}
        assert (await client.ended(await client.submit(full_turn)))["result"] == {"1": 1024}


async def test_the_last_register_is_leftmost_and_registers_are_apart(stack: System) -> None:
    async with Client(stack.api_url) as client:
        task = await client.ended(await client.submit({"circuit": OPENQASM_2, "shots": 9}))
    assert task["result"] == {"10 1": 9}


async def test_what_is_submitted_without_a_worker_waits_for_one(ketlog: System) -> None:
    ketlog.api()
    ketlog.relay()
    ketlog.wait_ready()
    async with Client(ketlog.api_url) as client:
        ids = await client.submit_all([{"circuit": BELL}] * 5)
        assert {(await client.task(task_id))["status"] for task_id in ids} == {"pending"}
        ketlog.worker()
        ended = await client.all_ended(ids)
        assert {task["status"] for task in ended} == {"completed"}


async def test_a_key_that_is_used_again_does_not_run_the_circuit_again(stack: System) -> None:
    async with Client(stack.api_url) as client:
        first = await client.post({"circuit": BELL}, **{"Idempotency-Key": "k"})
        ended = await client.ended(first.json()["task_id"])
        again = await asyncio.gather(
            *(client.post({"circuit": BELL}, **{"Idempotency-Key": "k"}) for _ in range(8))
        )
        assert {answer.content for answer in again} == {first.content}
        assert await client.task(first.json()["task_id"]) == ended

"""Sixty results of two workers, run again after a restart of everything: bit for bit the same."""

import asyncio
import sys
from itertools import chain
from typing import Any

from tests.support.client import Client
from tests.support.processes import ROOT, System
from tests.support.tasks import BELL

TERNARY = (
    "OPENQASM 3; qubit[3] q; bit[3] c; h q[0]; t q[0]; h q[1]; cx q[0], q[1]; t q[1]; h q[1];"
    " cx q[1], q[2]; c = measure q;"
)
FEED_FORWARD = (
    "OPENQASM 3; qubit[2] q; bit[2] c; h q[0]; t q[0]; h q[0]; c[0] = measure q[0];"
    " if (c[0]) { h q[1]; } c[1] = measure q[1];"
)
RESET = (
    "OPENQASM 3; qubit[2] q; bit[2] c; h q[0]; c[0] = measure q[0]; reset q[0]; h q[0];"
    " cx q[0], q[1]; c[1] = measure q[1];"
)
ROTATED = "OPENQASM 3; input float a; input angle b; qubit q; rx(a) q; rz(b) q; h q; measure q;"
OPENQASM_2 = (
    'OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; creg c[2]; ry(pi/3) q[0]; cx q[0],q[1];'
    " ry(pi/4) q[1]; measure q -> c;"
)
WIDE = "OPENQASM 3; qubit[40] q; bit[40] c; h q[0]; cx q[0], q[1]; h q[39]; c = measure q;"

METHODS = (
    ("statevector", TERNARY, 200),
    ("density_matrix", TERNARY, 200),
    ("matrix_product_state", TERNARY, 200),
    ("extended_stabilizer", TERNARY, 2),
    ("stabilizer", BELL, 200),
    ("automatic", BELL, 200),
    ("automatic", WIDE, 200),
    ("automatic", TERNARY, 200),
)
"""Method, circuit and shots; Aer takes a tenth of a second for a shot of the slowest."""


def bodies() -> list[dict[str, Any]]:
    """Sixty submissions; of a third the engine chooses the seed."""
    return list(
        chain(
            (
                {"circuit": circuit, "shots": shots + seed, "method": method, "seed": seed}
                for method, circuit, shots in METHODS
                for seed in (1, 2, 3)
            ),
            ({"circuit": circuit, "shots": 300} for circuit in (BELL, TERNARY, OPENQASM_2) * 4),
            (
                {"circuit": circuit, "shots": 100, "memory": True, "seed": seed}
                for circuit in (FEED_FORWARD, RESET)
                for seed in range(6)
            ),
            (
                {"circuit": ROTATED, "parameters": {"a": 0.1 * n, "b": 0.2}, "shots": 250}
                for n in range(12)
            ),
        )
    )


async def test_sixty_results_are_the_same_bit_for_bit_after_a_restart(ketlog: System) -> None:
    submissions = bodies()
    assert len(submissions) == 60
    for start in (ketlog.api, ketlog.relay):
        start()
    ketlog.worker("worker-1", WORKER_SLOTS="1")
    ketlog.worker("worker-2", WORKER_SLOTS="1")
    ketlog.wait_ready()
    async with Client(ketlog.api_url) as client:
        ids = await client.submit_all(submissions)
        ended = await client.all_ended(ids, within=120)
    assert {task["status"] for task in ended} == {"completed"}
    assert {task["execution"]["worker_id"] for task in ended} == {"worker-1", "worker-2"}
    methods = {task["execution"]["method"] for task in ended}
    assert methods == {method for method, _, _ in METHODS} - {"automatic"}
    assert {task["execution"]["sampler"] for task in ended} >= {
        "exact_probabilities",
        "shot_by_shot",
    }

    for process in ketlog.processes.values():
        process.end()
        process.start()
    ketlog.wait_ready()
    said = await _reproduce(ketlog, "--sample", "60")
    assert said.count("REPRODUCED: ") == 60, said
    assert "OK: 60 reproduced." in said

    async with Client(ketlog.api_url) as client:
        for before in ended:
            after = await client.task(before["task_id"])
            (made,) = after.pop("reproductions")
            assert (made["outcome"], made["distance"], made["differences"]) == ("reproduced", 0, {})
            assert after == before | {"version": before["version"] + 1}


async def _reproduce(ketlog: System, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "service.audit", "reproduce", *arguments),
        cwd=ROOT,
        env=ketlog.processes["worker-1"].environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(120):
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()

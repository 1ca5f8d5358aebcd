"""Circuits looked at without being run, by the processes themselves."""

import asyncio
import time
from pathlib import Path

import httpx2
import psutil

from service.api.check_models import CircuitCheck, RunnableCircuit
from tests.support.api import problem
from tests.support.client import Client
from tests.support.processes import NAME_IMPORTS, system
from tests.support.tasks import BELL
from tests.support.waiting import eventually

# Eight seconds on a fast machine, and CHECK_SECONDS is two.
SLOW_TO_COMPILE = (
    "OPENQASM 3; qubit[64] q;"
    " for int i in [1:30000] { pow(0.37) @ ctrl @ u3(i * 0.1, 0.2, 0.3) q[i % 63], q[63]; }"
    " measure q;"
)


async def test_circuits_are_checked_and_drawn_by_a_worker_and_nothing_is_kept_of_it(
    database_url: str, rabbitmq_url: str, tmp_path: Path
) -> None:
    with system(database_url, rabbitmq_url, tmp_path) as ketlog:
        api = ketlog.api(**NAME_IMPORTS)
        ketlog.wait_ready()
        async with (
            Client(ketlog.api_url) as client,
            httpx2.AsyncClient(base_url=ketlog.api_url, timeout=20) as http,
        ):
            task_id = await client.submit({"circuit": BELL})
            early = await http.post("/circuits:check", json={"circuit": BELL})
            assert problem(early, 503)["type"] == "urn:ketlog:problem:no-worker"
            worker = ketlog.worker(WORKER_SLOTS="1", CHECK_SECONDS="2")

            async def checked() -> bool:
                return (await http.post("/circuits:check", json={"circuit": BELL})).is_success

            await eventually(checked, within=30)
            answer = await http.post("/circuits:check", json={"circuit": BELL, "shots": 500})
            check = CircuitCheck.model_validate(answer.json()).root
            assert isinstance(check, RunnableCircuit)
            assert (check.operations, check.shots) == ({"h": 1, "cx": 1, "measure": 2}, 500)
            bad = await http.post("/circuits:check", json={"circuit": "test"})
            assert bad.json()["error_code"] == "parse_error"
            assert bad.json()["errors"][0]["column"] == 5
            drawn = await http.get(f"/tasks/{task_id}/circuit?as=drawing")
            assert "┤ H ├" in drawn.text
            picture = await http.get(f"/tasks/{task_id}/circuit?as=svg")
            assert picture.headers["content-type"] == "image/svg+xml"

            began = time.monotonic()
            hostile = await http.post("/circuits:check", json={"circuit": SLOW_TO_COMPILE})
            assert problem(hostile, 504)["type"] == "urn:ketlog:problem:check-too-long"
            assert time.monotonic() - began < 10
            # The next process has to be there first, which may take longer than a question may.
            await eventually(checked, within=30)
            watched = psutil.Process(worker.pid)
            assert any("inspection_child" in " ".join(c.cmdline()) for c in watched.children())
        assert not {"qiskit", "qiskit_aer", "numpy"} & api.imported()
        assert await asyncio.to_thread(worker.stop) == 0
        for process in ketlog.processes.values():
            assert "OPENQASM" not in process.log()

"""What is erased through the real processes is gone everywhere, and everything else still holds."""

import json
from functools import partial
from pathlib import Path

import asyncpg

from tests.end_to_end.test_proof import proved, run, sealing
from tests.support.client import Client
from tests.support.processes import System
from tests.support.waiting import eventually

SECRET = "the grail"
CIRCUIT = f"OPENQASM 3; // {SECRET}\ninput float theta; qubit[2] q; rx(theta) q[0]; measure q;"
PARAMETER = 1.2345678
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def test_erased_content_is_nowhere_and_the_log_holds(
    ketlog: System, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    watched = {"LOG_LEVEL": "DEBUG", "OTEL_TRACES_SAMPLER": "always_on"}
    ketlog.api(**watched)
    ketlog.relay(**watched, **sealing(ketlog))
    ketlog.worker(**watched)
    ketlog.wait_ready()
    async with Client(ketlog.api_url) as client:
        body = {"circuit": CIRCUIT, "parameters": {"theta": PARAMETER}, "memory": True}
        task_id = await client.submit(body)
        assert (await client.ended(task_id))["status"] == "completed"
        assert await holding(owner) == {"payloads"}
        for _ in range(2):
            assert (await client.erase(task_id, traceparent=TRACEPARENT)).status_code == 204
        task = await client.task(task_id)
        assert task["status"] == "completed"
        assert task["erased"] == ["circuit", "parameters", "result", "memory"]
        assert not {"result", "memory"} & task.keys()
        await proved(client, task_id)
        answer = await client.get(f"/tasks/{task_id}/proof?contents=true")
    assert await owner.fetchval("SELECT count(*) FROM payloads") == 0
    await eventually(partial(traced, owner), 15.0, "the run is in the trace store")
    assert await holding(owner) == set()

    file = tmp_path / "task.json"
    file.write_bytes(answer.content)
    key = str(ketlog.folder / "signing.key.pub")
    offline = await run(ketlog, "verifier/ketlog_verify.py", "--key", key, str(file))
    assert (offline.returncode, offline.stderr) == (0, "")
    assert "version 4 says that the contents were erased" in offline.stdout
    verified = await run(ketlog, "-m", "service.audit", "verify")
    assert verified.returncode == 0, verified.stdout
    assert "erased contents: 4; their events stay valid" in verified.stdout
    replayed = await run(ketlog, "-m", "service.audit", "replay")
    assert replayed.returncode == 0, replayed.stdout
    timeline = await run(ketlog, "-m", "service.audit", "timeline", task_id)
    assert timeline.returncode == 0, timeline.stdout
    assert "contents removed: circuit, parameters, result, memory" in timeline.stdout
    again = await run(ketlog, "-m", "service.audit", "reproduce", task_id)
    assert again.returncode == 2
    assert f"NOT COMPARED: task {task_id}: its circuit was erased" in again.stdout

    ketlog.end()
    logs = [process.log() for process in ketlog.processes.values()]
    assert any(task_id in log for log in logs)
    for log in logs:
        assert SECRET not in log
        assert str(PARAMETER) not in log


async def traced(owner: asyncpg.Connection) -> bool:
    """Whether the spans of the worker and of the erasure have arrived."""
    names = await owner.fetchval("SELECT array_agg(DISTINCT span ->> 'name') FROM spans")
    return {"run", "DELETE /tasks/{task_id}/contents"} <= set(names or ())


async def holding(owner: asyncpg.Connection) -> set[str]:
    """The tables in which the content of the task can be found."""
    names = await owner.fetch("SELECT relname FROM pg_stat_user_tables WHERE relname !~ 'yoyo'")
    found = set()
    for (name,) in names:
        rows = await owner.fetch(f'SELECT * FROM "{name}"')
        text = json.dumps([dict(row) for row in rows], default=_shown)
        if SECRET in text or str(PARAMETER) in text:
            found.add(name)
    return found


def _shown(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)

"""A task is sealed, proved and verified through the real processes, also while relays die."""

import asyncio
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

from infrastructure.checkpoint_folder import CheckpointFolder
from tests.support.client import Client
from tests.support.processes import ROOT, System
from tests.support.tasks import QUICKSTART
from tests.support.waiting import eventually


def sealing(ketlog: System) -> dict[str, str]:
    """Settings of the relays: quick rounds, and one sink for all of them."""
    return {"SEAL_SECONDS": "0.1", "CHECKPOINT_SINK": str(ketlog.folder / "shipped")}


async def run(ketlog: System, *command: str) -> "subprocess.CompletedProcess[str]":
    """A command as somebody at the shell would run it."""
    environment = {
        **os.environ,
        **sealing(ketlog),
        "DATABASE_URL": ketlog.database_url,
        "SIGNING_KEY_FILE": str(ketlog.folder / "signing.key"),
    }
    return await asyncio.to_thread(
        partial(subprocess.run, capture_output=True, text=True, timeout=60, check=False),
        [sys.executable, *command],
        env=environment,
        cwd=ROOT,
    )


async def proved(client: Client, task_id: str) -> dict[str, Any]:
    """A task's proof once every event of it is under a checkpoint."""
    proof: dict[str, Any] = {}

    async def sealed() -> bool:
        nonlocal proof
        proof = (await client.get(f"/tasks/{task_id}/proof?contents=true")).json()
        return all(event["leaf"] is not None for event in proof["events"])

    await eventually(sealed, 20.0, "every event is sealed")
    return proof


async def test_a_finished_task_is_proved_offline(ketlog: System, tmp_path: Path) -> None:
    ketlog.api()
    ketlog.relay(**sealing(ketlog))
    ketlog.worker()
    ketlog.wait_ready()
    async with Client(ketlog.api_url) as client:
        task_id = await client.submit({"circuit": QUICKSTART})
        await client.ended(task_id)
        await proved(client, task_id)
        answer = await client.get(f"/tasks/{task_id}/proof?contents=true")
    file = tmp_path / "task.json"
    file.write_bytes(answer.content)
    key = str(ketlog.folder / "signing.key.pub")
    offline = await run(ketlog, "verifier/ketlog_verify.py", "--key", key, str(file))
    assert (offline.returncode, offline.stderr) == (0, "")
    assert "3 events, 3 of them shown to be in the signed tree" in offline.stdout
    assert "the result is what version 3 commits to" in offline.stdout
    verified = await run(ketlog, "-m", "service.audit", "verify")
    assert (verified.returncode, verified.stderr) == (0, "")
    assert "3 events verified" in verified.stdout
    assert "shipped checkpoints: " in verified.stdout


async def test_sealing_goes_on_through_the_deaths_of_relays(ketlog: System) -> None:
    ketlog.api()
    relays = [ketlog.relay(name, **sealing(ketlog)) for name in ("first", "second")]
    ketlog.wait_ready()
    ids: list[str] = []
    async with Client(ketlog.api_url) as client:
        for turn in range(4):
            relay = relays[turn % 2]
            submitting = asyncio.create_task(
                client.submit_all([{"circuit": QUICKSTART}] * 150), name="submissions"
            )
            await asyncio.sleep(0)
            relay.kill()
            ids += await submitting
            relay.start()
        proof = await proved(client, ids[-1])
    assert proof["checkpoint"] is not None

    async def whole() -> bool:
        verified = await run(ketlog, "-m", "service.audit", "verify")
        assert verified.returncode == 0, verified.stdout
        return "nobody vouches" not in verified.stdout and "600 events" in verified.stdout

    await eventually(whole, 30.0, "everything is sealed")
    assert CheckpointFolder(ketlog.folder / "shipped").latest() == 600

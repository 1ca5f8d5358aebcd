"""The demonstration and the look at a task, as somebody at a terminal runs them."""

import os
import re
import subprocess
import sys

import pytest

from tests.support.processes import ROOT, System


@pytest.fixture
def stack(ketlog: System) -> System:
    """A whole system that is ready."""
    for start in (ketlog.api, ketlog.relay, ketlog.worker):
        start()
    ketlog.wait_ready()
    return ketlog


def run(stack: System, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run the command line without a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "service.cli", *arguments],
        cwd=ROOT,
        env=os.environ | {"API_URL": stack.api_url, "COLUMNS": "80"} | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_the_demonstration_shows_histograms_and_a_history(stack: System) -> None:
    shown = run(
        stack, "demo", RABBITMQ_MANAGEMENT_URL="http://127.0.0.1:15672", PYTHONIOENCODING="utf-8"
    )
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "\x1b[" not in shown.stdout
    assert "█" in shown.stdout
    for name in ("quickstart", "Bell pair", "GHZ, seed 7", "OpenQASM 2", "bad circuit"):
        assert re.search(rf"^{name}  (completed|failed)", shown.stdout, re.MULTILINE)
    assert re.search(r"line 1, column \d+", shown.stdout)
    for note in ("Task created", "Worker started processing", "Task completed successfully"):
        assert note in shown.stdout
    assert f"{stack.api_url}/docs" in shown.stdout
    assert "http://127.0.0.1:15672" in shown.stdout

    task_id = re.search(r"/tasks/([0-9a-f-]{36})", shown.stdout)
    assert task_id
    look = run(stack, "task", task_id[1], PYTHONIOENCODING="ascii")
    assert look.returncode == 0, look.stderr
    assert "Worker started processing" in look.stdout
    assert "####" in look.stdout

"""The trace of a task whose first worker is killed: `python -m bench.retry`.

On a private stack; what `make trace` shows of the task is printed, 100 columns wide. `--otlp FILE`
keeps the spans for other viewers.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import httpx2

from bench.stack import Servers
from infrastructure.local.ports import LOOPBACK, wait_until

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
SHOTS = 20_000
WIDTH = 100
LAST_SPANS = ("POST /tasks", "run", "TaskCompleted", "attempt 1", "attempt 2")


def main() -> None:
    """Make the trace and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--otlp", type=Path, metavar="FILE", help="write OTLP JSON there")
    options = parser.parse_args()
    with ExitStack() as stack:
        installation = stack.enter_context(Servers()).installation()
        environment = installation.environment()
        stack.enter_context(installation.relay())
        api = stack.enter_context(installation.api()).port
        with contextlib.suppress(AssertionError), installation.worker("worker-1") as victim:
            task_url = _submit(f"http://{LOOPBACK}:{api}")
            _wait_for_spans(task_url, environment, ("claim", "send"))
            os.kill(victim.pid, signal.SIGKILL)
        stack.enter_context(installation.worker("worker-2"))
        wait_until(lambda: _status(task_url) == "completed", what="the task", timeout=120)
        _wait_for_spans(task_url, environment, LAST_SPANS)
        shown = _run_trace(task_url, environment)
        if options.otlp is not None:
            options.otlp.write_text(_run_trace(task_url, environment, "--otlp"))
    print(shown)


def _submit(api_url: str) -> str:
    """Submit a circuit that takes seconds; returns the task's address."""
    body = {"circuit": _circuit(), "shots": SHOTS, "seed": 7}
    answer = httpx2.post(f"{api_url}/tasks", json=body, headers={"traceparent": TRACEPARENT})
    return api_url + answer.headers["location"]


def _circuit() -> str:
    """Return a circuit that has to be run shot by shot."""
    layers = (
        f"rx(0.{i + 1}) q[{i % 8}]; cx q[{i % 8}], q[{(i + 1) % 8}];"
        f" c[{i % 8}] = measure q[{i % 8}];"
        for i in range(40)
    )
    return "OPENQASM 3; qubit[8] q; bit[8] c; " + " ".join(layers)


def _status(task_url: str) -> str:
    return str(httpx2.get(task_url).json()["status"])


def _wait_for_spans(task_url: str, environment: dict[str, str], names: Sequence[str]) -> None:
    wait_until(
        lambda: all(name in _run_trace(task_url, environment) for name in names),
        what="the spans",
        timeout=60,
    )


def _run_trace(task_url: str, environment: dict[str, str], *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "service.trace", *arguments, task_url.rpartition("/")[2]],
        env=os.environ | environment | {"COLUMNS": str(WIDTH)},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
    ).stdout


if __name__ == "__main__":
    main()

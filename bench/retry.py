"""The trace of a task whose first worker is killed: `python -m bench.retry`.

On a private stack; what `make trace` shows of the task is printed, 100 columns wide. `--otlp FILE`
keeps the spans for other viewers.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import httpx2

from bench.scrape import read_sample, values
from bench.servers import private_servers, process
from infrastructure.local.ports import LOOPBACK, free_ports, wait_until

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
SHOTS = 8_000
RUN_SECONDS = 0.5
WIDTH = 100
LAST_SPANS = ("POST /tasks", "run", "TaskCompleted", "attempt 1", "attempt 2")


def main() -> None:
    """Make the trace and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--otlp", type=Path, metavar="FILE", help="write OTLP JSON there")
    options = parser.parse_args()
    with ExitStack() as stack:
        dsn, rabbitmq = private_servers(stack)
        api, relay = free_ports(2)
        environment = os.environ | {
            "DATABASE_URL": dsn,
            "RABBITMQ_URL": rabbitmq.url,
            "HOST": LOOPBACK,
            "PORT": str(api),
            "SIGNING_KEY_FILE": f"{stack.enter_context(tempfile.TemporaryDirectory())}/key",
            "LOG_LEVEL": "ERROR",
            "WORKER_SLOTS": "1",
        }
        stack.enter_context(process("service.api", environment))
        stack.enter_context(process("relay", environment | {"METRICS_PORT": str(relay)}))
        first, heir = (environment | {"WORKER_ID": f"worker-{number}"} for number in (1, 2))
        victim = stack.enter_context(process("service.worker", first))
        _wait_for_consumers(f"http://{LOOPBACK}:{relay}/metrics", 1)
        stack.enter_context(process("service.worker", heir))
        task_url = _submit(f"http://{LOOPBACK}:{api}")
        wait_until(lambda: _status(task_url) == "processing", what="the claim", timeout=60)
        time.sleep(RUN_SECONDS)
        victim.kill()
        wait_until(lambda: _status(task_url) == "completed", what="the task", timeout=120)
        shown = _trace(task_url, environment)
        if options.otlp is not None:
            options.otlp.write_text(_run_trace(task_url, environment, "--otlp"))
    print(shown)


def _wait_for_consumers(url: str, count: int) -> None:
    wait_until(
        lambda: values([read_sample(url)], "ketlog_queue_consumers") == [count],
        what="the worker",
        timeout=60,
    )


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


def _trace(task_url: str, environment: dict[str, str]) -> str:
    """Return what the command prints once the last spans are stored."""
    wait_until(
        lambda: all(name in _run_trace(task_url, environment) for name in LAST_SPANS),
        what="the spans",
        timeout=20,
    )
    return _run_trace(task_url, environment)


def _run_trace(task_url: str, environment: dict[str, str], *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "service.trace", *arguments, task_url.rpartition("/")[2]],
        env=environment | {"COLUMNS": str(WIDTH)},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
    ).stdout


if __name__ == "__main__":
    main()

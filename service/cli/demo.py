"""The demonstration: submits a few circuits, follows them, and checks every outcome."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from service.cli.client import ApiClient, ApiError, ApiUnreachable, Json
from service.cli.display import (
    show_error,
    show_histogram,
    show_history,
    status_text,
    tasks_table,
)

HEALTH_SECONDS = 60.0
FOLLOW_SECONDS = 120.0
POLL_SECONDS = 0.1
TERMINAL = frozenset({"completed", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class Example:
    """A submission and what has to come of it.

    Attributes:
        outcomes: the only outcomes that its counts may have; empty for a circuit that has to fail.
    """

    name: str
    submission: Mapping[str, Any]
    outcomes: frozenset[str]

    def fault(self, task: Json) -> str | None:
        """Return what is wrong with how the task ended, or `None`."""
        if not self.outcomes:
            return self._fault_of_failure(task)
        if task["status"] != "completed":
            return f"it is {task['status']}: {task.get('error_message', 'no reason given')}"
        counts = task["result"]
        if sum(counts.values()) != task["shots"]:
            return f"the counts sum to {sum(counts.values())}, not to {task['shots']} shots"
        strange = sorted(set(counts) - self.outcomes)
        return f"outcomes that cannot be: {', '.join(strange)}" if strange else None

    def _fault_of_failure(self, task: Json) -> str | None:
        if task["status"] != "failed":
            return f"it is {task['status']} and should have failed"
        message = task["error_message"]
        if "line" not in message or "column" not in message:
            return f"its error names no line and column: {message}"
        return None


EXAMPLES = (
    Example(
        "quickstart",
        {"circuit": "OPENQASM 3; qubit q; h q; measure q;"},
        frozenset({"0", "1"}),
    ),
    Example(
        "Bell pair",
        {
            "circuit": 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[2] q;\nbit[2] c;\n'
            "h q[0];\ncx q[0], q[1];\nc = measure q;\n",
            "shots": 2000,
        },
        frozenset({"00", "11"}),
    ),
    Example(
        "GHZ, seed 7",
        {
            "circuit": 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[3] q;\nbit[3] c;\n'
            "h q[0];\ncx q[0], q[1];\ncx q[1], q[2];\nc = measure q;\n",
            "shots": 4096,
            "seed": 7,
        },
        frozenset({"000", "111"}),
    ),
    Example(
        "OpenQASM 2",
        {
            "circuit": 'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[2];\ncreg c[2];\n'
            "ry(pi/3) q[0];\ncx q[0],q[1];\nry(pi/4) q[1];\nmeasure q -> c;\n",
            "shots": 1000,
        },
        frozenset({"00", "01", "10", "11"}),
    ),
    Example("bad circuit", {"circuit": "test"}, frozenset()),
)


def run_demo(client: ApiClient, console: Console) -> bool:
    """Run the demonstration; tells whether every outcome was as expected.

    Raises:
        ApiError: the stack does not answer or does not finish; the message says what to do.
    """
    wait_until_healthy(client, console)
    submitted = [(example, client.submit(example.submission)) for example in EXAMPLES]
    console.print(f"Submitted {len(submitted)} circuits to {client.url}/tasks", soft_wrap=True)
    tasks = follow(client, console, {a.name: answer["task_id"] for a, answer in submitted})
    faults = {}
    for example, _answer in submitted:
        task = tasks[example.name]
        _show_outcome(console, example, task)
        fault = example.fault(task)
        if fault is not None:
            faults[example.name] = fault
    first = EXAMPLES[0].name
    console.print()
    console.print(Text(f"History of the {first} task", style="bold"))
    show_history(console, tasks[first])
    _show_urls(console, client, str(tasks[first]["task_id"]))
    for name, fault in faults.items():
        console.print(Text(f"Not as expected: {name}: {fault}", style="red"), soft_wrap=True)
    return not faults


def wait_until_healthy(client: ApiClient, console: Console) -> None:
    """Wait until the API, its database and its queue are there."""
    give_up_at = time.monotonic() + HEALTH_SECONDS
    said = ""
    while True:
        try:
            health = client.health()
            state = (
                f"{health['status']} (database {health['database_status']}, "
                f"queue {health['queue_status']})"
            )
            if health["status"] == "healthy":
                return
        except ApiUnreachable as error:
            state = str(error)
        if time.monotonic() > give_up_at:
            raise ApiError(
                f"the stack did not become healthy within {HEALTH_SECONDS:.0f} s: {state}. "
                "`make status` shows which process is missing, `make logs` what it says"
            )
        if state != said:
            console.print(f"Waiting for the stack: {state}", soft_wrap=True)
            said = state
        time.sleep(POLL_SECONDS)


def follow(client: ApiClient, console: Console, ids: Mapping[str, str]) -> dict[str, Json]:
    """Show named tasks until all have ended; returns their last status answers."""
    give_up_at = time.monotonic() + FOLLOW_SECONDS
    tasks = {name: client.task(task_id) for name, task_id in ids.items()}
    with _view(console) as show:
        show(tasks)
        while any(task["status"] not in TERMINAL for task in tasks.values()):
            if time.monotonic() > give_up_at:
                late = ", ".join(
                    f"{name} is {task['status']}"
                    for name, task in tasks.items()
                    if task["status"] not in TERMINAL
                )
                raise ApiError(
                    f"not finished within {FOLLOW_SECONDS:.0f} s: {late}. `make status` shows "
                    "whether a worker runs, `make logs SERVICE=worker` what it says"
                )
            time.sleep(POLL_SECONDS)
            for name, task in tasks.items():
                if task["status"] not in TERMINAL:
                    tasks[name] = client.task(ids[name])
            show(tasks)
    return tasks


@contextmanager
def _view(console: Console) -> Iterator[Callable[[Mapping[str, Json]], None]]:
    """A table that changes in place on a terminal; elsewhere a line for each change."""
    if console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            yield lambda tasks: live.update(tasks_table(tasks.items()), refresh=True)
    else:
        seen: dict[str, str] = {}

        def show(tasks: Mapping[str, Json]) -> None:
            for name, task in tasks.items():
                if seen.get(name) != task["status"]:
                    seen[name] = task["status"]
                    console.print(
                        f"  {name:<12}  {task['task_id']}  {task['status']}", soft_wrap=True
                    )

        yield show


def _show_outcome(console: Console, example: Example, task: Json) -> None:
    console.print()
    heading = Text.assemble((example.name, "bold"), "  ", status_text(task["status"]))
    if "result" in task:
        execution = task.get("execution", {})
        details = [f"{task['shots']} shots"]
        details += [f"{key} {execution[key]}" for key in ("method", "seed") if key in execution]
        heading.append("  " + ", ".join(details), style="dim")
    console.print(heading, soft_wrap=True)
    if "result" in task:
        show_histogram(console, task["result"])
    elif "error_message" in task:
        show_error(console, task)


def _show_urls(console: Console, client: ApiClient, task_id: str) -> None:
    lines = [
        ("API documentation", f"{client.url}/docs"),
        ("health", f"{client.url}/health"),
        ("this task", f"{client.url}/tasks/{task_id}"),
    ]
    management = os.environ.get("RABBITMQ_MANAGEMENT_URL")
    if management:
        lines.append(("RabbitMQ", management))
    console.print()
    console.print(Text("To look at", style="bold"))
    for name, url in lines:
        console.print(f"  {name:<17}  {url}", soft_wrap=True, highlight=False)

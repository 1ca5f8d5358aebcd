"""`status`: `GET /tasks/{id}` of completed tasks, picked at random out of 100,000.

The baseline is a bare endpoint that answers with as many bytes.
"""

import json
import random
import urllib.request

from bench.check import check_bell
from bench.figures import Figure, at_least
from bench.fill import fill, task_ids
from bench.load import SHOTS, Order, run_load
from bench.run import Run
from infrastructure.local.ports import LOOPBACK

TASKS = 100_000
CONNECTIONS = 32
SAMPLE = 200


def measure(run: Run) -> list[Figure]:
    """Fill a log, then look at it in turns with the bare endpoint."""
    installation = run.servers.installation(broker=False)
    tasks = run.size(TASKS)
    fill(installation.dsn, tasks)
    ids = task_ids(installation.dsn)
    file = str(run.keep("status.ids", ids))
    run.say(f"{tasks} completed tasks are in the log")
    rates: dict[str, list[float]] = {"bare": [], "ketlog": []}
    with installation.api() as ours:
        size = check_answers(ours.port, ids)
        with installation.api("bench.bare", BARE_ANSWER_BYTES=str(size)) as bare:
            servers = {"bare": bare, "ketlog": ours}
            for number in range(run.rounds + 1):
                for name, process in servers.items():
                    seconds = run.seconds if number else run.warm_up_seconds
                    seen = run_load(Order(process.port, seconds, ids=file, first=number))
                    if number:
                        rates[name].append(seen.per_second)
                        run.say(f"round {number} {name:6} {seen.per_second:7.0f}/s")
    return [
        at_least(
            "status",
            f"GET /tasks/{{id}}, {CONNECTIONS} connections, {tasks:,} tasks",
            "/s",
            rates["ketlog"],
            rates["bare"],
            goal=0.25,
            stretch=0.40,
            tasks=tasks,
            answer_bytes=size,
        )
    ]


def check_answers(port: int, ids: list[str]) -> int:
    """Read some answers in full; returns the size of one."""
    size = 0
    for task_id in random.Random(1).sample(ids, min(SAMPLE, len(ids))):
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/tasks/{task_id}") as answer:
            body = answer.read()
        task = json.loads(body)
        assert task["task_id"] == task_id, task
        assert task["status"] == "completed", task
        assert [line["status"] for line in task["status_history"]] == [
            "pending",
            "processing",
            "completed",
        ], task
        # These counts are made up, all near the half.
        check_bell(task["result"], SHOTS)
        size = len(body)
    return size

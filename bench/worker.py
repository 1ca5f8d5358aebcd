"""Completed Bell pairs per second beside a bare loop of the same engine: `python -m bench.worker`.

A worker with one slot, and no more of anything, works off a full queue: claims, runs, results and
all, on a private PostgreSQL with `fsync` on and a private RabbitMQ. The yardstick
(`bench/bare_engine.py`) and the worker take turns on the same machine. The ratio of the medians is
what counts; the absolute figures belong to the machine.

Every text is one of a kind, so that nothing the engine keeps of circuits it has seen can serve;
`--same-text` shows what that is worth.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack

import psycopg

from bench.servers import private_servers, process
from domain.events import TaskSubmitted
from domain.execution import RunOptions
from domain.identifiers import new_traceparent, uuid7
from domain.log import Append, Metadata
from domain.payloads import Payload, PayloadKind
from infrastructure.local.ports import wait_until
from infrastructure.postgres.connect import Database
from infrastructure.postgres.event_log import PostgresEventLog

BELL = (
    'OPENQASM 3.0; include "stdgates.inc"; qubit[2] q; bit[2] c;'
    " h q[0]; cx q[0],q[1]; c = measure q;"
)
BATCH = 250
WARM_UP_SHARE = 0.1


def main() -> None:
    """Measure and print."""
    options = _options()
    with ExitStack() as stack:
        environment = _servers(stack, options)
        rates: dict[str, list[float]] = {"bare": [], "ketlog": []}
        for number in range(1, options.rounds + 1):
            rates["bare"].append(_bare(options.seconds, options.shots))
            texts = [
                BELL if options.same_text else f"{BELL} // {number}.{task}"
                for task in range(options.tasks)
            ]
            rates["ketlog"].append(_work_off(environment, texts, options.shots))
            print(
                f"round {number}  bare {rates['bare'][-1]:7.0f}/s  "
                f"ketlog {rates['ketlog'][-1]:7.0f}/s",
                flush=True,
            )
    bare, ketlog = (statistics.median(rates[name]) for name in ("bare", "ketlog"))
    print(
        f"median: ketlog {ketlog:.0f}/s, bare {bare:.0f}/s, ratio {ketlog / bare:.3f} "
        f"({options.slots} slot, {options.shots} shots, {options.rounds} rounds of "
        f"{options.tasks} tasks, {os.cpu_count()} cores)"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tasks", type=int, default=3_000, help="tasks in the queue each round")
    parser.add_argument("--shots", type=int, default=1_024)
    parser.add_argument("--same-text", action="store_true", help="submit one text again and again")
    parser.add_argument("--slots", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a bare turn")
    return parser.parse_args()


def _servers(stack: ExitStack, options: argparse.Namespace) -> dict[str, str]:
    """Start PostgreSQL, RabbitMQ and a relay; returns the environment of a worker."""
    dsn, rabbitmq = private_servers(stack)
    environment = os.environ | {
        "DATABASE_URL": dsn,
        "RABBITMQ_URL": rabbitmq.url,
        "LOG_LEVEL": "WARNING",
        "WORKER_SLOTS": str(options.slots),
        "DISPATCH_WINDOW": str(options.tasks),
    }
    stack.enter_context(process("relay", environment))
    return environment


def _bare(seconds: float, shots: int) -> float:
    done = subprocess.run(
        [sys.executable, "-m", "bench.bare_engine", str(seconds), str(shots)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=seconds + 60,
    )
    return float(json.loads(done.stdout)["per_second"])


def _work_off(environment: dict[str, str], texts: list[str], shots: int) -> float:
    """Fill the queue, let a worker empty it, and return what the log says of its speed."""
    count = len(texts)
    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as connection:
        first = _first_position(connection)
        asyncio.run(_submit(environment["DATABASE_URL"], texts, shots))
        wait_until(lambda: _number(connection, _DISPATCHED) == count, what="dispatch", timeout=60)
        with process("service.worker", environment) as worker:
            wait_until(
                lambda: _number(connection, _OPEN) == 0,
                what="the worker",
                timeout=300,
                alive=lambda: worker.poll() is None,
            )
        return _rate(connection, first, count)


_DISPATCHED = "SELECT count(*) FROM outbox WHERE dispatch_number IS NOT NULL"
_OPEN = "SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM leases)"
_TIMES = """
    SELECT recorded_at FROM events
     WHERE position > %s AND type = 'TaskCompleted'
     ORDER BY recorded_at
"""


def _number(connection: psycopg.Connection, query: str) -> int:
    time.sleep(0.2)
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])


def _first_position(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT coalesce(max(position), 0) FROM events").fetchone()
    assert row is not None
    return int(row[0])


def _rate(connection: psycopg.Connection, first: int, count: int) -> float:
    """Completions per second once the look-ahead has opened."""
    times = [row[0] for row in connection.execute(_TIMES, (first,))]
    assert len(times) == count, f"{len(times)} of {count} tasks completed"
    skipped = int(count * WARM_UP_SHARE)
    seconds: float = (times[-1] - times[skipped]).total_seconds()
    return (count - 1 - skipped) / seconds


async def _submit(dsn: str, texts: list[str], shots: int) -> None:
    database = Database(dsn, size=2, application_name="bench")
    log = PostgresEventLog(database)
    for begin in range(0, len(texts), BATCH):
        await log.append([_submission(text, shots) for text in texts[begin : begin + BATCH]])
    await database.close()


def _submission(text: str, shots: int) -> Append:
    payload = Payload(PayloadKind.CIRCUIT, text.encode())
    return Append(
        task_id=uuid7(),
        expected_version=0,
        event=TaskSubmitted(RunOptions(shots=shots), payload.commitment()),
        metadata=Metadata("bench", new_traceparent(), "bench"),
        payloads=(payload,),
    )


if __name__ == "__main__":
    main()

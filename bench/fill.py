"""A big log in little time: completed tasks made by the database itself.

What comes out is what a real run leaves behind: three events a task with a valid chain of hashes,
circuits and results that their events commit to, and the projection. Some circuits and results
are made by the domain and used again and again, each task under ids of its own. For lives of all
kinds there is `bench/generate.py`, which goes through the append statement and is far slower.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg

from bench.generate import execution
from bench.load import SHOTS, bell_circuit
from bench.queries import query
from domain.codec import encode, encode_metadata, to_json
from domain.events import ProcessingStarted, TaskCompleted, TaskSubmitted
from domain.execution import RunOptions
from domain.log import Metadata
from domain.payloads import Payload, PayloadKind

BATCH = 20_000
TEMPLATES = 101
"""Odd, so that their counts are as often above the half as below."""

WORKER = "worker-1"
_COLUMNS = 10


def fill(dsn: str, tasks: int, progress: Callable[[int], None] = lambda _tasks: None) -> None:
    """Put so many completed tasks into a migrated database whose log is empty.

    Args:
        dsn: the owner's URL.
        tasks: how many; each has three events.
        progress: called with the number made so far, now and then.
    """
    statement = query("fill").encode()
    begin = datetime.now(UTC) - timedelta(milliseconds=10 * tasks + 1000)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off; SET work_mem = '256MB'")
        connection.execute(query("filling").encode())
        rows = [_template(number) for number in range(TEMPLATES)]
        values = ", ".join(["%s"] * _COLUMNS)
        connection.cursor().executemany(f"INSERT INTO filling VALUES ({values})".encode(), rows)
        connection.execute("ANALYZE filling")
        for first in range(0, tasks, BATCH):
            last = min(first + BATCH, tasks) - 1
            connection.execute(
                statement, {"first": first, "last": last, "begin": begin, "shots": SHOTS}
            )
            progress(last + 1)
        # As autovacuum and the checkpointer leave a log that has grown over days.
        connection.execute("VACUUM (ANALYZE) events, payloads, tasks")
        connection.execute("CHECKPOINT")


def task_ids(dsn: str) -> list[str]:
    """Return the ids of all tasks."""
    with psycopg.connect(dsn) as connection:
        return [str(row[0]) for row in connection.execute("SELECT task_id FROM tasks")]


def _template(number: int) -> tuple[object, ...]:
    circuit = Payload(PayloadKind.CIRCUIT, bell_circuit(number).encode())
    zeros = SHOTS // 2 - TEMPLATES // 2 + number
    counts = to_json({"00": zeros, "11": SHOTS - zeros}).encode()
    result = Payload(PayloadKind.RESULT, counts)
    record = execution(WORKER, 1, SHOTS, seed=number)
    events = (
        TaskSubmitted(RunOptions(shots=SHOTS), circuit.commitment()),
        ProcessingStarted(attempt=1, worker_id=WORKER),
        TaskCompleted(1, result.commitment(), record),
    )
    return (
        number,
        f"worker/{WORKER}",
        _metadata_format(),
        *(encode(event)[2] for event in events),
        circuit.salt,
        circuit.body,
        result.salt,
        result.body,
    )


def _metadata_format() -> str:
    """Return the codec's metadata with places for ids, in the order of `fill.sql`."""
    cause = uuid4()
    text = encode_metadata(Metadata("CORRELATION", "TRACEPARENT", "ACTOR", cause))
    for placeholder in ("CORRELATION", f'"{cause}"', "TRACEPARENT", "ACTOR"):
        text = text.replace(placeholder, "%s")
    return text

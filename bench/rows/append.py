"""`append`: batches of submissions through our event log, beside inserts written by hand.

The baseline puts the same rows into the same tables by `unnest`, prepared and pipelined into one
transaction, with hashes that were computed beforehand: no compare-and-set, no hashing, no conflict
is noticed. Both use one connection and batches of the size that group commit makes under load.
"""

import asyncio
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg

from bench.check import check_submitted
from bench.figures import Figure, at_least
from bench.load import SHOTS
from bench.queries import query
from bench.run import Run
from bench.submissions import submission
from domain.codec import encode, encode_metadata
from domain.log import Append, Appended
from infrastructure.postgres.connect import Database, connect
from infrastructure.postgres.event_log import PostgresEventLog

BATCH = 200
TASKS = 20_000
TABLES = ("tasks", "events", "payloads", "outbox")


def measure(run: Run) -> list[Figure]:
    """Append in turns, each side into a database of its own."""
    return asyncio.run(_measure(run))


async def _measure(run: Run) -> list[Figure]:
    ours, bare = (run.servers.installation(broker=False) for _ in range(2))
    database = Database(ours.dsn, size=2, application_name="bench")
    log = PostgresEventLog(database)
    connection = await connect(bare.dsn, "bench")
    tasks = run.size(TASKS)
    rates: dict[str, list[float]] = {"bare": [], "ketlog": []}
    for number in range(run.rounds + 1):
        batches = [[submission(task) for task in range(BATCH)] for _ in range(tasks // BATCH)]
        rows = [[_rows(append) for append in batch] for batch in batches]
        bare_rate = await _by_hand(connection, rows)
        our_rate = await _by_the_log(log, batches)
        if number:
            rates["bare"].append(bare_rate)
            rates["ketlog"].append(our_rate)
            run.say(f"round {number} by hand {bare_rate:6.0f}/s  event log {our_rate:6.0f}/s")
    await database.close()
    await connection.close()
    for installation in (ours, bare):
        check_submitted(installation.dsn, tasks * (run.rounds + 1))
    return [
        at_least(
            "append",
            f"batches of {BATCH} submissions",
            "events/s",
            rates["ketlog"],
            rates["bare"],
            goal=0.7,
            stretch=0.9,
            batch=BATCH,
            tasks_a_round=tasks,
        )
    ]


async def _by_the_log(log: PostgresEventLog, batches: Sequence[Sequence[Append]]) -> float:
    began = time.perf_counter()
    for batch in batches:
        results = await log.append(batch)
        assert all(isinstance(result, Appended) for result in results), results
    return len(batches) * BATCH / (time.perf_counter() - began)


async def _by_hand(
    connection: asyncpg.Connection, batches: Sequence[Sequence[dict[str, Sequence[object]]]]
) -> float:
    prepared = {name: await connection.prepare(query(f"insert_{name}")) for name in TABLES}
    began = time.perf_counter()
    for batch in batches:
        async with connection.transaction():
            for name in TABLES:
                columns = list(zip(*(rows[name] for rows in batch), strict=True))
                await prepared[name].fetch(*columns)
    return len(batches) * BATCH / (time.perf_counter() - began)


def _rows(append: Append) -> dict[str, Sequence[object]]:
    """Return the rows that a submission becomes, by table."""
    now = datetime.now(UTC)
    digest = os.urandom(32)
    (circuit,) = append.payloads
    metadata = append.metadata
    data = encode(append.event)[2]
    return {
        "tasks": (append.task_id, digest, now, SHOTS, metadata.correlation_id),
        "events": (append.event_id, append.task_id, data, encode_metadata(metadata), now, digest),
        "payloads": (append.task_id, circuit.salt, circuit.body),
        "outbox": (
            append.task_id,
            append.event_id,
            metadata.correlation_id,
            metadata.traceparent,
            now,
        ),
    }

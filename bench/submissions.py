"""Submissions put into the log without the API, and what becomes of them there."""

import asyncio
import time
from collections.abc import Callable, Sequence

import psycopg

from bench.load import SHOTS, bell_circuit
from domain.events import TaskSubmitted
from domain.execution import RunOptions
from domain.identifiers import new_traceparent, uuid7
from domain.labels import NO_LABELS, Labels
from domain.log import Append, Appended, Metadata
from domain.payloads import Payload, PayloadKind
from infrastructure.local.ports import wait_until
from infrastructure.postgres.connect import Database
from infrastructure.postgres.event_log import PostgresEventLog

BATCH = 250

WAITING = "SELECT count(*) FROM outbox WHERE dispatch_number IS NULL"
OPEN = "SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM leases)"
UNSEALED = "SELECT (SELECT count(*) FROM events) - (SELECT count(*) FROM leaves)"
COUNTED = "SELECT completed FROM task_totals"
LAST_POSITION = "SELECT coalesce(max(position), 0) FROM events"

_COMPLETIONS = """
    SELECT extract(epoch FROM recorded_at)::float8
    FROM events
    WHERE position > %s AND type = 'TaskCompleted'
    ORDER BY recorded_at
"""


def submission(number: int, tenant: str = "", labels: Labels = NO_LABELS) -> Append:
    """Return the append of a Bell pair, as the API makes it."""
    circuit = Payload(PayloadKind.CIRCUIT, bell_circuit(number).encode())
    traceparent = new_traceparent()
    return Append(
        uuid7(),
        0,
        TaskSubmitted(RunOptions(shots=SHOTS), circuit.commitment(), labels=labels),
        Metadata(traceparent[3:35], traceparent, "api", tenant=tenant),
        (circuit,),
    )


def submit(dsn: str, numbers: Sequence[int], tenant: str = "") -> None:
    """Append submissions of these numbers."""
    asyncio.run(_submit(dsn, numbers, tenant))


async def _submit(dsn: str, numbers: Sequence[int], tenant: str) -> None:
    database = Database(dsn, size=2, application_name="bench")
    log = PostgresEventLog(database)
    for begin in range(0, len(numbers), BATCH):
        some = numbers[begin : begin + BATCH]
        results = await log.append([submission(number, tenant) for number in some])
        assert all(isinstance(result, Appended) for result in results), results
    await database.close()


def ask(connection: psycopg.Connection, question: str) -> int:
    """Return the number that a query answers."""
    row = connection.execute(question.encode()).fetchone()
    assert row is not None
    return int(row[0])


def wait_for(
    dsn: str,
    question: str,
    *,
    what: str,
    answer: int = 0,
    timeout: float = 600.0,
    interval: float = 0.1,
    progress: Callable[[int], None] = lambda _left: None,
) -> float:
    """Wait until a query answers this number; returns `time.perf_counter()` of that moment."""
    with psycopg.connect(dsn, autocommit=True) as connection:

        def done() -> bool:
            left = ask(connection, question)
            progress(left)
            return left == answer

        wait_until(done, what=what, timeout=timeout, interval=interval)
        return time.perf_counter()


def completions(dsn: str, after: int) -> list[float]:
    """Return when the tasks behind a position of the log completed, in seconds, in order."""
    with psycopg.connect(dsn) as connection:
        return [row[0] for row in connection.execute(_COMPLETIONS.encode(), (after,))]


def last_position(dsn: str) -> int:
    """Return the position of the newest event."""
    with psycopg.connect(dsn) as connection:
        return ask(connection, LAST_POSITION)

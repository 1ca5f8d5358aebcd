"""What must hold of a log after whatever was done to the system."""

from collections.abc import Collection

import asyncpg

from domain.codec import recorded
from domain.hashing import GENESIS, event_hash
from domain.log import StoredEvent
from domain.task import Task, fold

TERMINAL_EVENTS = ("TaskCompleted", "TaskFailed", "TaskCancelled")
TERMINAL_EVENTS_OF_EACH_TASK = """
    SELECT tasks.task_id, count(events.task_id) AS terminal_events
    FROM tasks
    LEFT JOIN events ON events.task_id = tasks.task_id
        AND events.type IN ('TaskCompleted', 'TaskFailed', 'TaskCancelled')
    GROUP BY tasks.task_id
"""


async def check(connection: asyncpg.Connection, accepted: Collection[str]) -> dict[str, Task]:
    """Check the whole log against what clients were told; returns every task by id.

    Every accepted task ended exactly once; nothing exists that was not accepted; versions are
    dense; hashes chain; the projection equals the fold; nothing waits and nothing is leased.
    """
    assert len(set(accepted)) == len(accepted), "one id was given to two submissions"
    rows = await connection.fetch(TERMINAL_EVENTS_OF_EACH_TASK)
    terminal = {str(row["task_id"]): row["terminal_events"] for row in rows}
    assert set(terminal) == set(accepted), "accepted tasks and stored tasks differ"
    assert set(terminal.values()) <= {1}, "a task ended twice or not at all"
    for table in ("outbox", "leases"):
        assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0, table
    tasks = await _folded(connection)
    for row in await connection.fetch("SELECT * FROM tasks"):
        task = tasks[str(row["task_id"])]
        assert (row["version"], row["current_status"], row["attempt"]) == (
            task.version,
            task.status,
            task.attempt,
        )
        assert (row["started_at"], row["completed_at"], row["error_message"]) == (
            task.started_at,
            task.completed_at,
            task.error_message,
        )
    return tasks


async def _folded(connection: asyncpg.Connection) -> dict[str, Task]:
    rows = await connection.fetch(
        "SELECT position, xid::text::bigint AS xid, event_id, task_id, version, type,"
        " schema_version, data, metadata, recorded_at, hash FROM events ORDER BY task_id, version"
    )
    streams: dict[str, list[StoredEvent]] = {}
    for row in rows:
        streams.setdefault(str(row["task_id"]), []).append(StoredEvent(**row))
    folded: dict[str, Task] = {}
    for task_id, stream in streams.items():
        previous = GENESIS
        for stored in stream:
            assert stored.hash == event_hash(previous, stored), f"hash chain of {task_id}"
            previous = stored.hash
        task = fold(map(recorded, stream))
        assert task is not None
        folded[task_id] = task
    return folded

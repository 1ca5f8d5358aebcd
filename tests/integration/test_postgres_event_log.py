"""What only a real PostgreSQL can show: roles, triggers, snapshots, hashes, plans."""

import asyncio
import re
from collections.abc import AsyncIterator

import asyncpg
import pytest

from domain.errors import AppendRefused, StoreUnavailable
from domain.execution import RunOptions
from domain.hashing import event_hash
from domain.identifiers import uuid7
from domain.log import Append, Appended, LogCursor
from domain.payloads import Payload, PayloadKind
from domain.task import Cancel, Erase, Submit, decide
from infrastructure.postgres import migrate
from infrastructure.postgres.connect import Database, connect
from infrastructure.postgres.event_log import PostgresEventLog
from infrastructure.postgres.outbox import PostgresOutbox
from infrastructure.postgres.statements import statement
from service.api.rehearsal import rehearsal
from tests.support import tasks
from tests.unit.test_hashing import EVENT


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, size=4, application_name="test")
    yield database
    await database.close()


@pytest.fixture
def log(database: Database) -> PostgresEventLog:
    return PostgresEventLog(database)


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE events SET data = '{}'",
        "UPDATE events SET recorded_at = now()",
        "DELETE FROM events",
        "TRUNCATE events",
        "UPDATE payloads SET body = ''",
        "TRUNCATE payloads",
        "SET session_replication_role = replica; DELETE FROM events",
    ],
)
async def test_the_database_refuses_its_owner_to_change_the_past(
    log: PostgresEventLog, owner: asyncpg.Connection, change: str
) -> None:
    task = await tasks.submitted(log)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="never changed"):
        await owner.execute(change)
    assert len(await log.stream(task.task_id)) == 1


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE events SET data = '{}'",
        "DELETE FROM events",
        "TRUNCATE events",
        "DELETE FROM payloads",
        "DELETE FROM tasks",
        "ALTER TABLE events DISABLE TRIGGER events_are_final",
        "DROP TABLE events",
    ],
)
async def test_the_role_of_the_processes_may_only_add(database: Database, change: str) -> None:
    async with database.connection() as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(change)


async def test_content_goes_on_record_alone(
    log: PostgresEventLog, owner: asyncpg.Connection
) -> None:
    task = await tasks.submitted(log)
    await tasks.put(log, tasks.following(task, Cancel("enough")))
    other = await tasks.submitted(log)
    for session in ("", "SET session_replication_role = replica; "):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="no event says that task"):
            await owner.execute(f"{session}DELETE FROM payloads")
    assert await owner.fetchval("SELECT count(*) FROM payloads") == 2
    await tasks.erased(log, task.task_id)
    assert await owner.fetchval("SELECT array_agg(task_id) FROM payloads") == [other.task_id]


async def test_an_erasure_that_is_not_stored_removes_nothing(
    log: PostgresEventLog, owner: asyncpg.Connection
) -> None:
    task = await tasks.submitted(log)
    await tasks.put(log, tasks.following(task, Cancel("enough")))
    erasure = tasks.following(await tasks.load(log, task.task_id), Erase((PayloadKind.CIRCUIT,)))
    await log.rehearse(erasure)
    assert await owner.fetchval("SELECT count(*) FROM payloads") == 1
    first, second = await asyncio.gather(log.append([erasure]), log.append([erasure]))
    assert first == second
    assert await owner.fetchval("SELECT count(*) FROM payloads") == 0


async def test_erasures_recorded_without_this_schema_are_made_good(
    log: PostgresEventLog, owner: asyncpg.Connection, database_url: str
) -> None:
    task = await tasks.submitted(log)
    await tasks.put(log, tasks.following(task, Cancel("enough")))
    await owner.execute("ALTER TABLE events DISABLE TRIGGER erasure_takes_contents")
    await tasks.erased(log, task.task_id)
    assert await owner.fetchval("SELECT count(*) FROM payloads") == 1
    while await asyncio.to_thread(migrate.rollback_last, database_url) != "0013_erasure":
        pass
    await asyncio.to_thread(migrate.apply_migrations, database_url)
    assert await owner.fetchval("SELECT count(*) FROM payloads") == 0


async def test_every_connection_works_in_the_application_role(
    database: Database, database_url: str
) -> None:
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT current_user") == "ketlog_app"
    own = await connect(database_url, "test")
    assert await own.fetchval("SELECT current_user") == "ketlog_app"
    await own.close()


async def test_sessions_bound_how_long_anything_may_take(database: Database) -> None:
    async with database.connection() as connection:
        for setting in (
            "statement_timeout",
            "lock_timeout",
            "idle_in_transaction_session_timeout",
            "transaction_timeout",
        ):
            if setting == "transaction_timeout" and connection.get_server_version().major < 17:
                continue
            assert await connection.fetchval(f"SHOW {setting}") not in {"0", ""}


async def test_the_whole_log_waits_for_transactions_that_are_still_open(
    log: PostgresEventLog, owner: asyncpg.Connection
) -> None:
    """Positions are drawn before the commit: a reader by position alone would skip the slow one."""
    slow = uuid7()
    transaction = owner.transaction()
    await transaction.start()
    await owner.execute(
        "INSERT INTO events (event_id, task_id, version, type, schema_version, data, metadata,"
        " recorded_at, hash) VALUES ($1, $2, 1, 'TaskSubmitted', 1, '{}', '{}', now(), $3)",
        slow,
        uuid7(),
        bytes(32),
    )
    quick = [await tasks.put(log, tasks.submission()) for _ in range(3)]
    assert await log.read(LogCursor(), 100) == []
    # Queries about one task do not wait for anybody.
    assert len(await log.stream(quick[0].task_id)) == 1
    await transaction.commit()
    seen = await log.read(LogCursor(), 100)
    assert [event.event_id for event in seen] == [slow, *(result.event_id for result in quick)]


async def test_a_reader_misses_nothing_while_many_write(log: PostgresEventLog) -> None:
    seen: list[object] = []
    written: list[object] = []
    finished = asyncio.Event()

    async def write() -> None:
        for _ in range(25):
            results = await log.append([tasks.submission() for _ in range(3)])
            written.extend(result.event_id for result in results if isinstance(result, Appended))

    async def read() -> None:
        cursor = LogCursor()
        while not finished.is_set() or len(seen) < len(written):
            for event in await log.read(cursor, 7):
                assert (event.xid, event.position) > cursor
                cursor = LogCursor(event.xid, event.position)
                seen.append(event.event_id)

    async with asyncio.timeout(30):
        async with asyncio.TaskGroup() as group:
            group.create_task(read())
            await asyncio.gather(*(write() for _ in range(3)))
            finished.set()
    assert len(seen) == len(set(seen))
    assert set(seen) == set(written)


async def test_a_log_from_a_cluster_with_more_transactions_is_noticed(
    log: PostgresEventLog, owner: asyncpg.Connection
) -> None:
    assert not await log.comes_from_another_cluster()
    await tasks.submitted(log)
    assert not await log.comes_from_another_cluster()
    await owner.execute(
        "INSERT INTO events (event_id, task_id, version, type, schema_version, data, metadata,"
        " recorded_at, xid, hash) VALUES"
        " ($1, $1, 1, 'TaskSubmitted', 1, '{}', '{}', now(), '9000000000', $2)",
        uuid7(),
        bytes(32),
    )
    assert await log.comes_from_another_cluster()


async def test_the_database_computes_the_specified_hash(owner: asyncpg.Connection) -> None:
    computed = await owner.fetchval(
        "SELECT event_hash($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        bytes(32),
        EVENT.task_id,
        EVENT.version,
        EVENT.type,
        EVENT.schema_version,
        EVENT.event_id,
        EVENT.recorded_at,
        EVENT.metadata,
        EVENT.data,
    )
    assert computed == event_hash(bytes(32), EVENT)


async def test_data_that_cannot_be_stored_is_refused_and_leaves_nothing(
    log: PostgresEventLog, owner: asyncpg.Connection
) -> None:
    payload = Payload(PayloadKind.CIRCUIT, b"x", salt=b"too short")
    event = decide(None, Submit(RunOptions(), payload.commitment()))
    with pytest.raises(AppendRefused):
        await log.append([Append(uuid7(), 0, event, tasks.metadata(), (payload,))])
    for table in ("events", "tasks", "payloads", "outbox"):
        assert await owner.fetchval(f"SELECT count(*) FROM {table}") == 0


async def test_a_rehearsal_leaves_nothing(log: PostgresEventLog, owner: asyncpg.Connection) -> None:
    await log.rehearse(rehearsal())
    for table in ("events", "tasks", "payloads", "outbox"):
        assert await owner.fetchval(f"SELECT count(*) FROM {table}") == 0


async def test_a_rehearsal_fails_as_an_append_would(
    log: PostgresEventLog, owner: asyncpg.Connection
) -> None:
    name = await owner.fetchval("SELECT current_database()")
    await owner.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with pytest.raises(StoreUnavailable, match="read-only"):
        await log.rehearse(rehearsal())


async def test_a_pool_without_free_connections_says_so(database: Database) -> None:
    async with asyncio.timeout(10):
        async with (
            database.connection(),
            database.connection(),
            database.connection(),
            database.connection(),
        ):
            with pytest.raises(StoreUnavailable):
                async with database.connection(wait_seconds=0.1):
                    raise AssertionError("there was one more connection than the pool has")
        await database.ping()


@pytest.mark.parametrize(
    "name", ["append", "histories", "view", "stream", "choose_next", "count_pending"]
)
async def test_no_statement_scans_a_whole_table(
    database: Database, log: PostgresEventLog, name: str
) -> None:
    """Plans are made once, maybe while tables are empty, and must still be right at a million."""
    await tasks.submitted(log)
    async with database.connection() as connection:
        text = statement(name)
        arguments = max(int(number) for number in re.findall(r"\$(\d+)", text))
        nulls = ", ".join(["NULL"] * arguments)
        await connection.execute(f"PREPARE audited AS {text}")
        plan = await connection.fetch(f"EXPLAIN EXECUTE audited({nulls})")
    lines = [row[0] for row in plan]
    tables = {"events", "tasks", "payloads", "outbox", "leases", "pauses"}
    # All that runs is counted by tenant: as many rows as workers have slots.
    for table in tables - ({"leases"} if name == "choose_next" else set()):
        assert not any(f"Seq Scan on {table}" in line for line in lines), lines


async def test_pending_tasks_are_counted_up_to_a_limit(
    database: Database, log: PostgresEventLog
) -> None:
    await tasks.processing(log)
    for _ in range(3):
        await tasks.submitted(log)
    outbox = PostgresOutbox(database)
    assert [await outbox.pending(most) for most in (2, 3, 10)] == [2, 3, 3]

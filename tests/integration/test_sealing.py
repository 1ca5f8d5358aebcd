"""The sealer on a real log: nothing is skipped, nothing is held up, nothing can be undone."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from domain.checkpoint import parse_note
from domain.errors import LogForked
from domain.identifiers import uuid7
from domain.log import LogCursor
from domain.merkle import Frontier, leaf_hash
from infrastructure.postgres import migrate
from infrastructure.postgres.connect import Database
from infrastructure.postgres.event_log import PostgresEventLog
from infrastructure.postgres.seals import PostgresSeals
from infrastructure.postgres.statements import statement
from relay.sealer import Sealer
from tests.support import tasks


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, size=8, application_name="test")
    yield database
    await database.close()


@pytest.fixture
def log(database: Database) -> PostgresEventLog:
    return PostgresEventLog(database)


@pytest.fixture
def seals(database: Database) -> PostgresSeals:
    return PostgresSeals(database)


@pytest.fixture
def sealer(seals: PostgresSeals, tmp_path: Path) -> Sealer:
    return make_sealer(seals, tmp_path)


def make_sealer(seals: PostgresSeals, folder: Path) -> Sealer:
    return Sealer(seals, folder / "signing.key", "ketlog", None, 0.05)


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def sealed_events(owner: asyncpg.Connection) -> list[tuple[int, object, int]]:
    """(leaf number, task, version) by leaf number."""
    rows = await owner.fetch("SELECT leaf_number, task_id, version FROM leaves ORDER BY 1")
    return [tuple(row) for row in rows]


async def test_while_many_write_every_event_is_sealed_once_in_log_order(
    log: PostgresEventLog, seals: PostgresSeals, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    writing = True

    async def write() -> None:
        for _ in range(25):
            await log.append([tasks.submission() for _ in range(3)])

    async def seal() -> None:
        sealer = make_sealer(seals, tmp_path)
        while writing:
            await sealer.round()
        await sealer.round()

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(seal())
        group.create_task(seal())
        await asyncio.gather(*(write() for _ in range(3)))
        writing = False
    # One of the two may have lost its last race.
    await make_sealer(seals, tmp_path).round()
    leaves = await sealed_events(owner)
    events = await owner.fetch("SELECT task_id, version FROM events ORDER BY xid, position")
    assert leaves == [(number, *event) for number, event in enumerate(map(tuple, events))]
    assert len(leaves) == 225
    tree = Frontier.empty()
    for (hashed,) in await owner.fetch("SELECT event_hash FROM leaves ORDER BY leaf_number"):
        tree.add(leaf_hash(hashed))
    latest = await seals.latest_checkpoint()
    assert latest is not None
    assert parse_note(latest.note).checkpoint.root == latest.root == tree.root()


async def test_an_open_transaction_holds_sealing_back_and_shows_in_the_lag(
    log: PostgresEventLog, sealer: Sealer, owner: asyncpg.Connection
) -> None:
    slow = uuid7()
    transaction = owner.transaction()
    await transaction.start()
    await owner.execute(
        "INSERT INTO events (event_id, task_id, version, type, schema_version, data, metadata,"
        " recorded_at, hash) VALUES ($1, $1, 1, 'TaskSubmitted', 1, '{}', '{}', now(), $2)",
        slow,
        bytes(32),
    )
    quick = await tasks.submitted(log)
    await sealer._try()
    assert sealer.size == 0
    assert sealer.lag_seconds > 0
    await transaction.commit()
    await sealer._try()
    assert (sealer.size, sealer.lag_seconds) == (2, 0)
    assert [task for _, task, _ in await sealed_events(owner)] == [slow, quick.task_id]


async def test_after_a_restore_into_another_cluster_sealing_goes_on_behind_the_last_leaf(
    log: PostgresEventLog,
    seals: PostgresSeals,
    owner: asyncpg.Connection,
    database_url: str,
    tmp_path: Path,
) -> None:
    sealer = make_sealer(seals, tmp_path)
    made = [await tasks.submitted(log) for _ in range(3)]
    await sealer.round()
    unsealed = await tasks.submitted(log)
    await owner.execute("ALTER TABLE events DISABLE TRIGGER events_are_final")
    # As if its transaction had drawn a position early and committed late, in another cluster.
    await owner.execute("UPDATE events SET position = DEFAULT WHERE task_id = $1", made[0].task_id)
    await owner.execute("UPDATE events SET xid = '9000000000'")
    await owner.execute("ALTER TABLE events ENABLE ALWAYS TRIGGER events_are_final")
    assert migrate.settle_transactions(database_url) == 4
    assert await make_sealer(seals, tmp_path).round() == 1
    assert (await sealed_events(owner))[3] == (3, unsealed.task_id, 1)
    last = await tasks.submitted(log)
    assert await make_sealer(seals, tmp_path).round() == 1
    assert (await sealed_events(owner))[4] == (4, last.task_id, 1)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE leaves SET event_hash = decode(repeat('00', 32), 'hex')",
        "DELETE FROM leaves",
        "TRUNCATE leaves",
        "UPDATE checkpoints SET note = ''",
        "DELETE FROM checkpoints",
        "TRUNCATE checkpoints",
    ],
)
async def test_what_was_sealed_is_final_for_its_owner_too(
    log: PostgresEventLog,
    sealer: Sealer,
    owner: asyncpg.Connection,
    database: Database,
    change: str,
) -> None:
    await tasks.submitted(log)
    await sealer.round()
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="never changed"):
        await owner.execute(change)
    async with database.connection() as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(change)


async def test_a_hole_among_the_leaves_stops_the_sealer_with_its_number(
    log: PostgresEventLog,
    sealer: Sealer,
    seals: PostgresSeals,
    owner: asyncpg.Connection,
    tmp_path: Path,
) -> None:
    for _ in range(6):
        await tasks.submitted(log)
    await sealer.round()
    await owner.execute("ALTER TABLE leaves DISABLE TRIGGER leaves_are_final")
    await owner.execute("DELETE FROM leaves WHERE leaf_number = 3")
    with pytest.raises(LogForked, match="leaf 3 is missing"):
        await make_sealer(seals, tmp_path).round()


@pytest.mark.parametrize(
    "name",
    [
        "sealed_end",
        "read_hashes",
        "read_log",
        "age_of_next_event",
        "add_leaves",
        "checkpoints",
        "latest_checkpoint",
        "leaves_of_task",
        "leaves_by_number",
    ],
)
async def test_no_statement_of_the_sealer_scans_a_whole_table(
    database: Database, log: PostgresEventLog, name: str
) -> None:
    await tasks.submitted(log)
    async with database.connection() as connection:
        text = statement(name)
        arguments = max([0, *(int(number) for number in re.findall(r"\$(\d+)", text))])
        nulls = "(" + ", ".join(["NULL"] * arguments) + ")" if arguments else ""
        await connection.execute(f"PREPARE audited AS {text}")
        plan = await connection.fetch(f"EXPLAIN EXECUTE audited{nulls}")
    lines = [row[0] for row in plan]
    for table in ("events", "leaves", "checkpoints"):
        assert not any(f"Seq Scan on {table}" in line for line in lines), lines
    if name in {"read_hashes", "read_log"}:
        assert not any("Sort" in line for line in lines), "a batch costs as much as the whole log"


async def test_the_cursor_is_that_of_the_last_leaf_whose_event_is_there(
    log: PostgresEventLog, sealer: Sealer, seals: PostgresSeals, owner: asyncpg.Connection
) -> None:
    for _ in range(3):
        await tasks.submitted(log)
    await sealer.round()
    events = await log.read(LogCursor(), 10)
    assert (await seals.state()).cursor == LogCursor(events[2].xid, events[2].position)
    await owner.execute("ALTER TABLE events DISABLE TRIGGER events_are_final")
    await owner.execute("DELETE FROM events WHERE task_id = $1", events[2].task_id)
    assert (await seals.state()).cursor == LogCursor(events[1].xid, events[1].position)

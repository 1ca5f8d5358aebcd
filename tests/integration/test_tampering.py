"""Every way to change events, payloads and the projection by hand, and how `verify` names it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.identifiers import uuid7
from service.audit.findings import Kind
from tests.support import tasks
from tests.support.sealed_log import SealedLog, only, sealed_log


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[SealedLog]:
    async with sealed_log(database_url, tmp_path) as made:
        yield made


async def test_an_untouched_log_is_found_to_be_whole(world: SealedLog) -> None:
    audit, found = await world.audit()
    assert found == []
    tally = audit.tally
    assert (tally.events, tally.tasks, tally.leaves) == (12, 4, 12)
    assert (tally.checkpoints, tally.shipped) == (3, 3)
    assert (tally.vouched, tally.vouched_elsewhere) == (12, 12)


# --- content -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        """data = replace(data::text, '"attempt":1', '"attempt":2')::json""",
        # The same value, other bytes: what was stored is the text.
        "data = (' ' || data::text)::json",
        "metadata = replace(metadata::text, 'test', 'fake')::json",
        "recorded_at = recorded_at + interval '1 microsecond'",
        "type = 'TaskCancelled'",
        "schema_version = 2",
        "event_id = gen_random_uuid()",
        "recorded_at = 'infinity'",
        "recorded_at = '-infinity'",
    ],
)
@pytest.mark.parametrize("version", [2, 3])
async def test_an_altered_event_is_named_and_no_other(
    world: SealedLog, change: str, version: int
) -> None:
    task_id = world.ids[1]
    await world.forger.do(
        f"UPDATE events SET {change} WHERE task_id = $1 AND version = $2", task_id, version
    )
    text = only(await world.verify(), Kind.ALTERED, task_id, version)
    leaf = 4 * (version - 1) + 1
    assert f"sealed as leaf {leaf}" in text


async def test_an_altered_hash_is_told_from_altered_content(world: SealedLog) -> None:
    await world.forger.do(
        "UPDATE events SET hash = sha256('x') WHERE task_id = $1 AND version = 2", world.ids[0]
    )
    text = only(await world.verify(), Kind.CHANGED_HASH, world.ids[0], 2)
    assert "its content is what was sealed as leaf 4" in text


@pytest.mark.parametrize("hashed", ["'\\x00'", "NULL"])
async def test_a_hash_that_is_none_any_more_stops_nothing(world: SealedLog, hashed: str) -> None:
    await world.forger.do("ALTER TABLE events DROP CONSTRAINT events_hash_check")
    await world.forger.do("ALTER TABLE events ALTER hash DROP NOT NULL")
    await world.forger.do(
        f"UPDATE events SET hash = {hashed} WHERE task_id = $1 AND version = 2", world.ids[0]
    )
    only(await world.verify(), Kind.CHANGED_HASH, world.ids[0], 2)


@pytest.mark.parametrize(("kind", "version"), [("circuit", 1), ("result", 3)])
async def test_an_altered_payload_is_named_with_the_event_that_speaks_of_it(
    world: SealedLog, kind: str, version: int
) -> None:
    await world.forger.do(
        "UPDATE payloads SET body = 'other' WHERE task_id = $1 AND kind = $2", world.ids[2], kind
    )
    text = only(await world.verify(), Kind.PAYLOAD, world.ids[2], version)
    assert f"the {kind} payload is not the one it commits to" in text


async def test_an_altered_salt_is_an_altered_payload(world: SealedLog) -> None:
    await world.forger.do(
        "UPDATE payloads SET salt = sha256('x') WHERE task_id = $1 AND kind = 'result'",
        world.ids[2],
    )
    only(await world.verify(), Kind.PAYLOAD, world.ids[2], 3)


async def test_a_payload_that_nobody_committed_to_is_named(world: SealedLog) -> None:
    await world.forger.do(
        "INSERT INTO payloads VALUES ($1, 'memory', sha256('x'), '[]')", world.ids[2]
    )
    text = only(await world.verify(), Kind.FOREIGN_PAYLOAD, world.ids[2], None)
    assert "memory" in text


async def test_long_payloads_are_checked_as_well(world: SealedLog) -> None:
    append = tasks.submission("// " + "x" * 100_000)
    await tasks.put(world.log, append)
    await world.seal()
    assert await world.verify() == []
    await world.forger.do(
        "UPDATE payloads SET body = body || '.' WHERE task_id = $1", append.task_id
    )
    only(await world.verify(), Kind.PAYLOAD, append.task_id, 1)


async def test_an_erasure_is_no_alteration(world: SealedLog) -> None:
    await tasks.erased(world.log, world.ids[0])
    await world.forger.do(
        "DELETE FROM payloads WHERE task_id = $1 AND kind = 'circuit'", world.ids[1]
    )
    audit, found = await world.audit()
    assert (found, audit.tally.erased, audit.tally.missing) == ([], 2, 1)


async def test_what_was_erased_does_not_come_back_unnoticed(world: SealedLog) -> None:
    kept = await world.forger.connection.fetchrow(
        "SELECT * FROM payloads WHERE task_id = $1 AND kind = 'circuit'", world.ids[0]
    )
    assert kept is not None
    await tasks.erased(world.log, world.ids[0])
    await world.seal()
    assert await world.verify() == []
    await world.forger.do("INSERT INTO payloads VALUES ($1, $2, $3, $4)", *kept)
    text = only(await world.verify(), Kind.FOREIGN_PAYLOAD, world.ids[0], 1)
    assert "there is a circuit payload, which version 4 erased" in text


async def test_an_erased_task_is_watched_like_any_other(world: SealedLog) -> None:
    await tasks.erased(world.log, world.ids[0])
    await world.seal()
    await world.forger.do(
        "UPDATE events SET data = replace(data::text, 'a-worker', 'b-worker')::json"
        " WHERE task_id = $1 AND version = 2",
        world.ids[0],
    )
    only(await world.verify(), Kind.ALTERED, world.ids[0], 2)


async def test_an_erasure_that_is_taken_back_is_named(world: SealedLog) -> None:
    await tasks.erased(world.log, world.ids[0])
    await world.seal()
    await world.forger.do("DELETE FROM events WHERE task_id = $1 AND version = 4", world.ids[0])
    only(await world.verify(), Kind.MISSING, world.ids[0], 4)


# --- order and number --------------------------------------------------------------------------


async def test_swapped_events_are_both_named_with_where_they_belong(world: SealedLog) -> None:
    await world.forger.swap(world.ids[1], 2, 3)
    found = await world.verify()
    where = f"MOVED EVENT: task {world.ids[1]}, version"
    assert list(map(str, found)) == [
        f"{where} 2: here is what was sealed as version 3, leaf 9",
        f"{where} 3: here is what was sealed as version 2, leaf 5",
    ]


@pytest.mark.parametrize(("version", "leaf"), [(1, 3), (2, 7), (3, 11)])
async def test_a_removed_event_is_named_with_its_leaf(
    world: SealedLog, version: int, leaf: int
) -> None:
    task_id = world.ids[3]
    await world.forger.do(
        "DELETE FROM events WHERE task_id = $1 AND version = $2", task_id, version
    )
    text = only(await world.verify(), Kind.MISSING, task_id, version)
    assert f"sealed as leaf {leaf}" in text


async def test_a_removed_tail_of_a_task_shows_though_its_row_was_set_back(world: SealedLog) -> None:
    task_id = world.ids[3]
    stream = await world.forger.stream(task_id)
    await world.forger.do("DELETE FROM events WHERE task_id = $1 AND version > 1", task_id)
    await world.forger.do("DELETE FROM payloads WHERE task_id = $1 AND kind = 'result'", task_id)
    await world.forger.do(
        "UPDATE tasks SET version = 1, head_hash = $2 WHERE task_id = $1", task_id, stream[0].hash
    )
    found = await world.verify()
    assert [(each.kind, each.task_id, each.version) for each in found] == [
        (Kind.MISSING, task_id, 2),
        (Kind.MISSING, task_id, 3),
    ]


async def test_a_task_that_vanished_is_named_by_its_leaves(
    world: SealedLog,
) -> None:
    for table in ("events", "payloads", "tasks"):
        await world.forger.do(f"DELETE FROM {table} WHERE task_id = $1", world.ids[0])
    found = await world.verify()
    assert [(each.kind, each.task_id, each.version) for each in found] == [
        (Kind.MISSING, world.ids[0], version) for version in (1, 2, 3)
    ]


async def test_an_unsealed_tail_that_was_removed_shows_in_the_projection(world: SealedLog) -> None:
    task = await tasks.submitted(world.log)
    await tasks.put(world.log, tasks.claim(task))
    await world.forger.do("DELETE FROM events WHERE task_id = $1 AND version = 2", task.task_id)
    text = only(await world.verify(), Kind.MISSING, task.task_id, 2)
    assert "its row in tasks is at version 2, and the log ends with version 1" in text


async def test_an_event_inserted_into_the_sealed_past_is_named(world: SealedLog) -> None:
    """A task that ended gets one more event, in every way a proper one but for its place."""
    task_id = world.ids[0]
    await world.forger.do(
        "INSERT INTO events (event_id, task_id, version, type, schema_version, data, metadata,"
        " recorded_at, xid, hash) SELECT gen_random_uuid(), task_id, 4, type, schema_version,"
        " data, metadata, recorded_at, xid, hash FROM events"
        " WHERE task_id = $1 AND version = 2",
        task_id,
    )
    await world.forger.rehash(task_id)
    text = only(await world.verify(), Kind.INSERTED, task_id, 4)
    assert "it has no leaf, and the log is sealed past it" in text


async def test_a_task_invented_in_the_sealed_past_is_named(world: SealedLog) -> None:
    invented = uuid7()
    await world.forger.do(
        "INSERT INTO events (event_id, task_id, version, type, schema_version, data, metadata,"
        " recorded_at, xid, hash) SELECT gen_random_uuid(), $2, 1, type, schema_version,"
        " data, metadata, recorded_at, xid, hash FROM events WHERE task_id = $1 AND version = 1",
        world.ids[0],
        invented,
    )
    await world.forger.rehash(invented)
    found = await world.verify()
    assert [(each.kind, each.task_id, each.version) for each in found] == [
        (Kind.INSERTED, invented, 1),
        (Kind.PROJECTION, invented, None),
    ]


@pytest.mark.parametrize("event_type", ["TaskTeleported", "TaskSubmitted"])
async def test_an_event_that_nothing_can_read_is_named_though_its_hash_is_right(
    world: SealedLog, event_type: str
) -> None:
    task_id = uuid7()
    await world.forger.connection.execute(
        "INSERT INTO events (event_id, task_id, version, type, schema_version, data, metadata,"
        " recorded_at, hash) VALUES ($1, $1, 1, $2, 1, '{}', '{}', now(), $3)",
        task_id,
        event_type,
        bytes(32),
    )
    await world.forger.connection.execute(
        "INSERT INTO tasks SELECT $2, 1, head_hash, head_recorded_at, 'pending', 1, 0,"
        " submitted_at, NULL, NULL, NULL, NULL, correlation_id FROM tasks WHERE task_id = $1",
        world.ids[0],
        task_id,
    )
    await world.forger.rehash(task_id)
    await world.seal()
    assert event_type in only(await world.verify(), Kind.UNREADABLE, task_id, 1)


async def test_data_nested_without_end_stops_nothing(world: SealedLog) -> None:
    deep = '{"attempt":' + "[" * 3_000 + "]" * 3_000 + "}"
    await world.forger.do(
        "UPDATE events SET data = $2 WHERE task_id = $1 AND version = 2", world.ids[0], deep
    )
    await world.forger.rehash(world.ids[0])
    found = await world.verify()
    assert (Kind.REWRITTEN, world.ids[0], 2) in [
        (each.kind, each.task_id, each.version) for each in found
    ]


async def test_times_that_run_backwards_are_named_though_every_hash_is_right(
    world: SealedLog,
) -> None:
    task = await tasks.processing(world.log)
    await world.forger.do(
        "UPDATE events SET recorded_at = recorded_at - interval '1 hour'"
        " WHERE task_id = $1 AND version = 2",
        task.task_id,
    )
    await world.forger.rehash(task.task_id)
    text = only(await world.verify(), Kind.OUT_OF_ORDER, task.task_id, 2)
    assert "before version 1" in text


# --- the projection ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("UPDATE tasks SET head_hash = sha256('x')", "is not that of version 3"),
        ("UPDATE tasks SET version = 2", "is at version 2, and the log at 3"),
        ("DELETE FROM tasks", "it has no row in tasks"),
    ],
)
async def test_a_changed_head_is_named(world: SealedLog, change: str, what: str) -> None:
    await world.forger.do(f"{change} WHERE task_id = $1", world.ids[2])
    assert what in only(await world.verify(), Kind.PROJECTION, world.ids[2], None)


async def test_a_row_for_a_task_that_never_was_is_named(world: SealedLog) -> None:
    invented = uuid7()
    await world.forger.connection.execute(
        "INSERT INTO tasks SELECT $2, version, head_hash, head_recorded_at, current_status, shots,"
        " attempt, submitted_at, started_at, completed_at, NULL, NULL, correlation_id"
        " FROM tasks WHERE task_id = $1",
        world.ids[0],
        invented,
    )
    text = only(await world.verify(), Kind.MISSING, invented, 3)
    assert "the log ends with version 0" in text

"""One suite for every implementation of the leaves and checkpoints."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from domain.log import LogCursor
from domain.merkle import Frontier, Node, includes, inclusion_nodes, inclusion_proof, leaf_hash
from domain.payloads import PayloadKind
from domain.ports import EventLog
from domain.seals import Contents, Leaf, Seals
from infrastructure.memory import MemoryStore
from infrastructure.memory.contents import MemoryContents
from infrastructure.memory.seals import MemorySeals
from infrastructure.postgres.connect import Database
from infrastructure.postgres.contents import PostgresContents
from infrastructure.postgres.event_log import PostgresEventLog
from infrastructure.postgres.seals import PostgresSeals
from tests.support import tasks


@dataclass
class Store:
    log: EventLog
    seals: Seals
    contents: Contents


@pytest.fixture(params=["memory", "postgres"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    if request.param == "memory":
        twin = MemoryStore()
        yield Store(twin, MemorySeals(twin), MemoryContents(twin))
        return
    dsn = request.getfixturevalue("database_url")
    database = Database(dsn, size=4, application_name="conformance")
    yield Store(PostgresEventLog(database), PostgresSeals(database), PostgresContents(database))
    await database.close()


async def seal_next(seals: Seals, limit: int = 100) -> list[Leaf]:
    """Seal what is there, as the sealer does."""
    sealed = await seals.state()
    events = await seals.read(sealed.cursor, limit)
    leaves = [Leaf.grown(sealed.frontier, event) for event in events if not event.sealed]
    if leaves:
        assert await seals.add_leaves(leaves)
    return leaves


async def test_an_empty_log_is_sealed_up_to_its_beginning(store: Store) -> None:
    sealed = await store.seals.state()
    assert (sealed.frontier, sealed.cursor) == (Frontier.empty(), LogCursor())
    assert await store.seals.read(LogCursor(), 10) == []
    assert await store.seals.latest_checkpoint() is None


async def test_events_come_in_the_order_of_the_log_until_they_are_sealed(store: Store) -> None:
    made = [await tasks.submitted(store.log) for _ in range(5)]
    events = await store.seals.read(LogCursor(), 3)
    assert [event.task_id for event in events] == [task.task_id for task in made[:3]]
    assert not any(event.sealed for event in events)
    assert all(0 <= event.age_seconds < 60 for event in events)
    stream = await store.log.stream(made[0].task_id)
    assert events[0].hash == stream[0].hash
    leaves = await seal_next(store.seals, limit=3)
    assert [leaf.number for leaf in leaves] == [0, 1, 2]
    sealed = await store.seals.state()
    assert sealed.cursor == events[-1].cursor
    rest = await store.seals.read(sealed.cursor, 10)
    assert [event.task_id for event in rest] == [task.task_id for task in made[3:]]
    again = await store.seals.read(LogCursor(), 10)
    assert [event.sealed for event in again] == [True] * 3 + [False] * 2


async def test_the_lag_is_the_age_of_the_first_event_that_is_not_sealed(store: Store) -> None:
    assert await store.seals.lag(LogCursor()) == 0
    await tasks.submitted(store.log)
    await tasks.submitted(store.log)
    (first, second) = await store.seals.read(LogCursor(), 2)
    assert await store.seals.lag(LogCursor()) >= first.age_seconds
    assert await store.seals.lag(first.cursor) >= second.age_seconds
    assert await store.seals.lag(second.cursor) == 0


async def test_the_tree_grows_on_from_what_was_stored(store: Store) -> None:
    whole = Frontier.empty()
    for _ in range(4):
        for _ in range(3):
            await tasks.submitted(store.log)
        for leaf in await seal_next(store.seals):
            whole.add(leaf_hash(leaf.event_hash))
    sealed = await store.seals.state()
    assert sealed.frontier == whole
    assert whole.size == 12


async def test_a_sealer_that_is_late_changes_nothing(store: Store) -> None:
    await tasks.submitted(store.log)
    await tasks.submitted(store.log)
    (first, second) = await seal_next(store.seals)
    assert not await store.seals.add_leaves([first, second])
    assert not await store.seals.add_leaves([replace(first, number=3)])
    assert (await store.seals.state()).frontier.size == 2


async def test_every_subtree_can_be_found_again(store: Store) -> None:
    made = [await tasks.submitted(store.log) for _ in range(11)]
    leaves = await seal_next(store.seals)
    root = (await store.seals.state()).frontier.root()
    for task, leaf in zip(made, leaves, strict=True):
        hashes = await store.seals.hashes(inclusion_nodes(leaf.number, 11))
        proof = inclusion_proof(leaf.number, 11, hashes)
        assert includes(leaf.number, leaf_hash(leaf.event_hash), 11, root, proof)
        assert await store.seals.leaves_of(task.task_id) == [leaf]
    assert await store.seals.hashes([Node(4, 0), Node(0, 11)]) == {}
    with pytest.raises(ValueError, match="completes no subtree"):
        leaves[3].node_hash(3)


async def test_checkpoints_are_kept_by_size_and_never_replaced(store: Store) -> None:
    root = bytes(32)
    for size in (3, 1, 2):
        await store.seals.add_checkpoint(size, root, f"note {size}")
    await store.seals.add_checkpoint(2, root, "another note")
    notes = [row.note for row in await store.seals.checkpoints(0, 10)]
    assert notes == ["note 1", "note 2", "note 3"]
    assert [row.size for row in await store.seals.checkpoints(1, 1)] == [2]
    latest = await store.seals.latest_checkpoint()
    assert latest is not None
    assert (latest.size, latest.root, latest.note) == (3, root, "note 3")


async def test_contents_are_those_that_the_events_commit_to(store: Store) -> None:
    append = tasks.submission("// a circuit")
    await tasks.put(store.log, append)
    task = await tasks.load(store.log, append.task_id)
    await tasks.put(store.log, tasks.claim(task))
    ended = tasks.completion(await tasks.load(store.log, task.task_id), {"0": 16})
    await tasks.put(store.log, ended)
    assert await store.contents.of(task.task_id) == [*append.payloads, *ended.payloads]
    assert [each.kind for each in await store.contents.of(task.task_id)] == [
        PayloadKind.CIRCUIT,
        PayloadKind.RESULT,
    ]
    assert await store.contents.of(tasks.submission().task_id) == []

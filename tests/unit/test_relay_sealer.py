"""The sealer keeps close behind the log, and signs nothing that does not continue it."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from domain.checkpoint import parse_note
from domain.errors import LogForked, StoreUnavailable
from domain.log import LogCursor
from domain.merkle import Frontier, leaf_hash
from domain.seals import LoggedHash
from infrastructure.checkpoint_folder import CheckpointFolder
from infrastructure.memory import MemoryStore
from infrastructure.memory.seals import MemorySeals
from infrastructure.signing import SigningKeyError, known_keys, signature_problem
from relay import sealer as module
from relay.sealer import Sealer
from tests.support import tasks
from tests.support.waiting import eventually


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def seals(store: MemoryStore) -> MemorySeals:
    return MemorySeals(store)


@pytest.fixture
def sink(tmp_path: Path) -> CheckpointFolder:
    return CheckpointFolder(tmp_path / "shipped")


@pytest.fixture
def make(seals: MemorySeals, sink: CheckpointFolder, tmp_path: Path) -> Callable[[], Sealer]:
    return lambda: Sealer(seals, tmp_path / "signing.key", "ketlog", sink, 0.01)


async def submit(store: MemoryStore, count: int) -> None:
    for _ in range(count):
        await tasks.submitted(store)


async def test_every_event_gets_a_leaf_and_the_tree_a_signature(
    store: MemoryStore,
    seals: MemorySeals,
    sink: CheckpointFolder,
    make: Callable[[], Sealer],
    tmp_path: Path,
) -> None:
    sealer = make()
    await submit(store, 5)
    assert await sealer.round() == 5
    tree = Frontier.empty()
    for leaf in seals.leaves:
        tree.add(leaf_hash(leaf.event_hash))
    latest = await seals.latest_checkpoint()
    assert latest is not None
    signed = parse_note(latest.note)
    assert (signed.checkpoint.size, signed.checkpoint.root) == (5, tree.root())
    assert signature_problem(signed, known_keys(tmp_path / "signing.key")) is None
    assert sink.read(5) == latest.note
    assert (sealer.size, sealer.problem) == (5, None)


async def test_a_quiet_log_is_not_signed_again(
    store: MemoryStore, seals: MemorySeals, make: Callable[[], Sealer]
) -> None:
    sealer = make()
    assert await sealer.round() == 0
    await submit(store, 1)
    assert [await sealer.round() for _ in range(3)] == [1, 0, 0]
    assert list(seals.notes) == [1]


async def test_another_process_goes_on_where_one_was_stopped(
    store: MemoryStore, seals: MemorySeals, make: Callable[[], Sealer]
) -> None:
    await submit(store, 3)
    await make().round()
    await submit(store, 4)
    assert await make().round() == 4
    assert [leaf.number for leaf in seals.leaves] == list(range(7))
    assert list(seals.notes) == [3, 7]


async def test_leaves_that_were_not_signed_before_a_crash_are_signed_after_it(
    store: MemoryStore, seals: MemorySeals, sink: CheckpointFolder, make: Callable[[], Sealer]
) -> None:
    await submit(store, 3)
    await make().round()
    note = seals.notes.pop(3)
    assert await make().round() == 0
    assert seals.notes[3].note == note.note


async def test_a_backlog_is_sealed_in_bounded_batches_with_checkpoints_on_the_way(
    store: MemoryStore,
    seals: MemorySeals,
    make: Callable[[], Sealer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "BATCH", 4)
    await submit(store, 11)
    sealer = make()
    sealer._seal_seconds = 0.0
    assert await sealer.round() == 11
    assert list(seals.notes) == [4, 8, 11]


async def test_of_two_sealers_one_finds_that_the_other_was_faster(
    store: MemoryStore, seals: MemorySeals, make: Callable[[], Sealer]
) -> None:
    first, second = make(), make()
    await submit(store, 2)
    assert await first.round() == 2
    assert await second.round() == 0
    await submit(store, 3)
    assert await first.round() == 3
    assert await second.round() == 0
    await submit(store, 1)
    assert [await second.round() for _ in range(2)] == [0, 1]
    assert [leaf.number for leaf in seals.leaves] == list(range(6))
    assert list(seals.notes) == [2, 5, 6]


async def test_the_lag_is_the_age_of_what_nobody_has_signed(
    store: MemoryStore, make: Callable[[], Sealer]
) -> None:
    now = tasks.EPOCH
    store.clock = lambda: now
    sealer = make()
    await sealer._try()
    await submit(store, 1)

    def later() -> datetime:
        return now + timedelta(seconds=90)

    store.clock = later
    await sealer._measure()
    assert sealer.lag_seconds == 90
    await sealer._try()
    assert sealer.lag_seconds == 0


async def test_nothing_is_signed_after_the_log_was_cut(
    store: MemoryStore, seals: MemorySeals, make: Callable[[], Sealer]
) -> None:
    await submit(store, 5)
    await make().round()
    del seals.leaves[3:]
    seals.notes.clear()
    sealer = make()
    with pytest.raises(LogForked, match="signed over 5 events, and only 3 are sealed"):
        await sealer.round()
    assert (len(seals.leaves), seals.notes) == (3, {})


async def test_nothing_is_signed_over_a_tree_that_was_rewritten(
    store: MemoryStore, seals: MemorySeals, make: Callable[[], Sealer]
) -> None:
    await submit(store, 5)
    await make().round()
    seals.leaves[4] = replace(seals.leaves[4], event_hash=bytes(32))
    await submit(store, 1)
    with pytest.raises(LogForked, match="does not hold what the latest checkpoint, of size 5"):
        await make().round()


async def test_a_shipped_checkpoint_of_another_tree_stops_the_sealer(
    store: MemoryStore, seals: MemorySeals, make: Callable[[], Sealer]
) -> None:
    await submit(store, 5)
    await make().round()
    # The past is made anew by somebody who can do everything but reach the sink.
    seals.leaves.clear()
    seals.notes.clear()
    stream = next(iter(store.streams.values()))
    stream[0] = replace(stream[0], hash=bytes(32))
    with pytest.raises(LogForked, match="only 0 are sealed"):
        await make().round()


async def test_a_leaf_that_is_missing_is_named(
    store: MemoryStore, seals: MemorySeals, make: Callable[[], Sealer]
) -> None:
    await submit(store, 5)
    await make().round()
    del seals.leaves[4]
    with pytest.raises(LogForked, match="only 4 are sealed"):
        await make().round()


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (str.strip, "is damaged"),
        (lambda note: note.replace("\n3\n", "\n2\n"), "signature does not fit"),
        (lambda note: note.replace("— ketlog", "— another"), "by a given key"),
    ],
)
async def test_an_edited_checkpoint_is_not_built_upon(
    store: MemoryStore,
    seals: MemorySeals,
    make: Callable[[], Sealer],
    edit: Callable[[str], str],
    reason: str,
) -> None:
    await submit(store, 3)
    await make().round()
    seals.notes[3] = replace(seals.notes[3], note=edit(seals.notes[3].note))
    with pytest.raises(LogForked, match=reason):
        await make().round()


async def test_a_lost_key_is_not_replaced_in_silence(
    store: MemoryStore, make: Callable[[], Sealer], tmp_path: Path
) -> None:
    await submit(store, 3)
    await make().round()
    (tmp_path / "signing.key").unlink()
    with pytest.raises(SigningKeyError, match="Put it back"):
        await make().round()


async def test_a_sink_that_is_away_holds_up_nothing_and_gets_everything_later(
    store: MemoryStore, seals: MemorySeals, sink: CheckpointFolder, make: Callable[[], Sealer]
) -> None:
    sink.path.write_text("a file where the folder should be")
    sealer = make()
    for count in (2, 3):
        await submit(store, count)
        await sealer.round()
    assert sealer.problem is not None
    assert "cannot be shipped" in sealer.problem
    assert list(seals.notes) == [2, 5]
    sink.path.unlink()
    await sealer.round()
    assert list(sink.sizes()) == [2, 5]
    await eventually(lambda: sealer.problem is None)


async def test_a_log_that_was_signed_twice_is_noticed_when_it_is_shipped(
    store: MemoryStore, sink: CheckpointFolder, make: Callable[[], Sealer]
) -> None:
    sealer = make()
    await sealer.round()
    sink.ship(2, "what somebody else has signed")
    await submit(store, 2)
    with pytest.raises(LogForked, match="signed twice"):
        await sealer.round()


async def test_the_loop_outlives_an_absent_database_and_a_forked_log(
    store: MemoryStore,
    seals: MemorySeals,
    sink: CheckpointFolder,
    make: Callable[[], Sealer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read = seals.read

    async def away(_self: MemorySeals, after: LogCursor, limit: int) -> list[LoggedHash]:
        raise StoreUnavailable("the test has taken the database away")

    sealer = make()
    running = asyncio.create_task(sealer.run())
    try:
        await submit(store, 2)
        await eventually(lambda: sealer.size == 2)
        monkeypatch.setattr(MemorySeals, "read", away)
        await eventually(lambda: sealer._tree is None)
        monkeypatch.undo()
        assert seals.read == read
        held_back, seals.leaves = seals.leaves, []
        await eventually(lambda: sealer.problem is not None or sealer._tree is not None)
        sealer._tree = None
        await eventually(lambda: "only 0 are sealed" in (sealer.problem or ""))
        seals.leaves = held_back
        await submit(store, 1)
        await eventually(lambda: sealer.size == 3 and sealer.problem is None)
        await eventually(lambda: list(sink.sizes()) == [2, 3])
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_without_a_sink_checkpoints_stay_in_the_table(
    store: MemoryStore, seals: MemorySeals, tmp_path: Path
) -> None:
    sealer = Sealer(seals, tmp_path / "signing.key", "ketlog", None, 1.0)
    await submit(store, 2)
    assert await sealer.round() == 2
    assert list(seals.notes) == [2]
